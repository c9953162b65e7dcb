"""Whatever kind of event there is, every reader of traces knows it: file, lines, replay, tree, spans, steps."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import msgspec
import pytest
from opentelemetry.sdk.trace import TracerProvider

from rlm_search.compat.pyrlm_runtime.trace import StepRecorder
from rlm_search.trace.events import AnyEvent, Event, RunFinished, RunStarted
from rlm_search.trace.jsonl import JsonlWriter, read_events
from rlm_search.trace.live import PlainProgress
from rlm_search.trace.replay import as_json, as_text, replay
from rlm_search.trace.spans import SpanListener
from rlm_search.trace.trace import Trace
from rlm_search.trace.tree import tree_of
from tests.unit.rlm_search.trace.test_views import tell_a_run

KINDS: tuple[type[Event], ...] = get_args(AnyEvent)
RECORDED = Path(__file__).parents[1] / "cassette.jsonl"
_OF_TYPE: dict[Any, Any] = {str: "some text", int: 3, float: 0.5, dict: {"status": "answered"}, list: [], bool: True}


def one_of(kind: type[Any]) -> Any:
    """An event of a kind, with all that it must have."""
    return kind(**{field.name: some(field.type) for field in msgspec.structs.fields(kind) if field.required})


def some(type_: Any) -> Any:
    """A value of a type."""
    origin = get_origin(type_) or type_
    return get_args(type_)[0] if origin is Literal else _OF_TYPE[origin]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_reader_knows_every_kind(kind: type[Event], tmp_path: Path) -> None:
    stream = io.StringIO()
    spans = SpanListener(TracerProvider(shutdown_on_exit=False), content=True)
    writer = JsonlWriter(tmp_path / "run.jsonl")
    trace = Trace(listeners=[writer, PlainProgress(stream), spans, StepRecorder()])
    trace.emit(RunStarted(question="?", model="m"))
    trace.step = 1
    event = trace.emit(one_of(kind))
    trace.emit(RunFinished(status="answered", answer={"text": "x", "reason": "", "seconds": 1.0}))
    writer.close()

    events = replay(tmp_path / "run.jsonl")
    assert events[1] == event
    assert len(stream.getvalue().splitlines()) == 3
    assert sum(line[:7].strip() != "" for line in as_text(events)) >= 3
    assert [told["type"] for told in as_json(events)["events"]][1] == msgspec.to_builtins(event)["type"]
    assert any(event in entry.events for entry in tree_of(events).walk())


def test_the_steps_of_pyrlm_runtime_follow_from_recorded_events() -> None:
    kinds = set()
    for events in (read_events(RECORDED), tell_a_run().events):
        recorder = StepRecorder()
        for event in events:
            if not isinstance(event, RunFinished) or "seconds" in event.answer:
                recorder(event)
        kinds |= {step.kind for step in recorder.trace.steps}

    assert kinds == {
        "root_call", "repl_exec", "subcall", "recursive_subcall", "sub_root_call", "sub_repl_exec", "sub_subcall",
    }  # fmt: skip
