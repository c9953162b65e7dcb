"""What a run tells when it ends, and while it goes on."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from ingest.causes import group
from ingest.entries import FailedFile
from ingest.progress import Bars, LogLines, Silent, line
from ingest.report import (
    FileCounts,
    FormatCount,
    IndexCounts,
    IngestReport,
    Tally,
    duration,
    format_of,
    json_of,
    sentences,
    size,
)
from ingest.testing import indexed
from ingest.types import Failure, ParsedFile, SourceFile, Warned


def report(**changes: object) -> IngestReport:
    fields: dict[str, object] = {
        "index": "idx",
        "embedder": "minilm",
        "files": FileCounts(found=5, read=2, unchanged=1, unsupported=1, failed=1),
        "documents": 2,
        "pages": 1200,
        "chunks": 10,
        "vectors": 10,
        "bytes": 2_500_000,
        "formats": {"txt": FormatCount(files=1, documents=1, pages=1, bytes=10), "pdf": FormatCount(files=1, bytes=99)},
        "failures": (),
        "warnings": (),
        "holds": IndexCounts(documents=3, chunks=12, vectors=12),
        "seconds": 75.0,
        "text_seconds": 2.0,
        "embedder_seconds": 70.0,
    }
    return IngestReport(**{**fields, **changes})  # type: ignore[arg-type]  # the fields are of mixed types


def failed(number: int, kind: str = "broken") -> FailedFile:
    return FailedFile(
        path=f"/a/{number}", source=str(number), kind=kind, stage="parse", message="bad", hint="", attempts=1, size=1
    )


def test_the_report_begins_with_what_was_read_and_ends_with_what_the_index_holds() -> None:
    first, *middle, last = sentences(report())

    assert first == "2 documents, 1,200 pages, 10 chunks, 10 vectors from 2 files (2.5 MB) in 1 min 15 s"
    assert middle[0].split() == ["pdf", "1", "file,", "0", "documents,", "0", "pages,", "99", "B"]
    assert middle[-1] == "1 unchanged"
    assert last == "idx holds 3 documents, 12 chunks, all with vectors"


@pytest.mark.parametrize(("vectors", "share"), [(0, "none"), (5, "5"), (12, "all")])
def test_how_many_chunks_have_vectors_is_said(vectors: int, share: str) -> None:
    holds = IndexCounts(documents=3, chunks=12, vectors=vectors)

    assert list(sentences(report(holds=holds)))[-1].endswith(f", {share} with vectors")


def test_failures_are_grouped_with_three_examples_and_what_to_do() -> None:
    groups = group([*(failed(number) for number in range(5)), failed(9, "encrypted")])

    assert [(found.kind, found.count, len(found.examples)) for found in groups] == [
        ("broken", 5, 3),
        ("encrypted", 1, 1),
    ]
    told = list(sentences(report(failures=groups)))
    assert any(line.startswith("failed: encrypted: 1 file — `ingest retry --kind encrypted") for line in told)
    assert "  9: bad" in told


def test_the_exit_code_is_4_where_failures_stand_and_0_elsewhere() -> None:
    assert report().exit_code == 0
    assert report(warnings=counted().warning_groups()).exit_code == 0
    assert report(failures=group([failed(1)])).exit_code == 4


def test_the_report_as_json_is_one_object() -> None:
    decoded = json.loads(json_of(report(failures=group([failed(1)]))))

    assert decoded["files"]["found"] == 5
    assert decoded["failures"][0]["examples"] == [{"source": "1", "message": "bad", "attempts": 1}]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.0 s"), (59.94, "59.9 s"), (60, "1 min 0 s"), (3725, "1 h 2 min")]
)
def test_durations_are_readable(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_sizes_and_formats_are_readable() -> None:
    assert [size(number) for number in (12, 1500, 2_000_000, 3_100_000_000)] == ["12 B", "1.5 kB", "2.0 MB", "3.1 GB"]
    assert [format_of(name) for name in ("a/b.PDF", "c", "x.tar.gz")] == ["pdf", "no suffix", "gz"]


def parsed(text: str = "one\ntwo", *, last: bool = True, source: str = "a.txt") -> ParsedFile:
    file = SourceFile(path=Path("/a.txt"), source=source, size=7, mtime_ns=0, fingerprint="1")
    item = indexed("a", text, source="a.txt")
    warnings = [Warned(source="a.txt", kind="empty")] if not text else []
    return ParsedFile(file=file, documents=[item], warnings=warnings, bytes_read=7 if last else 0, last=last)


def failure() -> Failure:
    return Failure(path=Path("/b.txt"), source="b.txt", kind="broken", stage="parse", message="[bold]no")


def counted() -> Tally:
    tally = Tally(found=4)
    tally.take(parsed(last=False))
    tally.take(parsed())
    tally.take(parsed(""))
    tally.fail(failure())
    tally.known["text"] += 1
    return tally


def test_a_file_in_pieces_counts_once_and_its_documents_each() -> None:
    tally = counted()

    assert (tally.read, tally.documents, tally.chunks, tally.bytes) == (2, 3, 4, 14)
    assert tally.formats["txt"].files == 2
    assert [(found.kind, found.examples) for found in tally.warning_groups()] == [("empty", ("a.txt",))]
    assert tally.files() == FileCounts(found=4, read=2, unchanged=1, failed=1)


def test_numbered_names_do_not_make_a_format_each() -> None:
    tally = Tally()
    for number in range(100):
        tally.take(parsed(source=f"log.{number}"))

    assert len(tally.formats) == 41
    assert tally.formats["others"].files == 60


def test_a_line_of_progress_names_files_rates_vectors_and_failures() -> None:
    tally = counted()
    tally.text_seconds, tally.vectors_expected, tally.vectors, tally.embedder_seconds = 2.0, 40, 10, 5.0

    told = line(tally).partition(": ")[2]
    assert told.startswith("4 files, 3 pages (2/s), 10 of 40 chunks embedded (2/s), 1 failed, about ")
    assert told.endswith(" left")


def test_log_lines_come_seldom_and_name_failures_only_if_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    stream, verbose = io.StringIO(), io.StringIO()
    quiet_lines, verbose_lines = LogLines(stream), LogLines(verbose, verbose=True)
    for lines in (quiet_lines, verbose_lines):
        lines.show(counted())
        lines.failed(failure())
    assert stream.getvalue() == ""
    assert verbose.getvalue() == "broken: b.txt: [bold]no\n"

    monkeypatch.setattr("time.monotonic", lambda: 1e12)
    quiet_lines.show(counted())
    quiet_lines.show(counted())
    quiet_lines.close()

    assert stream.getvalue().count("4 files") == 1


def test_bars_show_both_stages_and_leave_the_terminal_clean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    stream = io.StringIO()
    bars = Bars(stream, verbose=True, colour=False)
    tally = counted()
    tally.vectors_expected, tally.vectors = 40, 10
    bars.show(tally)
    bars.show(tally)
    bars.failed(failure())
    bars.close()

    shown = stream.getvalue()
    assert "10/40" in shown
    assert "1 failed" in shown
    assert "[bold]no" in shown


def test_silence_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    silent = Silent()
    silent.show(counted())
    silent.failed(failure())
    silent.close()

    assert capsys.readouterr() == ("", "")
