"""PowerPoint 97-2003 presentations (ppt): slides as pages, with their text and notes."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ingest.errors import ParseError
from ingest.parsers.ole import opened_ole, properties_of
from ingest.parsers.writing import TextWriter
from ingest.types import DEFAULT_OPTIONS, Parsed, ParserOptions

MEDIA_TYPE = "application/vnd.ms-powerpoint"
_CONTAINER = 0xF
_SLIDE, _NOTES, _LIST, _SLIDE_OF_LIST = 0x03EE, 0x03F0, 0x0FF0, 0x03F3
_NOTES_OF = 0x03F1
_HEADER, _WIDE, _NARROW, _CRYPT = 0x0F9F, 0x0FA0, 0x0FA8, 0x2F14
_TITLES = (0, 6)  # kinds of text that are the title of a slide
_DEEP = 32
_ENCRYPTED_STREAM = "EncryptedSummary"


class _Record(NamedTuple):
    kind: int
    instance: int
    is_container: bool
    start: int
    end: int


def parse(path: Path, options: ParserOptions = DEFAULT_OPTIONS) -> Iterator[Parsed]:
    """The file as one document.

    Raises:
        ParseError: it is damaged or encrypted.
    """
    with opened_ole(path) as ole:
        if ole.exists(_ENCRYPTED_STREAM):
            raise ParseError("it is encrypted: a password is needed", kind="encrypted")
        content = ole.openstream("PowerPoint Document").read()
        found = properties_of(ole)
    outline, drawn, notes = _texts(content)
    writer = TextWriter()
    for number in range(max(len(outline), len(drawn))):
        writer.page()
        _write_slide(outline[number] if number < len(outline) else [], writer)
        _write_slide(drawn[number] if number < len(drawn) else [], writer)
    for texts in notes:
        writer.paragraph()
        writer.row([f"Notes: {' '.join(text for _, text in texts)}"])
    title = found.pop("title", "")
    yield Parsed(
        text=writer.text,
        media_type=MEDIA_TYPE,
        title=str(title),
        pages=writer.pages,
        headings=writer.headings,
        metadata=found,
    )


_Texts = list[list[tuple[int, str]]]  # of each slide: kind and text


def _texts(content: bytes) -> tuple[_Texts, _Texts, _Texts]:
    """What the outline says of each slide, what is drawn on it, and the notes."""
    outline: _Texts = []
    drawn: _Texts = []
    notes: _Texts = []
    for record, _ in _walk(content, 0, len(content), 0):
        if record.kind == _CRYPT:
            raise ParseError("it is encrypted: a password is needed", kind="encrypted")
        if record.kind == _LIST and not record.instance:
            outline += _outline(content, record)
        elif record.kind == _SLIDE:
            drawn.append(_text_in(content, record))
        elif record.kind == _NOTES:
            notes.append([] if _is_master(content, record) else _text_in(content, record))
    return outline, drawn, [texts for texts in notes if texts]


def _outline(content: bytes, record: _Record) -> _Texts:
    slides: _Texts = []
    kind = -1
    for item, _ in _walk(content, record.start, record.end, 1):
        if item.kind == _SLIDE_OF_LIST:
            slides.append([])
        elif item.kind == _HEADER and item.end - item.start >= 4:
            kind = struct.unpack_from("<I", content, item.start)[0]
        elif slides and (text := _text(content, item)):
            slides[-1].append((kind, text))
    return slides


def _text_in(content: bytes, record: _Record) -> list[tuple[int, str]]:
    return [(-1, text) for item, _ in _walk(content, record.start, record.end, 1) if (text := _text(content, item))]


def _is_master(content: bytes, record: _Record) -> bool:
    """Whether it is the pattern that notes are made from: they name the slide that they belong to."""
    named = (item for item, _ in _walk(content, record.start, record.end, 1) if item.kind == _NOTES_OF)
    return any(not int.from_bytes(content[item.start : item.start + 4], "little") for item in named)


def _text(content: bytes, record: _Record) -> str:
    raw = content[record.start : record.end]
    if record.kind == _WIDE:
        return raw.decode("utf-16-le", "replace").strip()
    return raw.decode("cp1252", "replace").strip() if record.kind == _NARROW else ""


def _walk(content: bytes, at: int, end: int, depth: int) -> Iterator[tuple[_Record, int]]:
    """The records between two places, those inside others after them; slides and lists are not entered from above."""
    while at + 8 <= end:
        version, kind, size = struct.unpack_from("<HHI", content, at)
        record = _Record(kind, version >> 4, version & 0xF == _CONTAINER, at + 8, min(at + 8 + size, end))
        yield record, depth
        is_read_apart = depth == 0 and kind in (_SLIDE, _NOTES)
        if record.is_container and depth < _DEEP and not is_read_apart:
            yield from _walk(content, record.start, record.end, depth + (depth > 0))
        at = record.end


def _write_slide(texts: list[tuple[int, str]], writer: TextWriter) -> None:
    for kind, text in texts:
        lines = [" ".join(line.split()) for line in text.replace("\x0b", "\r").split("\r")]
        if kind in _TITLES and any(lines):
            number = writer.heading(1)
            writer.write(" ".join(lines))
            writer.end_heading(number)
            continue
        for line in lines:
            if line not in ("", "*"):  # where the number of the page or the date goes
                writer.line()
                writer.write(line)
                writer.line()
