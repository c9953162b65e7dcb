"""Move what an index holds to another one, without parsing or embedding again, and tell whether two hold the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from retrievers.errors import ConfigError, FilterError
from retrievers.protocols import (
    Exports,
    HasLedger,
    IndexWriter,
    KeepsLedger,
    MarksDuplicates,
    Refuses,
    RetrieverProtocol,
    Scans,
)
from retrievers.types import IndexedDocument, Matrix

BATCH_CHARACTERS: Final = 8_000_000
"""Text that is written between two flushes."""


@dataclass(slots=True, kw_only=True)
class Copied:
    """What has been moved so far; `refused` are the documents that the target would not take, and why."""

    documents: int = 0
    chunks: int = 0
    vectors: int = 0
    refused: dict[str, str] = field(default_factory=dict)


def as_it_is(item: IndexedDocument) -> IndexedDocument:
    """Text and vectors."""
    return item


def without_vectors(item: IndexedDocument) -> IndexedDocument:
    """Text alone, for an index with another embedder."""
    return replace(item, vectors=None)


def copy(
    source: Exports,
    writer: IndexWriter,
    *,
    after: str = "",
    told: Callable[[Copied, str], None] | None = None,
    made: Callable[[IndexedDocument], IndexedDocument] = as_it_is,
) -> Copied:
    """Write every document of an index to another; a copy that was stopped is made whole by another run.

    Args:
        source: what is read, as it is now.
        writer: where to; flushed now and then, not closed.
        after: begin behind this id.
        told: hears after each flush how far it is, and the id of the last document.
        made: what is written of each document.

    Raises:
        RetrieverError: either side gives up.
    """
    copied = Copied()
    for batch in _batches(map(made, source.export(after=after))):
        writer.replace(batch)
        writer.flush()
        if isinstance(writer, Refuses):
            refused = writer.take_refused()
            copied.refused |= refused
            batch = [item for item in batch if item.document.id not in refused]
        copied.documents += len(batch)
        copied.chunks += sum(len(item.chunks) for item in batch)
        copied.vectors += sum(len(item.vectors) for item in batch if item.vectors is not None)
        if told and batch:
            told(copied, batch[-1].document.id)
    _copy_marks(source, writer)
    _copy_ledger(source, writer)
    return copied


def _copy_ledger(source: Exports, writer: IndexWriter) -> None:
    """What was read into the index, so that the copy can be gone on with."""
    if isinstance(source, HasLedger) and isinstance(writer, KeepsLedger):
        writer.write_ledger(list(source.read_ledger(writer.ledger_ends())))
        writer.flush()


def _copy_marks(source: Exports, writer: IndexWriter) -> None:
    """Which documents are near-duplicates of which."""
    if isinstance(writer, MarksDuplicates) and (originals := _marks(source)):
        writer.mark_duplicates(originals)
        writer.flush()


def _marks(index: Exports) -> dict[str, str]:
    """The near-duplicates that an index knows, each with its original."""
    if not isinstance(index, Scans):
        return {}
    try:
        marked = index.scan(filters={"duplicate_of": {"exists": True}})
        return {each.doc_id: str(each.metadata["duplicate_of"]) for each in marked}
    except FilterError:  # nothing is marked there
        return {}


def _batches(items: Iterator[IndexedDocument]) -> Iterator[list[IndexedDocument]]:
    batch: list[IndexedDocument] = []
    characters = 0
    for item in items:
        batch.append(item)
        characters += len(item.document.text)
        if characters >= BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def exporting(retriever: RetrieverProtocol, url: str) -> Exports:
    """The retriever as something that can be copied from.

    Raises:
        ConfigError: it gives nothing out.
    """
    if not isinstance(retriever, Exports):
        raise ConfigError(f"the index {url} cannot be copied", hint="its retriever does not export documents")
    return retriever


@dataclass(slots=True, kw_only=True)
class Compared:
    """What two indexes do not have in common; of ids the first ones are named."""

    documents: int = 0
    missing: int = 0
    surplus: int = 0
    different: int = 0
    without_vectors: int = 0
    other_vectors: int = 0
    other_marks: int = 0
    named: list[str] = field(default_factory=list)

    @property
    def is_same(self) -> bool:
        """Nothing is missing, too many, different or without vectors, and the same documents are near-duplicates."""
        wrong = (self.missing, self.surplus, self.different, self.without_vectors, self.other_vectors, self.other_marks)
        return not any(wrong)


_NAMED: Final = 10
_LOST: Final = 2e-3


def compare(first: Exports, second: Exports) -> Compared:
    """Walk over both in the order of ids: text, hash, chunks, metadata, vectors; then the marks of near-duplicates."""
    found = Compared()
    ours, theirs = first.export(), second.export()
    mine, other = next(ours, None), next(theirs, None)
    while mine is not None or other is not None:
        if other is None or (mine is not None and mine.document.id < other.document.id):
            assert mine is not None
            found.missing += 1
            _name(found, f"missing {mine.document.id}")
            mine = next(ours, None)
        elif mine is None or other.document.id < mine.document.id:
            found.surplus += 1
            _name(found, f"only there {other.document.id}")
            other = next(theirs, None)
        else:
            found.documents += 1
            _look_at(found, mine, other)
            mine, other = next(ours, None), next(theirs, None)
    _compare_marks(found, _marks(first), _marks(second))
    return found


def _compare_marks(found: Compared, ours: Mapping[str, str], theirs: Mapping[str, str]) -> None:
    for document_id in sorted(ours.keys() | theirs.keys()):
        if ours.get(document_id) != theirs.get(document_id):
            found.other_marks += 1
            _name(found, f"marked otherwise {document_id}")


def _look_at(found: Compared, mine: IndexedDocument, other: IndexedDocument) -> None:
    if mine.document != other.document or list(mine.chunks) != list(other.chunks):
        found.different += 1
        _name(found, f"different {mine.document.id}")
    elif mine.vectors is not None and other.vectors is None:
        found.without_vectors += 1
        _name(found, f"without vectors {mine.document.id}")
    elif mine.vectors is not None and other.vectors is not None and not _are_same(mine.vectors, other.vectors):
        found.other_vectors += 1
        _name(found, f"other vectors {mine.document.id}")


def _are_same(ours: Matrix, theirs: Matrix) -> bool:
    """Whether vectors are the same but for what is lost where an engine keeps them in two bytes a number."""
    return ours.shape == theirs.shape and bool(np.allclose(ours, theirs, atol=_LOST))


def _name(found: Compared, what: str) -> None:
    if len(found.named) < _NAMED:
        found.named.append(what)


def gaps(index: Exports) -> Iterator[str]:
    """What is wrong within one index, a sentence each: chunks that are not their text, pages out of order."""
    for item in index.export():
        document = item.document
        if any(chunk.text != document.text[chunk.start : chunk.end] for chunk in item.chunks):
            yield f"{document.id}: a chunk is not the text that it should be"
        if list(document.pages) != sorted(document.pages) or (document.pages and document.pages[0] != 0):
            yield f"{document.id}: its pages are out of order"
        if item.vectors is not None and len(item.vectors) != len(item.chunks):
            yield f"{document.id}: {len(item.vectors)} vectors for {len(item.chunks)} chunks"
