"""A recorded run told again, without its model and its index."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from rlm_search.errors import ConfigError
from rlm_search.rendering.words import page_text
from rlm_search.trace.events import AnyEvent, CellFinished, CellStarted, ModelCalled, RunFinished, RunStarted, Searched
from rlm_search.trace.jsonl import read_events
from rlm_search.trace.lines import line_of

_HITS_SHOWN = 5
_OUTPUT_SHOWN = 2_000


def replay(path: Path) -> list[AnyEvent]:
    """The events of a recorded run, in order.

    Raises:
        ConfigError: the file cannot be read, or is no recorded run.
    """
    events = list(read_events(path))
    if not events:
        raise ConfigError(f"{path} holds no run: it is empty", hint="was the run stopped before it began?")
    return events


def answer_of(events: Iterable[AnyEvent]) -> dict[str, Any] | None:
    """The answer as it was given, or None where the run was cut off."""
    finished = [event for event in events if isinstance(event, RunFinished) and event.depth == 0]
    return finished[-1].answer if finished else None


def as_json(events: Sequence[AnyEvent]) -> dict[str, Any]:
    """The run as plain data: run_id, question, answer (None where it was cut off), events."""
    first = events[0]
    return {
        "run_id": first.run_id,
        "question": first.question if isinstance(first, RunStarted) else "",
        "answer": answer_of(events),
        "events": [msgspec.to_builtins(event) for event in events],
    }


def as_text(events: Iterable[AnyEvent]) -> Iterator[str]:
    """The run line by line: steps, code, output, searches with their first hits, citations."""
    began: float | None = None
    shown_step: tuple[str, int] | None = None
    for event in events:
        began = event.at if began is None else began
        step = (event.run_id, event.step)
        if event.step and step != shown_step:
            yield ""
            yield f"{_indent(event)}── step {event.step} ──"
            shown_step = step
        for number, line in enumerate(_lines(event)):
            clock = f"{event.at - began:7.1f} s" if number == 0 else " " * 9
            yield f"{clock}  {_indent(event)}{line}".rstrip()


def _lines(event: AnyEvent) -> list[str]:
    match event:
        case ModelCalled() if not event.error:
            return [line_of(event).partition("]")[0] + "]", *_block(event.text)]
        case CellStarted():
            return ["code", *_block(event.code)]
        case CellFinished():
            ended = "" if event.ended == "ok" else f", {event.ended}"
            return [f"output ({event.seconds:.2f} s{ended})", *_block(event.shown or event.stdout or event.error)]
        case Searched():
            return [line_of(event), *(_hit(hit) for hit in event.hits[:_HITS_SHOWN]), *_more(event)]
        case _:
            return [line_of(event)]


def _block(text: str) -> list[str]:
    if len(text) > _OUTPUT_SHOWN:
        half = _OUTPUT_SHOWN // 2
        text = f"{text[:half]}\n… {len(text) - _OUTPUT_SHOWN:,} characters more …\n{text[-half:]}"
    return [f"  │ {''.join(c if c.isprintable() else ' ' for c in line)}" for line in text.splitlines()]


def _hit(hit: dict[str, Any]) -> str:
    return f"  {hit.get('score', 0.0):7.3f}  {hit.get('doc_id', '')}{page_text(hit.get('pages') or ())}"


def _more(event: Searched) -> list[str]:
    rest = len(event.hits) - _HITS_SHOWN
    return [f"  … and {rest} more"] if rest > 0 else []


def _indent(event: AnyEvent) -> str:
    return "  " * event.depth
