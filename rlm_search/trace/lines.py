"""An event as one line for people: what the live view, plain progress and the replay have in common."""

from __future__ import annotations

from typing import assert_never

from rlm_search.budget import amount
from rlm_search.rendering.words import brief, filter_text, number_of, page_text
from rlm_search.trace.events import (
    AnyEvent,
    CellFinished,
    CellStarted,
    Cited,
    DocumentRead,
    FinishRefused,
    HistoryShortened,
    InstructionSeen,
    LimitWarned,
    ModelCalled,
    RunFinished,
    RunStarted,
    Searched,
    ToolCalled,
    Verified,
)


def line_of(event: AnyEvent) -> str:  # noqa: C901 - one flat branch for each kind of event
    """What happened, in one line."""
    match event:
        case RunStarted():
            return f"{'sub-run' if event.depth else 'run'} with {event.model}: {brief(event.question)}"
        case ModelCalled():
            return _model_line(event)
        case CellStarted():
            return f"code: {brief(event.code)}"
        case CellFinished():
            ended = "" if event.ended == "ok" else f" ({event.ended})"
            said = event.error.strip().rpartition("\n")[2] or event.stdout
            return f"output{ended}: {brief(said) or 'none'}"
        case Searched():
            return _search_line(event)
        case DocumentRead():
            return f"read {event.doc_id}{page_text(event.pages)}, {event.end - event.start:,} characters"
        case InstructionSeen():
            return f"reads like an instruction to {event.about}, in {event.doc_id}: “{brief(event.passage, 60)}”"
        case ToolCalled():
            failed = f", failed: {brief(event.error, 60)}" if event.error else ""
            return f"{event.function}({brief(event.arguments, 60)}){failed}"
        case Cited():
            where = f"{event.doc_id}: “{brief(event.quote, 60)}”"
            return (
                f"cited {event.marker} {where}"
                if event.marker
                else f"citation refused, {brief(event.reason, 60)}: {where}"
            )
        case Verified():
            reason = f", {brief(event.reason, 60)}" if event.reason else ""
            return f"{event.verdict}{reason}: “{brief(event.claim, 60)}”"
        case LimitWarned():
            return f"nearly spent: {event.kind}, {amount(event.kind, event.used, event.limit)}"
        case HistoryShortened():
            how = {"full": "cut", "trim": "trimmed", "compact": "summed up"}.get(event.mode, event.mode)
            return f"conversation {how}: {event.tokens_before:,} tokens are {event.tokens_after:,} now"
        case FinishRefused():
            return f"not finished yet: {brief(event.reason)}"
        case RunFinished():
            return f"finished: {event.status.replace('_', ' ')}"
        case _:
            assert_never(event)


def _model_line(event: ModelCalled) -> str:
    if event.error:
        return f"{event.model}: {brief(event.error)}"
    tokens = f"{event.input_tokens:,} + {event.output_tokens:,} tokens, " if event.input_tokens else ""
    origin = "from the cache, " if event.cached else tokens
    return f"{event.model} [{origin}{event.seconds:.1f} s]: {brief(event.text, 70)}"


def _search_line(event: Searched) -> str:
    asked = f"{event.function} “{brief(event.query, 60)}”{filter_text(event.filters)}"
    if event.error:
        return f"{asked}: {brief(event.error)}"
    return f"{asked}: {number_of(len(event.hits), 'hit')}, {event.seconds * 1000:.0f} ms"
