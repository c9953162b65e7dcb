"""Word documents (docx): paragraphs, headings by style, tables as rows, notes, core properties."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ingest.errors import ParseError
from ingest.parsers.writing import TextWriter
from ingest.types import DEFAULT_OPTIONS, Parsed, ParserOptions
from retrievers.types import MetadataValue

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_STRICT = b"http://purl.oclc.org/ooxml/wordprocessingml/main"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_PART_BYTES = 256 << 20  # of one part, unpacked
_RATIO = 200  # unpacked to packed, of a part above a megabyte: text packs to a tenth, a bomb to a thousandth
_SMALL = 1 << 20
_HEADING_NAME = re.compile(r"^heading (\d)$", re.IGNORECASE)
_NOTES = ("word/footnotes.xml", "word/endnotes.xml")
_PROPERTIES = {"creator": "author", "subject": "subject", "keywords": "keywords", "description": "description"}
_DATES = {"created": "created", "modified": "modified"}
_ISO_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_SPECIAL = {f"{_W}tab": " ", f"{_W}br": "\n", f"{_W}cr": "\n", f"{_W}noBreakHyphen": "-"}


def parse(path: Path, options: ParserOptions = DEFAULT_OPTIONS) -> Iterator[Parsed]:
    """The file as one document.

    Raises:
        ParseError: it is damaged, or unpacks to more than is sane.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            yield _read(archive)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, zlib.error) as error:
        raise ParseError(f"its zip container is damaged: {error}") from error


def _read(archive: zipfile.ZipFile) -> Parsed:
    names = set(archive.namelist())
    main = next(name for name in ("word/document.xml", "word/document2.xml") if name in names)
    levels = _heading_levels(_xml(archive, "word/styles.xml")) if "word/styles.xml" in names else {}
    writer = TextWriter()
    _write(_xml(archive, main), writer, levels)
    for notes in _NOTES:
        if notes in names:
            writer.paragraph()
            _write(_xml(archive, notes), writer, {})
    properties = _properties(_xml(archive, "docProps/core.xml")) if "docProps/core.xml" in names else {}
    title = properties.pop("title", "")
    return Parsed(
        text=writer.text.strip("\n"),
        media_type=MEDIA_TYPE,
        title=str(title),
        headings=writer.headings,
        metadata=properties,
    )


def _xml(archive: zipfile.ZipFile, name: str) -> Any:
    """The root element of a part.

    Raises:
        ParseError: it is no XML, or a bomb.
    """
    from lxml import etree

    info = archive.getinfo(name)
    if info.flag_bits & 1:
        raise ParseError("it is encrypted: a password is needed", kind="encrypted")
    if info.file_size > _PART_BYTES or (info.file_size > max(_SMALL, _RATIO * info.compress_size)):
        raise ParseError(f"it unpacks to {info.file_size:,} bytes", kind="too-large")
    content = archive.read(name).replace(_STRICT, _W[1:-1].encode())
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False, load_dtd=False, recover=False)
    try:
        return etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        raise ParseError(f"{name} in it is damaged: {error}") from error


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
    walker = etree.iterwalk(element, events=("start",))
    for _, item in walker:
        if item.tag == _FALLBACK:
            walker.skip_subtree()
        elif item.tag == f"{_W}t":
            parts.append(item.text or "")
        elif item.tag == f"{_W}p" and parts:
            parts.append("\n")
        else:
            parts.append(_SPECIAL.get(item.tag, ""))
    return "".join(parts)


def _write_table(table: Any, writer: TextWriter) -> None:
    writer.paragraph()
    header: list[str] = []
    for row in table.iterfind(f"{_W}tr"):
        cells = [_text(cell) for cell in row.iter(f"{_W}tc") if next(cell.iterancestors(f"{_W}tr")) is row]
        if row.find(f"{_W}trPr/{_W}tblHeader") is not None and not header:
            header = cells
            writer.row(cells)
        elif any(cell.strip() for cell in cells):
            writer.row(cells, header if len(header) == len(cells) else ())
    writer.paragraph()


def _properties(core: Any) -> dict[str, MetadataValue]:
    found: dict[str, MetadataValue] = {}
    for item in core.iter("{*}*"):
        name, value = item.tag.rpartition("}")[2], (item.text or "").strip()
        if name == "title":
            found["title"] = value
        elif name in _PROPERTIES:
            found[_PROPERTIES[name]] = value
        elif name in _DATES and _ISO_DATE.match(value):
            found[_DATES[name]] = value[: len("2024-01-31")]
    return found
