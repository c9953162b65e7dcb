"""Word 97-2003 documents (doc): the text as it stands in the file's table of pieces, rows of tables, properties.

Headings are not told apart: their styles lie in a part of the format that takes thousands of lines to read.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from pathlib import Path

from ingest.errors import ParseError
from ingest.parsers.ole import opened_ole, properties_of
from ingest.parsers.rows import write_table
from ingest.parsers.writing import TextWriter
from ingest.types import DEFAULT_OPTIONS, Parsed, ParserOptions

MEDIA_TYPE = "application/msword"
_WORD_97 = 0xA5EC
_OLDER = (0xA5DB, 0xA5DC)
_ENCRYPTED = 0x0100
_WHICH_TABLE = 0x0200
_FLAGS_AT, _LENGTHS_AT, _PIECES_AT, _OLD_TEXT_AT = 0x0A, 0x4C, 0x01A2, 0x18
_LENGTHS = 8  # of the main text, notes, headers, comments, text boxes
_EIGHT_BIT = 0x4000_0000
_FIELD = re.compile("\x13[^\x13\x14\x15]*(?:\x14([^\x13\x15]*))?\x15")  # its code is left out, its result kept
_FIELDS_DEEP = 8
_CELL, _LINE, _PAGE = "\x07", "\x0b", "\x0c"
_CONTROLS = re.compile("[\x00-\x06\x08\x0e-\x1d\x1f]")
_ENDS = re.compile(f"[\r{_PAGE}\x0e]")


def parse(path: Path, options: ParserOptions = DEFAULT_OPTIONS) -> Iterator[Parsed]:
    """The file as one document.

    Raises:
        ParseError: it is damaged or encrypted.
    """
    with opened_ole(path) as ole:
        main = ole.openstream("WordDocument").read()
        if len(main) < _PIECES_AT:
            raise ParseError("its text is missing")
        magic, flags = struct.unpack_from("<H", main)[0], struct.unpack_from("<H", main, _FLAGS_AT)[0]
        if flags & _ENCRYPTED:
            raise ParseError("it is encrypted: a password is needed", kind="encrypted")
        table = f"{int(bool(flags & _WHICH_TABLE))}Table"
        if magic in _OLDER or not ole.exists(table):
            raw = _old_text(main)
        else:
            raw = "".join(_pieces(main, ole.openstream(table).read()))
        found = properties_of(ole)
    writer = TextWriter()
    _write(raw, writer)
    title = found.pop("title", "")
    yield Parsed(text=writer.text.strip("\n"), media_type=MEDIA_TYPE, title=str(title), metadata=found)


def _old_text(main: bytes) -> str:
    begin, end = struct.unpack_from("<II", main, _OLD_TEXT_AT)
    return main[begin:end].decode("cp1252", "replace")


def _pieces(main: bytes, table: bytes) -> Iterator[str]:
    """The text, piece by piece: where one lies in the main stream, and in 8 or 16 bits a character."""
    at, size = struct.unpack_from("<II", main, _PIECES_AT)
    found = _piece_table(table[at : at + size])
    count = (len(found) - 4) // 12
    bounds = struct.unpack_from(f"<{count + 1}I", found)
    rest = sum(struct.unpack_from(f"<{_LENGTHS}I", main, _LENGTHS_AT))
    for number in range(count):
        length = min(bounds[number + 1] - bounds[number], rest)
        place = struct.unpack_from("<I", found, 4 * (count + 1) + 8 * number + 2)[0]
        if length <= 0:
            continue
        rest -= length
        if place & _EIGHT_BIT:
            start = (place & ~_EIGHT_BIT) // 2
            yield main[start : start + length].decode("cp1252", "replace")
        else:
            yield main[place : place + 2 * length].decode("utf-16-le", "replace")


def _piece_table(entries: bytes) -> bytes:
    """The table of pieces, which stands after descriptions of how text looks."""
    at = 0
    while at + 5 <= len(entries):
        if entries[at] == 2:
            size = struct.unpack_from("<I", entries, at + 1)[0]
            return entries[at + 5 : at + 5 + size]
        at += 3 + int(struct.unpack_from("<H", entries, at + 1)[0])
    raise ParseError("where its text lies cannot be read")


def _write(raw: str, writer: TextWriter) -> None:
    for _ in range(_FIELDS_DEEP):
        raw, count = _FIELD.subn(lambda match: match[1] or "", raw)
        if not count:
            break
    rows: list[list[str]] = []
    for paragraph in _ENDS.split(raw.replace("\x1e", "-")):
        *cells, rest = paragraph.split(_CELL)
        rows += _rows(cells)
        if rest.strip() or not cells:
            _flush(rows, writer)
            _write_paragraph(rest, writer)
    _flush(rows, writer)


def _rows(cells: list[str]) -> Iterator[list[str]]:
    """Rows of cells: an empty one ends each."""
    row: list[str] = []
    for cell in cells:
        text = _CONTROLS.sub("", cell).strip()
        if text or not row:
            row.append(text)
        else:
            yield row
            row = []
    if row:
        yield row


def _flush(rows: list[list[str]], writer: TextWriter) -> None:
    if rows:
        writer.paragraph()
        write_table(rows, writer)
        writer.paragraph()
        rows.clear()


def _write_paragraph(text: str, writer: TextWriter) -> None:
    for line in _CONTROLS.sub("", text).split(_LINE):
        if line.strip():
            writer.line()
            writer.write(line)
            writer.line()
