"""Presentations (pptx): each slide a page with its title, text, tables, charts and notes."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ingest.errors import ParseError
from ingest.parsers.package import core_properties, opened, related, relation, xml_of
from ingest.parsers.rows import write_table
from ingest.parsers.writing import TextWriter
from ingest.types import DEFAULT_OPTIONS, Parsed, ParserOptions

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_P = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
_C = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
_STRICT = {
    b"http://purl.oclc.org/ooxml/drawingml/main": _A[1:-1].encode(),
    b"http://purl.oclc.org/ooxml/presentationml/main": _P[1:-1].encode(),
    b"http://purl.oclc.org/ooxml/drawingml/chart": _C[1:-1].encode(),
    b"http://purl.oclc.org/ooxml/officeDocument/relationships": (
        b"http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    ),
}
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_TITLES = ("title", "ctrTitle")
_DECORATION = ("sldNum", "dt", "ftr", "hdr", "sldImg")  # kinds of placeholders that say nothing
_NUMBER = re.compile(r"(\d+)\D*$")


def parse(path: Path, options: ParserOptions = DEFAULT_OPTIONS) -> Iterator[Parsed]:
    """The file as one document.

    Raises:
        ParseError: it is damaged, or unpacks to more than is sane.
    """
    with opened(path) as archive:
        writer = TextWriter()
        for slide in _slides(archive):
            writer.page()
            _write_slide(archive, slide, writer)
        found = core_properties(archive)
    title = found.pop("title", "")
    yield Parsed(
        text=writer.text,
        media_type=MEDIA_TYPE,
        title=str(title),
        pages=writer.pages,
        headings=writer.headings,
        metadata=found,
    )


def _slides(archive: zipfile.ZipFile) -> list[str]:
    """The parts of the slides, in the order they are shown."""
    main = next(
        (part for kind, part in related(archive, "").values() if kind == "officeDocument"), "ppt/presentation.xml"
    )
    targets = related(archive, main)
    names = set(archive.namelist())
    shown = xml_of(archive, main, _STRICT).iter(f"{_P}sldId")
    slides = [targets.get(relation(item), ("", ""))[1] for item in shown]
    found = [slide for slide in slides if slide in names]
    return found or sorted((name for name in names if re.fullmatch(r"ppt/slides/[^/]+\.xml", name)), key=_number)


def _number(name: str) -> int:
    match = _NUMBER.search(name)
    return int(match[1]) if match else 0


def _write_slide(archive: zipfile.ZipFile, slide: str, writer: TextWriter) -> None:
    root = xml_of(archive, slide, _STRICT)
    others = related(archive, slide)
    title = next((shape for shape in root.iter(f"{_P}sp") if _placeholder(shape) in _TITLES), None)
    if title is not None and (text := " ".join(_paragraphs(title))):
        number = writer.heading(1)
        writer.write(text)
        writer.end_heading(number)
    _write_shapes(root, title, writer)
    for kind, part in others.values():
        if kind in ("chart", "diagramData", "comments"):
            _write_extra(archive, part, writer)
        elif kind == "notesSlide":
            _write_notes(archive, part, writer)


def _placeholder(shape: Any) -> str:
    """What a shape is there for, "" where it is nothing special."""
    found = shape.find(f"{_P}nvSpPr/{_P}nvPr/{_P}ph")
    return str(found.get("type", "")) if found is not None else ""


def _write_shapes(root: Any, title: Any, writer: TextWriter) -> None:
    """The text of shapes and tables as they come, group by group."""
    from lxml import etree

    walker = etree.iterwalk(root, events=("start",), tag=(f"{_P}sp", f"{_A}tbl", f"{_P}cxnSp", _FALLBACK))
    for _, element in walker:
        walker.skip_subtree()
        if element.tag == f"{_A}tbl":
            writer.paragraph()
            write_table([_cells(row) for row in element.iter(f"{_A}tr")], writer)
            writer.paragraph()
        elif element.tag == f"{_P}sp" and element is not title and _placeholder(element) not in _DECORATION:
            _write_paragraphs(element, writer)


def _cells(row: Any) -> list[str]:
    return [" ".join(_paragraphs(cell)) for cell in row.iter(f"{_A}tc")]


def _write_paragraphs(element: Any, writer: TextWriter) -> None:
    writer.line()
    for text in _paragraphs(element):
        writer.write(text)
        writer.line()


def _paragraphs(element: Any) -> Iterator[str]:
    for paragraph in element.iter(f"{_A}p"):
        parts = [(item.text or "") if item.tag == f"{_A}t" else " " for item in paragraph.iter(f"{_A}t", f"{_A}br")]
        if text := " ".join("".join(parts).split()):
            yield text


def _write_notes(archive: zipfile.ZipFile, part: str, writer: TextWriter) -> None:
    if part not in archive.namelist():
        return
    shapes = [
        shape for shape in xml_of(archive, part, _STRICT).iter(f"{_P}sp") if _placeholder(shape) not in _DECORATION
    ]
    texts = [text for shape in shapes for text in _paragraphs(shape)]
    if texts:
        writer.paragraph()
        writer.write("Notes: ")
        for text in texts:
            writer.write(text)
            writer.line()


def _write_extra(archive: zipfile.ZipFile, part: str, writer: TextWriter) -> None:
    """What a chart, a diagram or a comment says; one that is damaged costs no slide."""
    try:
        root = xml_of(archive, part, _STRICT)
    except ParseError:
        return
    writer.paragraph()
    _write_paragraphs(root, writer)
    for series in root.iter(f"{_C}ser"):
        name = _points(series.find(f"{_C}tx"))
        labels, values = (_points(series.find(f"{_C}{kind}")) for kind in ("cat", "val"))
        writer.row(name + [f"{label}: {value}" for label, value in zip(labels, values, strict=False)])
    for comment in root.iter(f"{_P}text"):
        writer.row([f"Comment: {comment.text or ''}"])


def _points(element: Any) -> list[str]:
    """The values that a chart keeps of the sheet it was made from."""
    return [] if element is None else [value.text or "" for value in element.iter(f"{_C}v")]
