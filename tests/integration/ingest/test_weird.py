"""494 odd files, each with what PDFium says of it: every one is accounted for, and none is in the wrong class."""

from __future__ import annotations

import json
import os
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pypdfium2
import pytest

from retrievers.embedded import EmbeddedRetriever
from retrievers.types import Document
from tests.integration.ingest.corpus import ingest

pytestmark = pytest.mark.integration

FAILURES = ("broken", "encrypted", "unsupported", "timeout", "memory", "crashed", "too-large", "unreadable", "vanished")
WARNINGS = ("empty", "needs-ocr", "pages-lost", "repaired", "truncated", "encoding")
NO_TEXT = {"empty", "needs-ocr"}
UNSUPPORTED = {"key", "numbers", "pages", "one"}  # by extension
ENCRYPTED = re.compile(r"protected_passtika|/protect\.xlsx$")
ENOUGH = 0.97  # of the words of a file, and of the files
BROKEN = ("testWORD_truncated.docx", "dots_list.json")  # ends early; a list that is never closed
EMPTY_BY_RIGHT = 20  # of the files that are no PDF: pictures, charts, attachments alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What became of each file, and the documents, by their source."""

    outcomes: Mapping[str, frozenset[str]]
    documents: Mapping[str, Document]

    def of(self, entry: Mapping[str, Any]) -> frozenset[str]:
        """The kinds of failures and warnings of a file; none if it was read and all is well."""
        return self.outcomes.get(entry["file"], frozenset())


@pytest.fixture(scope="module")
def weird() -> Path:
    if "RLM_SEARCH_TEST_DATA" not in os.environ:
        pytest.skip("RLM_SEARCH_TEST_DATA names no test data")
    return Path(os.environ["RLM_SEARCH_TEST_DATA"]) / "weird"


@pytest.fixture(scope="module")
def manifest(weird: Path) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = json.loads((weird / "manifest.json").read_text(encoding="utf-8"))
    return entries


@pytest.fixture(scope="module")
def run(weird: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return a_run(weird, tmp_path_factory.mktemp("run"))


def a_run(weird: Path, home: Path) -> Run:
    """Ingest all of them; with RLM_SEARCH_ALL=1 the scans are read by OCR, which takes most of a minute."""
    ocr = "auto" if os.environ.get("RLM_SEARCH_ALL") else "off"
    index = home / "index"
    report = json.loads(
        ingest(home, weird, "--index", index, "--embedder", "none", "--ocr", ocr, "--json", code=4, timeout=500).stdout
    )
    counts = report["files"]
    assert counts["found"] == counts["read"] + counts["unsupported"] + counts["failed"]
    assert counts["found"] == sum(path.is_file() for path in weird.rglob("*"))
    kinds = [argument for kind in (*FAILURES, *WARNINGS) for argument in ("--kind", kind)]
    listed = json.loads(ingest(home, "failures", "--index", index, *kinds, "--json").stdout)["failures"]
    outcomes: dict[str, set[str]] = {}
    for entry in listed:
        outcomes.setdefault(entry["source"], set()).add(entry["kind"])
    documents = (item.document for item in EmbeddedRetriever(index).export())
    return Run(
        outcomes={source: frozenset(kinds) for source, kinds in outcomes.items()},
        documents={source: document for document in documents for source in document.sources},
    )


def test_every_file_is_a_document_or_a_failure(run: Run, manifest: list[dict[str, Any]]) -> None:
    sources = {re.split(r"!/|#", source)[0] for source in run.documents}  # of files in files, and of records
    lost = [entry["file"] for entry in manifest if entry["file"] not in sources and not run.of(entry) & {*FAILURES}]
    assert lost == []


def test_no_worker_was_stopped_or_died(run: Run) -> None:
    stopped = {"timeout", "memory", "crashed", "too-large"}
    assert [source for source, kinds in run.outcomes.items() if kinds & stopped] == []


@pytest.mark.parametrize("class_", ["text", "encrypted_open", "image_only", "no_text", "load_error", "password"])
def test_each_pdf_is_in_its_class(run: Run, weird: Path, manifest: list[dict[str, Any]], class_: str) -> None:
    wrong = {
        entry["file"]: run.of(entry)
        for entry in manifest
        if entry.get("class") == class_ and not _is_right(class_, run, entry, weird / entry["file"])
    }
    assert wrong == {}


def _is_right(class_: str, run: Run, entry: Mapping[str, Any], path: Path) -> bool:
    kinds = run.of(entry)
    document = run.documents.get(entry["file"])
    has_text = document is not None and bool(document.text.strip())
    match class_:
        case "text" | "encrypted_open":
            return has_text and not kinds & {*FAILURES}
        case "image_only":  # a scan, or pictures beside a few words; with OCR perhaps without any
            return bool(kinds & NO_TEXT) or has_text
        case "no_text":  # nothing that is drawn is text; a form may have values all the same
            return bool(kinds & {*NO_TEXT, "broken"}) or has_text
        case "load_error":
            return kinds == {"broken"} or "repaired" in kinds
        case _:  # PDFium calls a document without pages locked, too
            return kinds == ({"encrypted"} if b"/Encrypt" in path.read_bytes() else {"broken"})


def test_each_other_file_is_in_its_class(run: Run, manifest: list[dict[str, Any]]) -> None:
    wrong = {}
    for entry in manifest:
        found = run.of(entry) & {*FAILURES}
        if "class" not in entry and found != _expected(entry):
            wrong[entry["file"]] = found
    assert wrong == {}


def _expected(entry: Mapping[str, Any]) -> set[str]:
    if ENCRYPTED.search(f"/{entry['path']}"):
        return {"encrypted"}
    if entry["path"].endswith(BROKEN):
        return {"broken"}
    return {"unsupported"} if entry["ext"] in UNSUPPORTED else set()


def test_few_of_the_others_are_without_text(run: Run, manifest: list[dict[str, Any]]) -> None:
    empty = [entry["file"] for entry in manifest if "class" not in entry and run.of(entry) & NO_TEXT]
    assert len(empty) <= EMPTY_BY_RIGHT, empty


def test_a_pdf_with_text_has_the_words_that_pdfium_finds(run: Run, weird: Path, manifest: list[dict[str, Any]]) -> None:
    entries = [entry for entry in manifest if entry.get("class") == "text"]
    shares = {name: _share(weird / name, run.documents[name].text) for name in (entry["file"] for entry in entries)}
    short = {name: share for name, share in shares.items() if share < ENOUGH}
    assert len(short) <= (1 - ENOUGH) * len(entries), short


def _share(path: Path, text: str) -> float:
    """The share of the words of a PDF that its document has."""
    with pypdfium2.PdfDocument(path) as pdf:
        raw = "\n".join(_page_text(pdf, number) for number in range(len(pdf)))
    flat = unicodedata.normalize("NFKC", text).casefold()
    words = set(re.findall(r"\w{2,}", unicodedata.normalize("NFKC", re.sub(r"[\ufffe\x02]\s*", "", raw)).casefold()))
    return sum(word in flat for word in words) / max(1, len(words))


def _page_text(pdf: pypdfium2.PdfDocument, number: int) -> str:
    try:
        return str(pdf[number].get_textpage().get_text_range())
    except pypdfium2.PdfiumError:  # a bad page among good ones
        return ""


def test_a_second_run_says_the_same(run: Run, weird: Path, tmp_path: Path) -> None:
    again = a_run(weird, tmp_path)
    assert again.outcomes == run.outcomes
    assert again.documents == run.documents
