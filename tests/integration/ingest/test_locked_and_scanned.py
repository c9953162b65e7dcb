"""Encrypted files and scans, end to end: what a first run could not read, a later one does."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from ingest.types import Limits
from retrievers.embedded import EmbeddedRetriever
from tests.integration.ingest.corpus import ingest
from tests.unit.ingest.parsers import papers

pytestmark = pytest.mark.integration

PAGE = papers.paper(["The ferry left at seven."])
OFF = "pages are pictures, and `ocr` is off: `ingest retry --kind needs-ocr --ocr auto` reads them"
needs_tesseract = pytest.mark.skipif(shutil.which("tesseract") is None, reason="tesseract is not installed")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "archive"
    folder.mkdir()
    return folder


def report_of(home: Path, *arguments: str | Path, code: int = 0) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(
        ingest(home, *arguments, "--index", "i", "--embedder", "none", "--json", code=code).stdout
    )
    return report


def found(home: Path, query: str) -> int:
    return len(EmbeddedRetriever(home / "i").search(query, top_k=10))


def test_a_retry_with_the_password_reads_what_was_encrypted(tmp_path: Path, folder: Path) -> None:
    (folder / "one.pdf").write_bytes(papers.encrypted(PAGE, user="hunter2", algorithm="AES-256"))
    first = report_of(tmp_path, folder, code=4)
    assert [(group["kind"], group["count"]) for group in first["failures"]] == [("encrypted", 1)]
    wrong = ingest(
        tmp_path, "retry", "--kind", "encrypted", "--password", "letmein", "--index", "i", "--embedder", "none", code=4
    )
    assert "letmein" not in wrong.stdout + wrong.stderr
    assert "encrypted" in wrong.stdout
    right = report_of(tmp_path, "retry", "--kind", "encrypted", "--password", "hunter2")
    assert (right["files"]["read"], right["failures"]) == (1, [])
    assert found(tmp_path, "ferry") == 1
    kept = [path for path in tmp_path.rglob("*") if path.is_file() and folder not in path.parents]
    assert kept
    assert not [path for path in kept if b"hunter2" in path.read_bytes() or b"letmein" in path.read_bytes()]


def test_passwords_of_a_file_and_of_the_environment_are_tried(tmp_path: Path, folder: Path) -> None:
    (folder / "one.pdf").write_bytes(papers.encrypted(PAGE, user="first"))
    (folder / "two.pdf").write_bytes(papers.encrypted(papers.paper(["The crane."]), user="second"))
    (tmp_path / "passwords").write_text("other\nfirst\n")
    done = ingest(
        tmp_path, folder, "--passwords-file", "passwords", "--embedder", "none", more={"RLM_SEARCH_PASSWORD": "second"}
    )
    assert "2 documents" in done.stdout


def test_a_passwords_file_that_is_missing_ends_the_run_before_it_begins(tmp_path: Path, folder: Path) -> None:
    (folder / "one.pdf").write_bytes(PAGE)
    done = ingest(tmp_path, folder, "--passwords-file", "nowhere", "--embedder", "none", code=5)
    assert "cannot read the passwords file nowhere" in done.stderr


@needs_tesseract
def test_a_scan_that_was_left_is_read_by_a_retry(tmp_path: Path, folder: Path) -> None:
    (folder / "scan.pdf").write_bytes(papers.scan_of("The ferry left at seven"))
    (folder / "photo.png").write_bytes(papers.picture_of("The crane in the harbour"))
    first = report_of(tmp_path, folder, "--ocr", "off")
    (warning,) = first["warnings"]
    assert (warning["kind"], warning["count"], warning["pages"]) == ("needs-ocr", 2, 2)
    assert warning["hint"] == OFF
    assert first["files"]["read"] == 2
    assert report_of(tmp_path, folder)["files"]["unchanged"] == 2
    again = report_of(tmp_path, *re.findall(r"`ingest (.*)`", OFF)[0].split())  # as the hint says
    assert (again["files"]["read"], again["warnings"]) == (2, [])
    assert (found(tmp_path, "ferry"), found(tmp_path, "crane")) == (1, 1)


@needs_tesseract
def test_many_scanned_pages_may_cost_more_than_one_file_without_any(tmp_path: Path) -> None:
    from ingest.parsers import ocr
    from ingest.sources import find
    from ingest.types import Confinement, ParsedFile, SourceFile
    from ingest.workers import WorkerPool

    (tmp_path / "scan.pdf").write_bytes(papers.scan_of(*(f"The ferry number {n}" for n in range(12))))
    how = ocr.options("auto", ["eng"], 20.0)
    assert how is not None
    options = {"parser": {"ocr": {"program": how.program, "turns": how.turns, "page_seconds": 20.0}}}
    limits = Limits(cpu_seconds=0.5, wall_factor=4.0)  # 2 seconds for all, but 80 for each page
    confinement = Confinement(execute=(how.program,))
    with WorkerPool(1, options=options, limits=limits, confinement=confinement) as pool:
        (outcome,) = pool.run(file for file in find([tmp_path]) if isinstance(file, SourceFile))
    assert isinstance(outcome, ParsedFile)
    assert outcome.documents[0].document.text.count("The ferry number") == 12
    assert outcome.seconds > 0.5, "what tesseract costs is counted"


def test_a_language_that_tesseract_lacks_ends_the_run_with_one_line(tmp_path: Path, folder: Path) -> None:
    if shutil.which("tesseract") is None:
        pytest.skip("tesseract is not installed")
    done = ingest(tmp_path, folder, "--ocr-languages", "eng,xxq", "--embedder", "none", code=5)
    assert "xxq" in done.stderr
    assert "Traceback" not in done.stderr
