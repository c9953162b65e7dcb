"""Ids are readable and stable, titles are titles, and nothing reaches an index that it cannot hold."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.identity import document_id, file_metadata, name_words, storable, storable_metadata, title_of
from ingest.types import Parsed, SourceFile
from retrievers.types import Heading, MetadataValue

HASH = "4f2a9c1e" + "0" * 56


@pytest.mark.parametrize(
    ("name", "id_"),
    [
        ("3M_2018_10K.pdf", "3M_2018_10K-4f2a9c1e"),
        ("report.v2 (final).docx", "report.v2-final-4f2a9c1e"),
        ("Übersicht 2020.txt", "Übersicht-2020-4f2a9c1e"),
        ("日本.txt", "日本-4f2a9c1e"),
        ("???.txt", "document-4f2a9c1e"),
        ("new\nline.txt", "new-line-4f2a9c1e"),
        ("x" * 300 + ".txt", "x" * 80 + "-4f2a9c1e"),
    ],
)
def test_an_id_is_a_slug_of_the_file_name_and_eight_digits_of_the_hash(name: str, id_: str) -> None:
    assert document_id(name, HASH) == id_


def titled(title: str, *headings: str) -> Parsed:
    marks = tuple(Heading(title=heading, level=1, start=0) for heading in headings)
    return Parsed(text="", media_type="text/plain", title=title, headings=marks)


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Annual Report 2018", "Annual Report 2018"),
        ("  Two\n lines ", "Two lines"),
        ("Microsoft Word - Harbour master's log", "Harbour master's log"),
        ("F20_10K_VFinal_07.01.2020", "F20_10K_VFinal_07.01.2020"),
        ("资产负债表", "资产负债表"),
    ],
)
def test_a_real_title_is_kept(title: str, expected: str) -> None:
    assert title_of(titled(title, "Heading"), "file.pdf") == expected


@pytest.mark.parametrize(
    "title",
    [
        "",
        "untitled",
        "Untitled-3",
        "Document1",
        "Microsoft Word - draft.docx",
        "C:\\temp\\x",
        "/tmp/out.tex",
        "report.pdf",
        "12345",
        "--",
        "Cover",
        "Table of Contents",
        "broken ��",
    ],
)
def test_what_is_no_title_gives_way_to_the_first_heading(title: str) -> None:
    assert title_of(titled(title, "A heading"), "file.pdf") == "A heading"


def test_without_title_and_heading_the_file_name_is_the_title() -> None:
    assert title_of(titled(""), "3M_2018-10K.pdf") == "3M 2018 10K"
    assert title_of(titled("", "Contents"), "minutes.txt") == "minutes"
    assert name_words("___.txt") == "___.txt"


def test_a_file_is_described_by_its_place_name_size_and_time() -> None:
    def described(source: str, mtime_ns: int = 0) -> dict[str, MetadataValue]:
        file = SourceFile(path=Path(source), source=source, size=7, mtime_ns=mtime_ns, fingerprint="")
        return file_metadata(file)

    assert described("a/b/C.PDF", 1_700_000_000_000_000_000) == {
        "path": "a/b/C.PDF",
        "name": "C.PDF",
        "extension": "pdf",
        "folder": "a/b",
        "folders": ("a", "a/b"),
        "modified": "2023-11-14T22:13:20Z",
        "size": 7,
    }
    assert described("README") == {"path": "README", "name": "README", "size": 7}
    assert described("https://host/a/b.txt?page=1")["folders"] == ("a",)
    assert "modified" not in described("a", 1 << 80)


@given(st.text(st.characters(exclude_categories=[])))
def test_storable_text_is_valid_and_as_long_as_it_was(text: str) -> None:
    clean = storable(text)
    clean.encode()
    assert len(clean) == len(text)
    assert not set(clean) & {"\0", "\x07", "\x1f"}


def test_metadata_that_no_index_holds_is_dropped_or_written_out() -> None:
    metadata: dict[str, MetadataValue] = {
        "good": "x",
        "flag": False,
        "zero": 0,
        "empty": " ",
        "none": (),
        "nan": float("nan"),
        "infinite": float("inf"),
        "huge": 2**70,
        "several": ["a", " ", "b\0"],
        "": "nameless",
    }
    assert storable_metadata(metadata) == {
        "good": "x",
        "flag": False,
        "zero": 0,
        "huge": str(2**70),
        "several": ("a", "b"),
    }
