"""With the extra `unstructured`, chosen formats are read by it: in the same workers, and with no network."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import docx
import pytest

from ingest.errors import ConfigError
from ingest.parsers import elements
from retrievers.embedded import EmbeddedRetriever
from retrievers.types import Document
from tests.integration.ingest.corpus import ingest

pytestmark = pytest.mark.integration
HAS_EXTRA = importlib.util.find_spec("unstructured") is not None
needs_extra = pytest.mark.skipif(not HAS_EXTRA, reason="the extra `unstructured` is not installed")


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    folder = tmp_path / "archive"
    folder.mkdir()
    (folder / "page.html").write_text(
        "<html><head><title>Harbours</title><meta name=author content='A. Hale'></head><body><h1>Fares</h1>"
        "<p>The ferry leaves at noon.</p><ul><li>adults</li></ul>"
        "<table><tr><td>Class</td><td>Price</td></tr><tr><td>Foot</td><td>3</td></tr></table></body></html>"
    )
    paper = docx.Document()
    paper.add_heading("Tides", 1)
    paper.add_paragraph("The water comes twice a day.")
    paper.save(str(folder / "paper.docx"))
    (folder / "note.txt").write_text("Read by the light reader.")
    return folder


def documents_of(home: Path, archive: Path, formats: str) -> dict[str, Document]:
    (home / "rlm-search.toml").write_text(f"[ingest]\nunstructured = {formats}\nfile_seconds = 60.0\n")
    report = json.loads(
        ingest(home, archive, "--index", "index", "--embedder", "none", "--json", code=0, timeout=300).stdout
    )
    assert report["files"]["read"] == 3
    return {item.document.source: item.document for item in EmbeddedRetriever(home / "index").export()}


@needs_extra
def test_titles_are_headings_tables_rows_and_types_are_told(tmp_path: Path, archive: Path) -> None:
    documents = documents_of(tmp_path, archive, '["html", "docx"]')
    page = documents["page.html"]
    assert [heading.title for heading in page.headings] == ["Fares"]
    assert "Class | Price\nClass: Foot | Price: 3" in page.text
    assert "- adults" in page.text
    assert {"Title", "Table", "ListItem"} <= set(page.metadata["element_types"])  # type: ignore[arg-type]
    assert (page.title, page.metadata["author"]) == ("Harbours", "A. Hale")
    assert [heading.title for heading in documents["paper.docx"].headings] == ["Tides"]
    assert "element_types" not in documents["note.txt"].metadata


@needs_extra
def test_a_change_of_reader_reads_the_files_again(tmp_path: Path, archive: Path) -> None:
    documents_of(tmp_path, archive, "[]")
    assert "element_types" in documents_of(tmp_path, archive, '["html"]')["page.html"].metadata


@pytest.mark.skipif(HAS_EXTRA, reason="the extra `unstructured` is installed")
def test_without_the_extra_one_sentence_names_it(tmp_path: Path, archive: Path) -> None:
    (tmp_path / "rlm-search.toml").write_text('[ingest]\nunstructured = ["html"]\n')
    done = ingest(tmp_path, archive, "--index", "index", "--embedder", "none", code=5)
    assert "reading html with unstructured needs its extra" in done.stderr
    assert "rlm-search[unstructured]" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_format_that_it_does_not_read_is_named() -> None:
    with pytest.raises(ConfigError, match="does not read pdf"):
        elements.check(["pdf"])
