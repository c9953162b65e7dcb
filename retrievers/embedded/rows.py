"""Turn a document into the rows of its units."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final

import tantivy

from retrievers.arguments import whole
from retrievers.embedded.analysis import Analyser, analyser_of, parts_by_unit
from retrievers.embedded.catalogue import Catalogue, Values
from retrievers.embedded.records import (
    ChunkRecord,
    HeadingRecord,
    HeadRecord,
    State,
    UnitRecord,
    encode_record,
)
from retrievers.embedded.schema import HEAD_TAG, STATE_TAG, analyser_tag, unit_key
from retrievers.embedded.units import Unit, unit_of_span, units_of
from retrievers.fields import fields_of
from retrievers.furniture import blotted
from retrievers.types import Chunk, Document, Heading

MOST_NAMED_SOURCES: Final = 8
"""Of a document with more paths the words of the first ones are enough."""

_CAMEL: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
_EXTENSION: Final = re.compile(r"\.[A-Za-z0-9]{1,5}$")


def language_code(language: str) -> int:
    """The first two letters of a language code as a number, 0 for unknown."""
    letters = language[:2].lower()
    return ord(letters[0]) << 8 | ord(letters[1]) if len(letters) == 2 and letters.isascii() else 0


def name_words(document: Document) -> str:
    """The words of the paths that a document was found under, without extensions; `annualReport` also in parts."""
    paths = [_EXTENSION.sub("", source.partition("#")[0]) for source in _sources(document)[:MOST_NAMED_SOURCES]]
    words = " ".join(dict.fromkeys(paths)).replace("/", " ")
    parts = _CAMEL.sub(" ", words)
    return words if parts == words else f"{words} {parts}"


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one document, and the spans of its chunks for the vectors that follow."""

    documents: list[tantivy.Document]
    chunks: list[ChunkRecord]


def rows_of(
    doc_no: int, document: Document, chunks: Sequence[Chunk], catalogue: Catalogue, *, original: str = ""
) -> Rows:
    """Build the rows of a document; the fields it brings enter the catalogue.

    Args:
        doc_no: number of this version of the document.
        document: what is written.
        chunks: in order.
        catalogue: of the index.
        original: id of the document that this one is a near-duplicate of.
    """
    units = units_of(document, chunks)
    starts = [unit.start for unit in units]
    records = chunk_records(chunks, starts)
    shared = _Shared(doc_no, document, analyser_of(document.language, document.text), catalogue, original)
    paths = heading_paths(document.headings, units)
    parts = parts_by_unit(shared.indexed, starts)
    rows = [
        shared.row(number, unit, path, parts.get(number, ()))
        for number, (unit, path) in enumerate(zip(units, paths, strict=True))
    ]
    for tag in (HEAD_TAG, *shared.forms):
        rows[0].add_text("tag", tag)
    rows[0].add_unsigned("chunks", len(chunks))
    rows[0].add_bytes("head", encode_record(head_record(document, starts, records)))
    return Rows(rows, records)


def state_row(state: State) -> tantivy.Document:
    """The row that tells what a commit makes true."""
    row = tantivy.Document()
    row.add_text("tag", STATE_TAG)
    row.add_bytes("state", encode_record(state))
    return row


class _Shared:
    """What all rows of a document have in common, computed once."""

    def __init__(
        self, doc_no: int, document: Document, analyser: Analyser, catalogue: Catalogue, original: str
    ) -> None:
        self._doc_no = doc_no
        self._document = document
        self.indexed = blotted(document.text, document.furniture)
        self._analyser = analyser
        self._original = original
        mark = {"duplicate_of": original} if original else {}
        self._values: Values = catalogue.values({**fields_of(document), **mark})
        self.forms = self._values.forms
        self._title = self._terms(document.title)
        self._name = self._terms(name_words(document))
        self._language = language_code(document.language)
        self._metadata = plain(dict(document.metadata))

    def row(self, number: int, unit: Unit, headings: str, parts: Sequence[str]) -> tantivy.Document:
        document, analyser = self._document, self._analyser
        text = document.text[unit.start : unit.end]
        row = tantivy.Document()
        row.add_text("body", text)
        row.add_text(analyser.field, analyser.indexed(self.indexed[unit.start : unit.end], parts))
        row.add_text("title", self._title)
        row.add_text("name", self._name)
        if headings:
            row.add_text("headings", self._terms(headings))
        row.add_text("doc_id", document.id)
        row.add_text("tag", analyser_tag(analyser.name))
        for tag in self._values.tags:
            row.add_text("tag", tag)
        for column, value in self._values.numbers:
            row.add_float(column, value)
        row.add_unsigned("key", unit_key(self._doc_no, number))
        row.add_unsigned("lang", self._language)
        row.add_bytes("unit", encode_record(self._record(unit)))
        return row

    def _terms(self, text: str) -> str:
        return " ".join(self._analyser.terms(self._analyser.indexed(text))) if text else ""

    def _record(self, unit: Unit) -> UnitRecord:
        document = self._document
        return UnitRecord(
            document.id,
            unit.chunk_id,
            unit.start,
            unit.end,
            unit.page,
            document.title,
            document.source,
            self._metadata,
            self._original,
        )


def heading_paths(headings: Sequence[Heading], units: Sequence[Unit]) -> Iterator[str]:
    """For each unit the titles above it and in it, one a line."""
    path: list[Heading] = []
    coming = deque(headings)
    for unit in units:
        while coming and coming[0].start <= unit.start:
            path = _below(path, coming.popleft())
        seen = list(path)
        while coming and coming[0].start < unit.end:
            seen.append(coming[0])
            path = _below(path, coming.popleft())
        yield "\n".join(heading.title for heading in seen)


def _below(path: list[Heading], heading: Heading) -> list[Heading]:
    return [above for above in path if above.level < heading.level] + [heading]


def head_record(document: Document, starts: list[int], chunks: list[ChunkRecord]) -> HeadRecord:
    """What is kept of a document beside its text."""
    return HeadRecord(
        content_hash=document.content_hash,
        media_type=document.media_type,
        language=document.language,
        length=len(document.text),
        sources=list(_sources(document)),
        pages=list(document.pages),
        labels=list(document.page_labels),
        headings=[HeadingRecord(heading.title, heading.level, heading.start) for heading in document.headings],
        starts=starts,
        chunks=chunks,
        furniture=list(document.furniture),
    )


def _sources(document: Document) -> tuple[str, ...]:
    return document.sources or (document.source,)


def chunk_records(chunks: Sequence[Chunk], starts: Sequence[int]) -> list[ChunkRecord]:
    """The chunks without their texts; `starts` are where the units begin."""
    return [_chunk_record(chunk, starts) for chunk in chunks]


def _chunk_record(chunk: Chunk, starts: Sequence[int]) -> ChunkRecord:
    return ChunkRecord(
        chunk.id,
        chunk.ordinal,
        chunk.start,
        chunk.end,
        unit_of_span(starts, chunk.start, chunk.end),
        chunk.context,
        plain(dict(chunk.metadata)),
    )


def without_surrogates(document: Document, chunks: Sequence[Chunk]) -> tuple[Document, list[Chunk]]:
    """The same with every lone surrogate, which no file can hold, replaced; offsets stay."""
    cleaned = {field.name: _whole(getattr(document, field.name)) for field in fields(document)}
    cleaned["headings"] = tuple(replace(heading, title=_whole(heading.title)) for heading in document.headings)
    return Document(**cleaned), [
        replace(
            chunk,
            id=_whole(chunk.id),
            text=_whole(chunk.text),
            context=_whole(chunk.context),
            metadata=_whole(dict(chunk.metadata)),
        )
        for chunk in chunks
    ]


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        return whole(value)
    if isinstance(value, Mapping):
        return {_whole(name): _whole(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_whole(item) for item in value)
    return value


def plain(value: Any) -> Any:
    """Metadata as msgpack can hold it: beyond its types and its integers, the text of a value."""
    if isinstance(value, dict):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, bool | float | str) or value is None:
        return value
    if isinstance(value, int) and -(2**63) <= value < 2**64:
        return value
    return str(value)
