"""Word documents (docx): paragraphs, headings by style, tables as rows, notes, comments, core properties."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ingest.errors import ParseError
from ingest.parsers.package import core_properties, main_part, opened, tree_of, xml_of
from ingest.parsers.properties import properties
from ingest.parsers.rows import write_table
from ingest.parsers.writing import TextWriter
from ingest.types import DEFAULT_OPTIONS, Parsed, ParserOptions

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_STRICT = {  # names of the same vocabulary in other versions
    b"http://purl.oclc.org/ooxml/wordprocessingml/main": _W[1:-1].encode(),
    b"http://schemas.microsoft.com/office/word/2003/wordml": _W[1:-1].encode(),
}
_FLAT_BYTES = 64 << 20
_FLAT_TERMS = {"creator": "author", "lastsaved": "modified"}
_RUNS = (f"{_W}t", "{http://schemas.openxmlformats.org/officeDocument/2006/math}t")
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_HEADING_NAME = re.compile(r"^heading (\d)$", re.IGNORECASE)
_NOTES = re.compile(r"word/(?:footnotes|endnotes|comments|(?:header|footer)\d*)\.xml")
_SPECIAL = {f"{_W}tab": " ", f"{_W}br": "\n", f"{_W}cr": "\n", f"{_W}noBreakHyphen": "-"}


def parse(path: Path, options: ParserOptions = DEFAULT_OPTIONS) -> Iterator[Parsed]:
    """The file as one document.

    Raises:
        ParseError: it is damaged, or unpacks to more than is sane.
    """
    with opened(path) as archive:
        yield _read(archive)


def parse_flat(path: Path, options: ParserOptions = DEFAULT_OPTIONS) -> Iterator[Parsed]:
    """A document that Word saved as one XML file (2003, or flat), as one document.

    Raises:
        ParseError: it is damaged, or larger than is sane.
    """
    if path.stat().st_size > _FLAT_BYTES:
        raise ParseError(f"it has {path.stat().st_size:,} bytes", kind="too-large")
    root = tree_of(path.read_bytes(), path.name, _STRICT)
    levels = _heading_levels(root)
    writer = TextWriter()
    for body in root.iter(f"{_W}body"):
        _write(body, writer, levels)
    found = properties((_FLAT_TERMS.get(name, name), value) for name, value in _flat_properties(root))
    title = found.pop("title", "")
    yield Parsed(
        text=writer.text.strip("\n"), media_type=MEDIA_TYPE, title=str(title), headings=writer.headings, metadata=found
    )


def _flat_properties(root: Any) -> Iterator[tuple[str, str]]:
    for group in root.iter("{*}DocumentProperties", "{*}coreProperties"):
        yield from ((item.tag.rpartition("}")[2].lower(), item.text or "") for item in group.iter("{*}*"))


def _read(archive: zipfile.ZipFile) -> Parsed:
    names = set(archive.namelist())
    main = main_part(archive, "word/document.xml")
    levels = _heading_levels(xml_of(archive, "word/styles.xml", _STRICT)) if "word/styles.xml" in names else {}
    writer = TextWriter()
    _write(xml_of(archive, main, _STRICT), writer, levels)
    said: set[str] = set()
    for root in (xml_of(archive, name, _STRICT) for name in sorted(filter(_NOTES.fullmatch, names))):
        text = _text(root)
        if text not in said:  # first, odd and even pages often have the same header
            writer.paragraph()
            _write(root, writer, {})
            said.add(text)
    found = core_properties(archive)
    title = found.pop("title", "")
    return Parsed(
        text=writer.text.strip("\n"),
        media_type=MEDIA_TYPE,
        title=str(title),
        headings=writer.headings,
        metadata=found,
    )


def _heading_levels(styles: Any) -> dict[str, int]:
    """Depth of each paragraph style that is a heading, by its id; names are the same in every language, ids not."""
    levels = {}
    for style in styles.iter(f"{_W}style"):
        name = style.find(f"{_W}name")
        outline = style.find(f"{_W}pPr/{_W}outlineLvl")
        id_ = style.get(f"{_W}styleId", "")
        value = name.get(f"{_W}val", "") if name is not None else ""
        match = _HEADING_NAME.match(value)
        if match:
            levels[id_] = int(match[1])
        elif value.lower() == "title":
            levels[id_] = 1
        elif outline is not None and outline.get(f"{_W}val", "9") < "9":
            levels[id_] = int(outline.get(f"{_W}val")) + 1
    return levels


def _write(root: Any, writer: TextWriter, levels: Mapping[str, int]) -> None:
    """Walk over paragraphs and tables, in order; a table inside a table is part of its cell."""
    from lxml import etree

    walker = etree.iterwalk(root, events=("start",), tag=(f"{_W}p", f"{_W}tbl", _FALLBACK))
    for _, element in walker:
        walker.skip_subtree()
        if element.tag == f"{_W}p":
            _write_paragraph(element, writer, levels)
        elif element.tag == f"{_W}tbl":
            _write_table(element, writer)


def _write_paragraph(paragraph: Any, writer: TextWriter, levels: Mapping[str, int]) -> None:
    text = _text(paragraph)
    if not text.strip():
        return
    level = _level(paragraph, levels)
    if level:
        number = writer.heading(level)
        writer.write(text)
        writer.end_heading(number)
        return
    writer.line()
    if paragraph.find(f"{_W}pPr/{_W}numPr") is not None:
        writer.write("- ")
    for line in text.split("\n"):
        writer.write(line)
        writer.line()


def _level(paragraph: Any, levels: Mapping[str, int]) -> int:
    style = paragraph.find(f"{_W}pPr/{_W}pStyle")
    return levels.get(style.get(f"{_W}val", ""), 0) if style is not None else 0


def _text(element: Any) -> str:
    """Running text: insertions kept, deletions and the older twins of drawings left out."""
    from lxml import etree

    parts = []
    walker = etree.iterwalk(element, events=("start", "end"))
    for event, item in walker:
        if event == "end":
            parts += ["\n"] * (item.tag == f"{_W}txbxContent")
        elif item.tag == _FALLBACK:
            walker.skip_subtree()
        elif item.tag in _RUNS:
            parts.append(item.text or "")
        elif item.tag == f"{_W}p" and parts:
            parts.append("\n")
        else:
            parts.append(_SPECIAL.get(item.tag, ""))
    return "".join(parts)


def _write_table(table: Any, writer: TextWriter) -> None:
    writer.paragraph()
    rows: list[list[str]] = []
    marked = 0
    for row in table.iterfind(f"{_W}tr"):
        cells = [_text(cell).strip() for cell in row.iter(f"{_W}tc") if next(cell.iterancestors(f"{_W}tr")) is row]
        marked += row.find(f"{_W}trPr/{_W}tblHeader") is not None and not rows
        rows.append(cells)
    write_table(rows, writer, is_headed=bool(marked))
    writer.paragraph()
