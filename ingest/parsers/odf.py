"""OpenDocument texts and presentations (odt, odp): paragraphs, headings, lists, tables as rows; slides are pages."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from ingest.errors import ParseError
from ingest.parsers.formats import BY_NAME
from ingest.parsers.package import opened, xml_of
from ingest.parsers.properties import properties
from ingest.parsers.rows import write_table
from ingest.parsers.writing import TextWriter
from ingest.types import DEFAULT_OPTIONS, Parsed, ParserOptions
from retrievers.types import MetadataValue

_OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_DRAW = "{urn:oasis:names:tc:opendocument:xmlns:drawing:1.0}"
_PRESENTATION = "{urn:oasis:names:tc:opendocument:xmlns:presentation:1.0}"
_MANIFEST = "META-INF/manifest.xml"
_TERMS = {
    "creator": "author",
    "initial-creator": "author",
    "creation-date": "created",
    "date": "modified",
    "keyword": "keywords",
}
_DROPPED = frozenset(
    [f"{_TEXT}tracked-changes", f"{_OFFICE}forms", f"{_TEXT}sequence-decls", f"{_OFFICE}scripts", f"{_OFFICE}settings"]
)
_BREAKS = {f"{_TEXT}line-break": "\n", f"{_TEXT}tab": " ", f"{_TEXT}s": " "}
_SVG = "{urn:oasis:names:tc:opendocument:xmlns:svg-compatible:1.0}"
_WITHIN = frozenset(  # in a paragraph, but not of it
    [f"{_TEXT}note", f"{_OFFICE}annotation", f"{_TABLE}table", f"{_SVG}title", f"{_SVG}desc"]
)
_REPEATED = 1_000  # cells that one may stand for
_DEFAULT_NAME = re.compile(r"(?:page|Folie|Diapo|Slide|Seite|dia)\s?\d+", re.IGNORECASE)


def parse_odt(path: Path, options: ParserOptions = DEFAULT_OPTIONS) -> Iterator[Parsed]:
    """The file as one document.

    Raises:
        ParseError: it is damaged, encrypted, or unpacks to more than is sane.
    """
    yield _read(path, BY_NAME["odt"].media_type)


def parse_odp(path: Path, options: ParserOptions = DEFAULT_OPTIONS) -> Iterator[Parsed]:
    """The file as one document, its slides as pages.

    Raises:
        ParseError: it is damaged, encrypted, or unpacks to more than is sane.
    """
    yield _read(path, BY_NAME["odp"].media_type)


def _read(path: Path, media_type: str) -> Parsed:
    with opened(path) as archive:
        _refuse_encrypted(archive)
        root = xml_of(archive, "content.xml")
        found = meta_properties(archive)
    writer = TextWriter()
    body = root.find(f"{_OFFICE}body")
    _write(body if body is not None else root, writer)
    title = found.pop("title", "")
    return Parsed(
        text=writer.text.strip("\n") if not writer.pages else writer.text,
        media_type=media_type,
        title=str(title),
        pages=writer.pages,
        headings=writer.headings,
        metadata=found,
    )


def _refuse_encrypted(archive: zipfile.ZipFile) -> None:
    if _MANIFEST in archive.namelist():
        encrypted = next(xml_of(archive, _MANIFEST).iter("{*}encryption-data"), None)
        if encrypted is not None:
            raise ParseError("it is encrypted: a password is needed", kind="encrypted")


def meta_properties(archive: zipfile.ZipFile) -> dict[str, MetadataValue]:
    """Title, author and dates of an OpenDocument file; who wrote it goes before who changed it last."""
    if "meta.xml" not in archive.namelist():
        return {}
    named = [(item.tag.rpartition("}")[2], item.text or "") for item in xml_of(archive, "meta.xml").iter("{*}*")]
    if any(name == "initial-creator" for name, _ in named):
        named = [(name, value) for name, value in named if name != "creator"]
    return properties((_TERMS.get(name, name), value) for name, value in named)


def _write(root: Any, writer: TextWriter) -> None:
    from lxml import etree

    walker = etree.iterwalk(root, events=("start",))
    for _, element in walker:
        tag = element.tag
        if tag in _DROPPED:
            walker.skip_subtree()
        elif tag == f"{_DRAW}page":
            writer.page()
        elif tag == f"{_PRESENTATION}notes":
            walker.skip_subtree()
            _write_notes(element, writer)
        elif tag == f"{_TABLE}table":
            walker.skip_subtree()
            writer.paragraph()
            write_table(list(_rows(element)), writer)
            writer.paragraph()
        elif tag in (f"{_TEXT}h", f"{_TEXT}p"):
            walker.skip_subtree()
            _write_paragraph(element, writer)


def _write_paragraph(element: Any, writer: TextWriter) -> None:
    text = _text(element)
    level = _level(element)
    if level and text.strip():
        number = writer.heading(level)
        writer.write(text)
        writer.end_heading(number)
    elif text.strip():
        writer.line()
        if _is_item(element):
            writer.write("- ")
        for line in text.split("\n"):
            writer.write(line)
            writer.line()
    for inner in element.iter(*_WITHIN):
        writer.line()
        _write(inner, writer)


def _level(element: Any) -> int:
    """Depth of a heading, 0 for other paragraphs; the title of a slide is a heading, too."""
    if element.tag == f"{_TEXT}h":
        level = element.get(f"{_TEXT}outline-level", "1")
        return max(int(level), 1) if level.isdecimal() else 1
    if element.get(f"{_TEXT}style-name") == "Title":
        return 1
    frame = next(element.iterancestors(f"{_DRAW}frame", f"{_DRAW}page"), None)
    return 1 if frame is not None and frame.get(f"{_PRESENTATION}class") == "title" else 0


def _is_item(element: Any) -> bool:
    parent = element.getparent()
    return parent is not None and parent.tag == f"{_TEXT}list-item"


def _text(element: Any) -> str:
    """Running text, without the notes and tables that are anchored in it."""
    from lxml import etree

    parts: list[str] = []
    walker = etree.iterwalk(element, events=("start", "end"))
    for event, item in walker:
        if event == "end":
            if item is not element:
                parts.append(item.tail or "")
        elif item.tag in _WITHIN or not isinstance(item.tag, str):
            walker.skip_subtree()
        else:
            parts.append(_BREAKS.get(item.tag, "") + (item.text or ""))
    return "".join(parts)


def _rows(table: Any) -> Iterator[list[str]]:
    for row in table.iter(f"{_TABLE}table-row"):
        if next(row.iterancestors(f"{_TABLE}table")) is table:
            yield list(islice(_cells(row), _REPEATED))


def _cells(row: Any) -> Iterator[str]:
    for cell in row.iterchildren(f"{_TABLE}table-cell", f"{_TABLE}covered-table-cell"):
        repeated = cell.get(f"{_TABLE}number-columns-repeated", "1")
        text = " ".join(" ".join(_text(part).split()) for part in cell.iter(f"{_TEXT}p", f"{_TEXT}h"))
        yield from [text] * (min(int(repeated), _REPEATED) if repeated.isdecimal() else 1)


def _write_notes(notes: Any, writer: TextWriter) -> None:
    texts = [text for part in notes.iter(f"{_TEXT}p") if (text := _text(part).strip())]
    if texts:
        writer.paragraph()
        writer.write("Notes: ")
        for text in texts:
            writer.write(text)
            writer.line()
