"""Rich text (rtf): paragraphs, headings by outline level, tables as rows, the properties it keeps."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from ingest.errors import ParseError
from ingest.parsers.properties import properties
from ingest.parsers.rows import write_table
from ingest.parsers.writing import TextWriter
from ingest.types import DEFAULT_OPTIONS, Parsed, ParserOptions
from retrievers.types import MetadataValue

_MARKED = re.compile(r"\\(trowd|cell|nestcell|row|outlinelevel([0-8]))(?![a-z0-9]) ?")
_ROW, _CELL, _ROW_END, _LEVEL = "\ue000\ue001\ue002\ue003"  # private use: kept where they stand
_FIRST_ROW = rf"{_ROW}[^{_ROW_END}]*{_ROW_END}\s*"
_NEXT_ROW = (
    rf"[^{_ROW}{_ROW_END}]*{_CELL}[^{_ROW_END}]*{_ROW_END}\s*"  # one that does not say again where its cells are
)
_ROWS = re.compile(f"((?:{_FIRST_ROW}(?:{_NEXT_ROW})*)+)")
_MARKS = {"trowd": _ROW, "cell": _CELL, "nestcell": " ", "row": _ROW_END}
_HEADING = re.compile(f"{_LEVEL}([0-8])")
_INFO = re.compile(r"\{\\info\b")
_INFO_BYTES = 16_384
_PROPERTY = re.compile(r"\{(?:\\\*)?\\(title|author|subject|keywords|doccomm)\b ?((?:[^{}\\]|\\.)*)\}", re.DOTALL)
_DATE = re.compile(r"\{\\(creatim|revtim)\\yr(\d{4})\\mo(\d{1,2})\\dy(\d{1,2})")
_NAMES = {"doccomm": "description", "creatim": "created", "revtim": "modified"}
_CODE_PAGE = re.compile(r"\\ansicpg\d+")
_HEAD = 1_024
_BINARY = re.compile(rb"\\bin(\d+) ?")
_DROPPED = f"{_ROW}{_CELL}{_ROW_END}"


def parse(path: Path, options: ParserOptions = DEFAULT_OPTIONS) -> Iterator[Parsed]:
    """The file as one document.

    Raises:
        ParseError: it cannot be read as rich text.
    """
    source = _source(path.read_bytes())
    if not source.lstrip().startswith("{\\rtf"):
        raise ParseError("it is no rich text")
    writer = TextWriter()
    for number, part in enumerate(_ROWS.split(_plain(_MARKED.sub(_mark, source)))):
        if number % 2:
            writer.paragraph()
            write_table([_cells(row) for row in part.split(_ROW_END) if _CELL in row], writer)
            writer.paragraph()
        else:
            _write_lines(part.split("\n"), writer)
    found = _properties(source)
    title = found.pop("title", "")
    yield Parsed(
        text=writer.text.strip("\n"),
        media_type="application/rtf",
        title=str(title),
        headings=writer.headings,
        metadata=found,
    )


def plain(content: bytes) -> str:
    """The text alone.

    Raises:
        ParseError: it cannot be read as rich text.
    """
    return _plain(_source(content)).strip()


def _source(content: bytes) -> str:
    return _without_binary(content).decode("latin-1")


def _without_binary(content: bytes) -> bytes:
    """The file without the pictures that are in it byte by byte."""
    parts, at = [], 0
    for match in _BINARY.finditer(content):
        if match.start() >= at:
            parts.append(content[at : match.start()])
            at = match.end() + int(match[1])
    return b"".join([*parts, content[at:]])


def _plain(source: str) -> str:
    from striprtf.striprtf import rtf_to_text

    try:
        text: str = rtf_to_text(source, errors="replace")  # type: ignore[no-untyped-call]
    except (ValueError, LookupError, TypeError, IndexError, OverflowError) as error:
        raise ParseError(f"it cannot be read as rich text: {error}") from error
    return text


def _mark(match: re.Match[str]) -> str:
    """A control word as a character that its reader leaves in the text."""
    return f" {_MARKS.get(match[1]) or _LEVEL + match[2]}"


def _cells(row: str) -> list[str]:
    return [" ".join(cell.replace(_ROW, "").split()) for cell in row.split(_CELL)[:-1]]


def _write_lines(lines: Iterable[str], writer: TextWriter) -> None:
    for line in lines:
        heading = _HEADING.search(line)
        text = "".join(" " if character in _DROPPED else character for character in _HEADING.sub("", line)).strip()
        if not text:
            writer.paragraph()
        elif heading:
            number = writer.heading(int(heading[1]) + 1)
            writer.write(text)
            writer.end_heading(number)
        else:
            writer.line()
            writer.write(text)
    writer.line()


def _properties(source: str) -> dict[str, MetadataValue]:
    begin = _INFO.search(source)
    if begin is None:
        return {}
    info = source[begin.start() : begin.start() + _INFO_BYTES]
    page = _CODE_PAGE.search(source[:_HEAD])
    start = "{\\rtf1\\ansi" + (page[0] if page else "") + " "
    pairs = [(_NAMES.get(match[1], match[1]), _plain(f"{start}{match[2]}}}")) for match in _PROPERTY.finditer(info)]
    pairs += [(_NAMES[match[1]], f"{match[2]}-{match[3]:0>2}-{match[4]:0>2}") for match in _DATE.finditer(info)]
    return properties(pairs)
