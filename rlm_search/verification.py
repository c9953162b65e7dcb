"""A second look at an answer: a model is shown each claim with its quotes only, and says whether they bear it out."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from importlib import resources

from rlm_search import answers
from rlm_search.claims import Claim, claims
from rlm_search.context import Context
from rlm_search.errors import BudgetExceeded, ModelError
from rlm_search.framing import framed
from rlm_search.passages import passages
from rlm_search.run import Run
from rlm_search.threads import in_threads
from rlm_search.tools.delegate import MAX_CONCURRENT
from rlm_search.trace.events import CellFinished, Verdict, Verified
from rlm_search.types import Answer, Citation, Doubt, Message, Model

_REST = r"SUPPORTED\b[\"' \t:.*`-]*(?P<reason>.*)"
_CAPITALS = re.compile(rf"(?P<before>.*?)\b(?P<not>UN|NOT )?{_REST}")
_AT_START = re.compile(rf"(?P<before>(?:.*:)?[\W_]*)(?:verdict\W*)?(?P<not>UN|NOT )?{_REST}", re.IGNORECASE)
_NEGATION = re.compile(
    r"\b(?:not|no|never|nor|neither|cannot|nowhere|nothing|hardly|unsupported)\b|n['\u2019]t\b", re.IGNORECASE
)
_DENIAL = re.compile(r"(?:false|no|not)\b", re.IGNORECASE)
_REASON_SHOWN = 300
_CELLS_SHOWN = 3
_PRINTED_SHOWN = 1_500


def verified(run: Run, model: Model, answer: Answer) -> Answer:
    """The answer, with the claims that their quotes do not bear out called in doubt.

    One over given text alone has no quotes: it is looked at whole, with passages of the text that share words with it.
    Each claim with markers is a sub-call; equal ones are one. What cannot be looked at (the budget is spent, the model
    is away or says nothing) is `unchecked`: the answer stands, and is not passed off as checked.
    """
    if answer.status == "answered" and run.citations is None and run.context is not None:
        return _looked_at_whole(run, model, answer, run.context)
    if answer.status != "answered" or not answer.citations or run.answer_type is not None:
        return answer
    by_marker = {citation.marker: citation for citation in answer.citations}
    cited = [claim for claim in claims(answer.text) if any(marker in by_marker for marker in claim.markers)]
    prompts = {claim: _prompt(claim, [by_marker[m] for m in claim.markers if m in by_marker]) for claim in cited}
    replies = _asked(run, model, list(dict.fromkeys(prompts.values())), "verify.md")
    found = [_doubt(run, claim, replies[prompts[claim]]) for claim in cited]
    return answers.doubted(run, answer, [*answer.doubts, *(doubt for doubt in found if doubt is not None)])


def _looked_at_whole(run: Run, model: Model, answer: Answer, context: Context) -> Answer:
    claim = Claim(text=answer.text, start=0, end=len(answer.text), markers=())
    found = passages(context.text, f"{answer.text} {run.question}")
    parts = [framed("passage", text, **{"from": str(start)}) for start, text in found]
    parts += [framed("printed", text) for text in _printed(run)]
    parts += [framed("question", run.question), framed("answer", answer.text)]
    prompt = "\n".join(parts)
    doubt = _doubt(run, claim, _asked(run, model, [prompt], "verify_given.md")[prompt])
    return answers.doubted(run, answer, [*answer.doubts, *([doubt] if doubt is not None else [])])


def _printed(run: Run) -> list[str]:
    """The ends of what the last cells of a run printed."""
    shown = [
        event.stdout[-_PRINTED_SHOWN:]
        for event in run.trace.events
        if isinstance(event, CellFinished) and event.run_id == run.trace.run_id and event.stdout.strip()
    ]
    return shown[-_CELLS_SHOWN:]


def _asked(run: Run, model: Model, prompts: Sequence[str], instructions: str) -> dict[str, str | Exception]:
    """The reply to each prompt, or why there is none; as many are asked as sub-calls are left."""
    left = run.budget.subcalls_left()
    within = prompts if left is None else prompts[:left]
    system = Message("system", resources.files("rlm_search.prompts").joinpath(instructions).read_text("utf-8"))

    def ask(prompt: str) -> str | Exception:
        try:
            return model.complete([system, Message("user", prompt)], run.options()).text
        except (BudgetExceeded, ModelError) as error:  # recorded against one claim
            return error

    calls: list[Callable[[], str | Exception]] = [partial(ask, prompt) for prompt in within]
    try:
        run.budget.subcalls(len(within))
        said = in_threads(MAX_CONCURRENT, calls)
    except BudgetExceeded as spent:
        said = [spent for _ in within]
    unasked = BudgetExceeded("no sub-calls are left", kind="subcalls")
    return {**dict.fromkeys(prompts, unasked), **dict(zip(within, said, strict=True))}


def _doubt(run: Run, claim: Claim, reply: str | Exception) -> Doubt | None:
    verdict, reason = _read(reply)
    run.trace.emit(Verified(claim=claim.text, markers=list(claim.markers), verdict=verdict, reason=reason))
    if verdict == "supported":
        return None
    return Doubt(kind=verdict, start=claim.start, end=claim.end, reason=reason)


def _read(reply: str | Exception) -> tuple[Verdict, str]:
    if isinstance(reply, BudgetExceeded):
        return "unchecked", reply.message
    if isinstance(reply, Exception):
        return "unchecked", "the model that looks did not answer"
    found = _verdict(reply)
    if found is None:
        return "unchecked", "the model that looks gave no verdict"
    reason = found["reason"].strip()
    if found["not"] or _DENIAL.match(reason):
        return "unsupported", reason[:_REASON_SHOWN]
    return "supported", ""


def _verdict(reply: str) -> re.Match[str] | None:
    """The last line that is a verdict, of one that thinks aloud; in capitals, as it was told to, before any other.

    "isn't supported" in a sentence is none, nor is "the year is supported" in the reason for the opposite.
    """
    for form in (_CAPITALS, _AT_START):
        lines = [found for line in reply.splitlines() if (found := form.match(line))]
        if lines:
            return None if _NEGATION.search(lines[-1]["before"]) else lines[-1]
    return None


def _prompt(claim: Claim, citations: Sequence[Citation]) -> str:
    quotes = "\n".join(
        framed("quote", citation.quote, marker=citation.marker, document=citation.title or citation.source)
        for citation in citations
    )
    return f"{quotes}\n\n{framed('claim', claim.text)}"
