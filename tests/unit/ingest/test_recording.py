"""What a run tells machines: events, a log, metrics; and how far it says that it is."""

from __future__ import annotations

import json
import re
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from ingest.causes import group
from ingest.entries import FailedFile
from ingest.recording import prometheus
from ingest.report import IndexCounts, Tally
from ingest.snapshot import Snapshot, snapshot
from ingest.state import lock
from ingest.status import RunningRun, Status, lines
from tests.unit.ingest.conftest import Run


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "a.txt").write_text("The crane in the harbour.\nThe ledger.", encoding="utf-8")
    (folder / "b.txt").write_text("FAIL", encoding="utf-8")
    return folder


def test_events_are_lines_of_json_from_the_beginning_to_the_end(run: Run, files: Path, tmp_path: Path) -> None:
    code, out, _ = run("files", "--embedder", "none", "--events", "events.jsonl", "--json")

    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    failed = next(event for event in events if event["event"] == "failed")
    assert (code, json.loads(out)["documents"]) == (4, 1)
    assert (events[0]["event"], events[-1]["event"]) == ("started", "ended")
    assert (failed["source"], failed["kind"], failed["message"]) == ("b.txt", "broken", "it says so")
    assert (events[-1]["files"], events[-1]["documents"], events[-1]["failed_by_kind"]) == (2, 1, {"broken": 1})


def test_events_on_stdout_are_alone_there(run: Run, files: Path) -> None:
    _, out, err = run("files", "--embedder", "none", "--events", "-", "-q")
    assert [json.loads(line)["event"] for line in out.splitlines()] == ["started", "failed", "ended"]
    assert "1 document" in err
    assert run("files", "--events", "-", "--json")[0] == 2


def test_the_log_is_appended_to_and_names_failures(run: Run, files: Path, tmp_path: Path) -> None:
    run("files", "--embedder", "none", "--log-file", "ingest.log")
    run("files", "--embedder", "none", "--log-file", "ingest.log")

    told = (tmp_path / "ingest.log").read_text().splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00 \S", line) for line in told)
    assert sum("ingest begins" in line for line in told) == sum("ingest ends" in line for line in told) == 2
    assert any(line.endswith("broken: b.txt: it says so") for line in told)


def test_metrics_are_left_as_the_run_ended(run: Run, files: Path, tmp_path: Path) -> None:
    run("files", "--embedder", "none", "--metrics", "ingest.prom")

    text = (tmp_path / "ingest.prom").read_text()
    assert "rlm_search_ingest_running 0\n" in text
    assert "rlm_search_ingest_documents 1\n" in text
    assert 'rlm_search_ingest_failed{kind="broken"} 1\n' in text
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".ingest")] == []


def test_a_name_that_would_command_the_terminal_is_shown_and_not_obeyed(run: Run, tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files/red\x1b[31m\nb\u202e.txt").write_text("FAIL", encoding="utf-8")

    _, out, err = run("files", "--embedder", "none", "--verbose", "--log-file", "ingest.log")
    _, listed, _ = run("failures")

    for told in (out, err, listed, (tmp_path / "ingest.log").read_text(encoding="utf-8")):
        assert r"red\x1b[31m\nb\u202e.txt: it says so" in told
        assert "".join(told.splitlines()).isprintable()
    assert len(listed.splitlines()) == 1


def test_each_metric_has_its_type_and_unknown_ones_are_left_out() -> None:
    told = prometheus(Snapshot(), is_running=True).splitlines()
    named = {line.split()[0] for line in told if not line.startswith("#")}
    assert named == {line.split()[2] for line in told if line.startswith("# TYPE") and "failed" not in line}
    assert "rlm_search_ingest_eta_seconds" not in named


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
@pytest.mark.parametrize("option", ["--events", "--log-file", "--report"])
def test_a_full_disk_is_named_by_the_file_that_it_has_no_room_for(run: Run, files: Path, option: str) -> None:
    code, out, err = run("files", "--embedder", "none", "-q", option, "/dev/full")

    assert code == 5
    assert err.startswith("error: No space left on device (/dev/full)\nhint: free some space")
    assert ("1 document" in out) == (option == "--report")  # then the run is over, and what it did is told


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
def test_metrics_that_find_no_room_cost_no_run(run: Run, files: Path, tmp_path: Path) -> None:
    (tmp_path / "ingest.prom").symlink_to("/dev/full")
    assert run("files", "--embedder", "none", "-q", "--metrics", "ingest.prom")[0] == 4


@pytest.mark.parametrize("option", ["--events", "--log-file", "--metrics"])
def test_where_nothing_can_be_written_is_said_before_the_run(run: Run, files: Path, option: str) -> None:
    code, _, err = run("files", option, "nowhere/x")
    assert code == 2
    assert f"{option}: there is no folder nowhere" in err


def tally(**changes: object) -> Tally:
    made = Tally(started=time.monotonic() - 10.0)
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def test_the_time_left_is_that_of_the_slower_of_reading_and_embedding() -> None:
    reading = snapshot(tally(read=10, expected=100))
    embedding = snapshot(tally(read=10, expected=100, vectors=10, vectors_expected=50))
    last = snapshot(tally(read=100, text_seconds=5.0, vectors=50, vectors_expected=100))
    assert reading.eta_seconds == pytest.approx(90, rel=0.2)
    assert embedding.eta_seconds == pytest.approx(490, rel=0.2)
    assert (last.stage, last.files_per_second) == ("vectors", 20.0)
    assert last.eta_seconds == pytest.approx(10, rel=0.2)


def test_nothing_is_said_of_the_time_left_before_it_can_be_known() -> None:
    assert snapshot(tally(read=10)).eta_seconds is None
    assert snapshot(tally()).eta_seconds is None


def test_a_clock_that_was_set_back_makes_no_run_shorter_than_nothing(run: Run, files: Path) -> None:
    run("files", "--embedder", "none")
    hour = 3600.0
    with closing(sqlite3.connect(".rlm-search/index/journal.db", isolation_level=None)) as journal:
        journal.execute("UPDATE runs SET started = started + ?, seen = seen + ?, ended = NULL", (hour, hour))
    with lock(Path(".rlm-search/index/journal.db"), ".rlm-search/index"):
        running = json.loads(run("status", "--json")[1])["running"]

    assert (running["seconds"], running["seen_seconds_ago"]) == (0.0, 0.0)


def test_the_most_frequent_causes_come_first_whatever_numbers_and_names_they_hold() -> None:
    def failed(number: int, message: str) -> FailedFile:
        return FailedFile(
            path=f"/{number}", source=f"{number}.txt", kind="broken", stage="parse", message=message, hint="",
            attempts=1, size=1,
        )  # fmt: skip

    messages = [*(f"page {n} of 'x{n}' is bad" for n in range(5)), "no end", "no end", "one", "two"]
    (broken,) = group(failed(number, message) for number, message in enumerate(messages))
    assert [(cause.count, cause.message, cause.example) for cause in broken.causes] == [
        (5, "page 0 of 'x0' is bad", "0.txt"),
        (2, "no end", "5.txt"),
        (1, "one", "7.txt"),
    ]


def test_the_status_of_a_run_tells_its_stage_rates_and_the_time_left() -> None:
    now = Snapshot(
        files=50, expected=200, files_per_second=5.0, pages=80, pages_per_second=8.0, vectors=10, vectors_expected=90,
        vectors_per_second=1.0, failed=2, eta_seconds=90.0,
    )  # fmt: skip
    running = RunningRun(pid=7, seconds=10.0, seen_seconds_ago=0.5, progress=now)
    status = Status(index="i", embedder="", holds=IndexCounts(), files={}, failures={}, running=running)
    assert list(lines(status))[-1] == (
        "running    process 7 for 10.0 s, reading files: 50 of 200 files (5/s), 80 pages (8/s), "
        "10 of 90 chunks embedded (1/s), 2 failed, about 1 min 30 s left"
    )
