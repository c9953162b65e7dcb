"""What people see of a run: lines, the live view, the replay."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from rlm_search.errors import ConfigError
from rlm_search.trace.events import (
    AnyEvent,
    CellFinished,
    CellStarted,
    Cited,
    DocumentRead,
    FinishRefused,
    HistoryShortened,
    LimitWarned,
    ModelCalled,
    RunFinished,
    RunStarted,
    Searched,
)
from rlm_search.trace.jsonl import JsonlWriter
from rlm_search.trace.lines import line_of
from rlm_search.trace.live import LiveView, PlainProgress
from rlm_search.trace.replay import answer_of, as_json, as_text, replay
from rlm_search.trace.trace import Listener, Trace

HITS = [{"doc_id": f"report-{n}", "score": 9.0 - n, "pages": [n, n + 1]} for n in range(1, 8)]
ANSWER = {"text": "41,300 [1]", "status": "answered"}


def tell_a_run(*listeners: Listener) -> Trace:
    """A run with each kind of event."""
    clock = iter(range(100, 200))
    trace = Trace("run-1", listeners=listeners, clock=lambda: float(next(clock)))
    trace.emit(RunStarted(question="How many passengers?", model="openai:m", limits={"steps": 20}))
    trace.step = 1
    trace.emit(
        ModelCalled(tier="root", model="openai:m", prompt="p", text="I search.", input_tokens=900, output_tokens=7)
    )
    trace.emit(CellStarted(code="hits = es_search('passengers')\nprint(hits)"))
    trace.emit(Searched(function="es_search", query="passengers", filters={"year": 2019}, hits=HITS, seconds=0.004))
    trace.emit(DocumentRead(doc_id="report-1", start=0, end=1500, pages=[1, 2]))
    trace.emit(Cited(doc_id="report-1", quote="carried 41,300", marker="[1]"))
    trace.emit(Cited(doc_id="report-1", quote="carried 99", reason="not in the text"))
    trace.emit(CellFinished(stdout="out\x1b[2J" + "x" * 5000, shown="out\x1b[2J", seconds=0.25))
    child = trace.child("run-2")
    child.emit(RunStarted(question="And cars?", model="openai:m"))
    child.emit(ModelCalled(tier="sub", model="openai:s", prompt="p", text="", error="busy"))
    child.emit(RunFinished(status="not_found", answer={"text": "", "status": "not_found"}))
    trace.emit(LimitWarned(kind="steps", used=17, limit=20))
    trace.emit(FinishRefused(reason="cite first"))
    trace.emit(ModelCalled(tier="root", model="openai:m", prompt="p", text="done", cached=True))
    trace.emit(RunFinished(status="answered", answer=ANSWER))
    return trace


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (RunStarted(question="Why?", model="m"), "run with m: Why?"),
        (RunStarted(question="Why?", model="m", depth=1), "sub-run with m: Why?"),
        (CellStarted(code="a = 1\nb = 2"), "code: a = 1 b = 2"),
        (CellFinished(stdout="", shown=""), "output: none"),
        (
            CellFinished(stdout="x", shown="", error="Traceback\nKeyError: 'a'", ended="raised"),
            "output (raised): KeyError: 'a'",
        ),
        (Searched(function="es_search", query="q", hits=HITS[:1], seconds=0.002), "es_search “q”: 1 hit, 2 ms"),
        (Searched(function="es_search", query="q", error="no field"), "es_search “q”: no field"),
        (DocumentRead(doc_id="d", start=0, end=1500, pages=[3]), "read d, p. 3, 1,500 characters"),
        (Cited(doc_id="d", quote="q", reason="too short"), "citation refused, too short: d: “q”"),
        (LimitWarned(kind="tokens", used=900, limit=1000), "nearly spent: tokens, 900 of 1,000"),
        (RunFinished(status="out_of_budget", answer={}), "finished: out of budget"),
    ],
)
def test_every_event_is_one_line(event: AnyEvent, line: str) -> None:
    assert line_of(event) == line


def test_a_line_is_short_and_steers_no_terminal() -> None:
    line = line_of(CellStarted(code="\x1b[2J" + "long " * 1000))

    assert len(line) < 120
    assert "\x1b" not in line


def test_plain_progress_is_a_line_for_each_event_with_time_and_step() -> None:
    stream = io.StringIO()
    with PlainProgress(stream) as progress:
        trace = tell_a_run(progress)

    lines = stream.getvalue().splitlines()
    assert len(lines) == len(trace.events)
    assert lines[3] == "   3.0 s  step 1  es_search “passengers” where {'year': 2019}: 7 hits, 4 ms"
    assert "    sub-run with" in stream.getvalue()


def test_the_live_view_shows_the_newest_events_and_totals() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100, color_system=None)
    view = LiveView(console, clock=lambda: 7.0)
    tell_a_run(view)
    with console.capture() as captured:
        console.print(view.render())

    shown = captured.get()
    assert "finished: answered" in shown
    assert "run with openai:m: How many" not in shown  # older than what there is room for
    assert shown.splitlines()[-1] == ("step 1/20 · thinking · 1 search · 1 model call · 1 citation · 907 tokens · 0 s")


def test_the_live_view_leaves_the_terminal_as_it_was() -> None:
    stream = io.StringIO()
    with LiveView(Console(file=stream, force_terminal=True, width=80)) as view:
        tell_a_run(view)

    assert stream.getvalue().rstrip().endswith("\x1b[2K")
    assert "\x1b[?25h" in stream.getvalue()  # the cursor is visible again


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    writer = JsonlWriter(tmp_path / "run.jsonl")
    tell_a_run(writer)
    writer.close()
    return writer.path


def test_a_replay_tells_steps_code_output_and_hits(recorded: Path) -> None:
    text = "\n".join(as_text(replay(recorded)))

    assert "── step 1 ──" in text
    assert "│ hits = es_search('passengers')" in text
    assert "es_search “passengers” where {'year': 2019}: 7 hits" in text
    assert "8.000  report-1, p. 1–2" in text  # noqa: RUF001 - a range
    assert "… and 2 more" in text
    assert "I search." in text
    assert "\x1b" not in text


def test_a_replay_as_json_has_question_answer_and_every_event(recorded: Path) -> None:
    told = as_json(replay(recorded))

    assert (told["run_id"], told["question"], told["answer"]) == ("run-1", "How many passengers?", ANSWER)
    assert [event["type"] for event in told["events"]][:2] == ["run_started", "model_called"]
    assert len(told["events"]) == 15


def test_the_answer_of_a_sub_run_is_not_that_of_the_run(recorded: Path) -> None:
    events = replay(recorded)

    assert answer_of(events) == ANSWER
    assert answer_of(events[:-1]) is None


def test_long_output_is_told_by_its_head_and_tail() -> None:
    event = CellFinished(stdout="a" * 5000 + "the end", shown="", run_id="r")

    text = "\n".join(as_text([event]))

    assert "3,007 characters more" in text
    assert text.endswith("the end")


def test_an_empty_file_is_no_run(tmp_path: Path) -> None:
    (tmp_path / "run.jsonl").touch()

    with pytest.raises(ConfigError, match="it is empty"):
        replay(tmp_path / "run.jsonl")


def test_a_conversation_that_was_shortened_is_a_line() -> None:
    event = HistoryShortened(mode="compact", messages=8, tokens_before=90_000, tokens_after=4_000, summary="…")

    assert line_of(event) == "conversation summed up: 90,000 tokens are 4,000 now"


def test_a_limit_of_dollars_is_told_with_its_cents() -> None:
    assert line_of(LimitWarned(kind="cost", used=0.43, limit=0.5)) == "nearly spent: cost, $0.4300 of $0.50"


def test_the_live_view_leaves_the_terminal_for_a_question() -> None:
    out = io.StringIO()
    with LiveView(Console(file=out, force_terminal=True)) as view:
        with view.paused():
            out.write("Go on? [y/N]\n")
        tell_a_run(view)

    assert "Go on? [y/N]" in out.getvalue()
