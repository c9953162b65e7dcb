"""Documents as they were written, with their vectors: for another index."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from retrievers.embedded.documents import DocumentReader
from retrievers.embedded.records import HeadRecord
from retrievers.embedded.snapshot import Address, Snapshot
from retrievers.embedded.vectors import ORDINAL
from retrievers.filters import Filter
from retrievers.furniture import within
from retrievers.types import Chunk, Document, Heading, IndexedDocument, Matrix


def exported(now: Snapshot, after: str, must: Filter | None = None) -> Iterator[IndexedDocument]:
    """Every document once, ordered by id, beginning behind the id `after`; vectors where it has them."""
    vectors = _Vectors(now)
    for summary in DocumentReader(now, must).scan("", None, after, None):
        found = now.head(summary.doc_id)
        if found is not None:
            item = restored(now, *found)
            yield IndexedDocument(document=item.document, chunks=item.chunks, vectors=vectors.of(found[0]))


class _Vectors:
    """The vectors of documents, found by number."""

    def __init__(self, now: Snapshot) -> None:
        self._vectors = now.vectors
        self._order = np.argsort(now.vectors.doc, kind="stable")
        self._sorted = now.vectors.doc[self._order]

    def of(self, doc_no: int) -> Matrix | None:
        """Row i for chunk i; None where they are still to be made."""
        first, last = np.searchsorted(self._sorted, [doc_no, doc_no + 1])
        if first == last:
            return None
        rows = np.sort(self._order[first:last])
        rows = rows[np.argsort(self._vectors.span[rows, ORDINAL], kind="stable")]
        matrix: Matrix = self._vectors.f16[rows].astype(np.float32)
        return matrix


def restored(now: Snapshot, doc_no: int, address: Address) -> IndexedDocument:
    """A document as it was given to the writer, without vectors."""
    head = now.head_record(address)
    unit, _ = now.unit(address)
    text = now.text(doc_no, head, 0, head.length)
    document = Document(
        id=unit.doc_id,
        source=unit.source,
        title=unit.title,
        text=text,
        media_type=head.media_type,
        content_hash=head.content_hash,
        pages=tuple(head.pages),
        page_labels=tuple(head.labels),
        headings=tuple(Heading(title=h.title, level=h.level, start=h.start) for h in head.headings),
        language=head.language,
        sources=tuple(head.sources),
        metadata=unit.metadata,
        furniture=tuple(head.furniture),
    )
    return IndexedDocument(document=document, chunks=chunks_of(unit.doc_id, text, head))


def chunks_of(document_id: str, text: str, head: HeadRecord) -> list[Chunk]:
    """The chunks of a document from its text and its record."""
    return [
        Chunk(
            id=chunk.id,
            document_id=document_id,
            ordinal=chunk.ordinal,
            start=chunk.start,
            end=chunk.end,
            text=text[chunk.start : chunk.end],
            context=chunk.context,
            metadata=chunk.metadata,
            furniture=within(head.furniture, chunk.start, chunk.end),
        )
        for chunk in head.chunks
    ]
