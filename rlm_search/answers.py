"""What a run came to, as an `Answer`, and the event that closes its trace."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec

from rlm_search.citations import Checked
from rlm_search.run import Finish, Run
from rlm_search.trace.events import RunFinished
from rlm_search.typed import plain
from rlm_search.types import Answer, Status, Usage

NOT_FOUND = "the documents do not hold the answer"


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
    return RunFinished(status=answer.status, answer=msgspec.to_builtins(replace(answer, value=plain(answer.value))))


def _answer(run: Run, found: Checked, status: Status, reason: str) -> Answer:
    return Answer(
        text=found.text.strip(),
        status=status,
        reason=reason,
        citations=found.citations,
        rejected=found.unknown,
        usage=(usage := run.budget.usage()),
        usage_by_model=run.budget.usage_by_model(),
        cost_usd=sum(usage.values(), Usage()).cost_usd,
        searches=run.searches,
        steps=run.budget.count("steps"),
        seconds=run.budget.seconds,
        run_id=run.trace.run_id,
    )
