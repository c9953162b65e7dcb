"""A book is read in the order of its spine; chapters are pages with headings."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.errors import ParseError
from ingest.parsers import parser_for
from ingest.types import DEFAULT_OPTIONS, Parsed
from tests.unit.ingest.parsers.packages import packed

CONTAINER = '<container><rootfiles><rootfile full-path="OPS/book.opf"/></rootfiles></container>'
METADATA = (
    '<metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>Harbours</dc:title>'
    "<dc:creator>A. Hale</dc:creator>"
    "<dc:creator>B. Moe</dc:creator><dc:language>de-AT</dc:language><dc:date>2024-05-01T00:00:00Z</dc:date></metadata>"
)
ITEMS = (
    '<item id="one" href="one%20first.xhtml" media-type="application/xhtml+xml"/>'
    '<item id="two" href="two.xhtml" media-type="application/xhtml+xml"/>'
    '<item id="ncx" href="toc.ncx" media-type="application/x-dtbncx+xml"/>'
)
CONTENTS = (
    '<ncx><navPoint><navLabel><text>The first</text></navLabel><content src="one%20first.xhtml#top"/></navPoint></ncx>'
)


def a_book(**more: str) -> bytes:
    listed = "".join(f'<itemref idref="{id_}"/>' for id_ in ("two", "one"))
    return packed(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": CONTAINER,
            "OPS/book.opf": f"<package>{METADATA}<manifest>{ITEMS}</manifest><spine>{listed}</spine></package>",
            "OPS/one first.xhtml": "<html><body><p>Ships.</p></body></html>",
            "OPS/two.xhtml": "<html><body><h1>Preface</h1><p>Read me first.</p></body></html>",
            "OPS/toc.ncx": CONTENTS,
        }
        | more
    )


def parsed_of(folder: Path, content: bytes) -> Parsed:
    path = folder / "book.zip"
    path.write_bytes(content)
    (parsed,) = parser_for(path)(path, DEFAULT_OPTIONS)
    assert isinstance(parsed, Parsed)
    return parsed


def test_chapters_are_pages_in_reading_order(tmp_path: Path) -> None:
    parsed = parsed_of(tmp_path, a_book())
    assert parsed.text == "Preface\n\nRead me first.\n\nShips.\n\n"
    assert parsed.pages == (0, 25)
    assert [(h.title, h.start) for h in parsed.headings] == [("Preface", 0), ("The first", 25)]  # by its contents


def test_what_the_book_says_of_itself_is_metadata(tmp_path: Path) -> None:
    parsed = parsed_of(tmp_path, a_book())
    assert (parsed.title, parsed.language) == ("Harbours", "de")
    assert parsed.metadata == {"author": ("A. Hale", "B. Moe"), "created": "2024-05-01"}


def test_a_book_that_its_seller_locked_is_encrypted(tmp_path: Path) -> None:
    locked = '<e><CipherReference URI="OPS/two.xhtml"/></e>'
    with pytest.raises(ParseError) as refused:
        parsed_of(tmp_path, a_book(**{"META-INF/encryption.xml": locked}))
    assert refused.value.kind == "encrypted"


def test_fonts_that_are_locked_are_no_matter(tmp_path: Path) -> None:
    parsed = parsed_of(tmp_path, a_book(**{"META-INF/encryption.xml": '<e><CipherReference URI="OPS/a.ttf"/></e>'}))
    assert parsed.text.startswith("Preface")


def test_a_book_without_a_list_of_its_parts_is_broken(tmp_path: Path) -> None:
    with pytest.raises(ParseError, match="missing"):
        parsed_of(tmp_path, packed({"mimetype": "application/epub+zip", "a.html": "x"}))
