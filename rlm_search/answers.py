"""What a run came to, as an `Answer`, and the event that closes its trace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec

from rlm_search.citations import Checked
from rlm_search.claims import uncited
from rlm_search.run import Finish, Run
from rlm_search.trace.events import RunFinished
from rlm_search.typed import plain
from rlm_search.types import Answer, Doubt, Status, Usage

NOT_FOUND = "the documents do not hold the answer"
_SAYS_SOMETHING = ("answered", "out_of_budget")


def checked(run: Run, text: str) -> Checked:
    """The text with its markers looked up; nothing is a marker where there is nothing to cite."""
    if run.citations is None:
        return Checked(text=text, citations=(), unknown=())
    return run.citations.check(text)


def finished(run: Run, finish: Finish, found: Checked, value: Any = None) -> Answer:
    """The answer that the model gave, with the markers that hold; of a typed one with its value."""
    status: Status = "answered" if finish.found else "not_found"
    return replace(_answer(run, found, status, "" if finish.found else NOT_FOUND), value=value)


def unfinished(run: Run, status: Status, reason: str) -> Answer:
    """The best there is of a run that did not finish: its last draft, and every citation where there is none."""
    if run.draft:
        return _answer(run, checked(run, run.draft), status, reason)
    citations = run.citations.all() if run.citations else ()
    return _answer(run, Checked(text="", citations=citations, unknown=()), status, reason)


def failed(run: Run, reason: str) -> Answer:
    """No answer: what the model said is not passed on."""
    return _answer(run, Checked(text="", citations=(), unknown=()), "failed", reason)


def closing_event(answer: Answer) -> RunFinished:
    """The last event of a trace."""
    return RunFinished(status=answer.status, answer=as_data(answer))


def as_data(answer: Answer) -> dict[str, Any]:
    """An answer as JSON holds it."""
    data: dict[str, Any] = msgspec.to_builtins(replace(answer, value=plain(answer.value)))
    return data


def doubted(run: Run, answer: Answer, doubts: Sequence[Doubt]) -> Answer:
    """The answer with sentences that a second look has called in doubt, and with what that look has cost."""
    return replace(_used(run, answer), doubts=tuple(sorted(doubts, key=lambda doubt: doubt.start)))


def _answer(run: Run, found: Checked, status: Status, reason: str) -> Answer:
    text = found.text.strip()
    marks = run.marks_uncited and run.citations is not None and run.answer_type is None and status in _SAYS_SOMETHING
    answer = Answer(
        text=text,
        status=status,
        reason=reason,
        citations=found.citations,
        rejected=found.unknown,
        searches=run.searches,
        doubts=tuple(uncited(text)) if marks else (),
        run_id=run.trace.run_id,
    )
    return _used(run, answer)


def _used(run: Run, answer: Answer) -> Answer:
    """With what the run has used by now."""
    usage = run.budget.usage()
    return replace(
        answer,
        usage=usage,
        usage_by_model=run.budget.usage_by_model(),
        cost_usd=sum(usage.values(), Usage()).cost_usd,
        steps=run.budget.count("steps"),
        seconds=run.budget.seconds,
    )
