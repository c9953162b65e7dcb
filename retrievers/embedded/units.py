"""Cut a document into units, the results of a search: its pages, or parts of about a page where it has none.

A part is a run of chunks. One chunk alone is too little for BM25: on scifact whole abstracts find 0.707, single chunks
0.694 (nDCG@10), and their mix with the vectors 0.740 and 0.732.

Units cover the text without a gap, so that the document is rebuilt from them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from retrievers.types import Chunk, Document

LONGEST_UNIT: Final = 20_000
"""Characters; a longer page becomes several results."""

PART: Final = 2_500
"""Characters, about a page: chunks are put together up to here where a document has no pages."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A span of a document that is one result. `page` is 0 without pages."""

    chunk_id: str
    start: int
    end: int
    page: int


def units_of(document: Document, chunks: Sequence[Chunk]) -> list[Unit]:
    """The units in order, at least one, even of an empty document."""
    if document.pages:
        return _pages(document)
    if chunks:
        return _parts(document, chunks)
    return _pieces(document.id, "c", 0, 0, len(document.text), page=0)


def _pages(document: Document) -> list[Unit]:
    starts = [0, *document.pages[1:]]
    ends = [*starts[1:], len(document.text)]
    units: list[Unit] = []
    for number, (start, end) in enumerate(zip(starts, ends, strict=True), start=1):
        units += _pieces(document.id, "p", number, start, end, page=number)
    return units


def _parts(document: Document, chunks: Sequence[Chunk]) -> list[Unit]:
    first = [chunks[0]]
    for chunk in chunks[1:]:
        if chunk.end - first[-1].start > PART:
            first.append(chunk)
    starts = [0, *(chunk.start for chunk in first[1:])]
    ends = [*starts[1:], len(document.text)]
    return [
        Unit(f"{document.id}#c{chunk.ordinal}", start, end, 0)
        for chunk, start, end in zip(first, starts, ends, strict=True)
    ]


def _pieces(doc_id: str, letter: str, number: int, start: int, end: int, *, page: int) -> list[Unit]:
    name = f"{doc_id}#{letter}{number}"
    if end - start <= LONGEST_UNIT:
        return [Unit(name, start, end, page)]
    cuts = range(start, end, LONGEST_UNIT)
    return [
        Unit(f"{name}.{piece}" if piece > 1 else name, cut, min(cut + LONGEST_UNIT, end), page)
        for piece, cut in enumerate(cuts, start=1)
    ]


def unit_of_span(starts: Sequence[int], start: int, end: int) -> int:
    """The number of the unit that holds most of a span, told by its middle."""
    return max(bisect_right(starts, (start + end) // 2) - 1, 0)
