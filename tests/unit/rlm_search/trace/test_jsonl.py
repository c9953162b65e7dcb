"""A run as a file."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from rlm_search.errors import ConfigError
from rlm_search.trace.events import CellFinished, CellStarted, RunStarted, Searched
from rlm_search.trace.jsonl import JsonlWriter, read_events
from rlm_search.trace.trace import Trace

SECRET = 'sk-"quoted"-secret'


def test_what_was_recorded_is_read_again(tmp_path: Path) -> None:
    writer = JsonlWriter(tmp_path / "deep" / "run.jsonl")
    trace = Trace(listeners=[writer])
    trace.emit(RunStarted(question="Größe?\n你好", model="m"))
    trace.emit(Searched(function="es_search", filters={"year": {"gte": 2019}}, hits=[{"doc_id": "a", "score": 1.5}]))
    writer.close()

    assert tuple(read_events(writer.path)) == trace.events


def test_each_event_is_in_the_file_as_soon_as_it_has_happened(tmp_path: Path) -> None:
    writer = JsonlWriter(tmp_path / "run.jsonl")
    trace = Trace(listeners=[writer])
    for number in range(3):
        trace.emit(CellStarted(code=f"x = {number}"))
        assert len(list(read_events(writer.path))) == number + 1
        assert writer.path.read_bytes().endswith(b"}\n")
    writer.close()


def test_a_last_line_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    path.write_bytes(b'{"type":"cell_started","code":"x"}\n{"type":"cell_st')

    [event] = read_events(path)
    assert event == CellStarted(code="x")


def test_a_secret_never_gets_into_the_file(tmp_path: Path) -> None:
    writer = JsonlWriter(tmp_path / "run.jsonl", secrets=[SECRET, "", "short"])
    Trace(listeners=[writer]).emit(CellFinished(stdout=f"key: {SECRET}, a short word", shown=""))
    writer.close()

    text = writer.path.read_text(encoding="utf-8")
    assert "secret]" in text
    assert "quoted" not in text
    assert "a short word" in text


def test_text_that_is_no_unicode_is_recorded_all_the_same(tmp_path: Path) -> None:
    writer = JsonlWriter(tmp_path / "run.jsonl")
    Trace(listeners=[writer]).emit(Searched(function="es_search", query="half \ud800", filters={"odd": {1, 2}}))
    writer.close()

    [event] = read_events(writer.path)
    assert isinstance(event, Searched)
    assert event.query == "half ?"


def test_only_its_owner_may_read_a_run(tmp_path: Path) -> None:
    writer = JsonlWriter(tmp_path / "run.jsonl")
    writer.close()

    assert stat.S_IMODE(os.stat(writer.path).st_mode) == 0o600


def test_a_full_disk_costs_the_record_and_not_the_run() -> None:
    writer = JsonlWriter(Path("/dev/full"))
    trace = Trace(listeners=[writer])
    trace.emit(CellStarted(code="x"))
    trace.emit(CellStarted(code="y"))
    writer.close()

    assert "No space left" in writer.failure
    assert len(trace.events) == 2


def test_events_after_closing_are_dropped(tmp_path: Path) -> None:
    writer = JsonlWriter(tmp_path / "run.jsonl")
    writer.close()
    writer.close()
    writer(CellStarted(code="late"))

    assert list(read_events(writer.path)) == []


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")

    with pytest.raises(ConfigError, match="cannot write the trace"):
        JsonlWriter(tmp_path / "file" / "run.jsonl")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"%PDF-1.7\nx\n", "is no recorded run: line 1"),
        (b'{"name": "package"}\n', "is no recorded run: line 1"),
        (b'["a"]\n', "is no recorded run: line 1"),
        (b'{"type":"cell_started","code":"x"}\n{"type":"teleported"}\n', "line 2: an event `teleported`"),
        (b'{"type":"cell_started","code":"x"}\n\xff\xfe\n', "is no recorded run: line 2"),
    ],
)
def test_a_file_that_is_no_run_is_told(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "run.jsonl"
    path.write_bytes(content)

    with pytest.raises(ConfigError, match=message):
        list(read_events(path))


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        list(read_events(tmp_path / "none.jsonl"))
