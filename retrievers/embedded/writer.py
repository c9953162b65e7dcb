"""Write to an embedded index: one writer at a time, and a commit that is whole or not there.

Order of a flush: vector rows and tombstones are appended and synced, then one tantivy commit holds the rows of the
documents and the state row, which counts what of the vector files is true. That commit is the only thing that makes
anything true: a crash before it leaves the older state whole, and opening cuts the vector files back to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, ParamSpec, TypeVar

import numpy as np
from tantivy import FieldType, Query

from retrievers.embedded.catalogue import Catalogue
from retrievers.embedded.compaction import copy_live_rows, dead_share
from retrievers.embedded.documents import conflict
from retrievers.embedded.exporting import restored
from retrievers.embedded.filtering import all_of
from retrievers.embedded.layout import (
    MANIFEST,
    VECTORS,
    Lock,
    damaged,
    make_index,
    open_text,
    read_manifest,
    refuse_foreign,
    sweep,
    write_failed,
)
from retrievers.embedded.ledger import LedgerFile, read_ledger
from retrievers.embedded.reader import mismatch
from retrievers.embedded.records import FORMAT, ChunkRecord, Manifest, State
from retrievers.embedded.rows import language_code, rows_of, state_row, without_surrogates
from retrievers.embedded.schema import HEAD_TAG, STATE_TAG, UNIT_BITS, register_tokenizers, unit_key
from retrievers.embedded.snapshot import Snapshot
from retrievers.embedded.vectors import VectorFiles
from retrievers.errors import EngineRejected
from retrievers.types import IndexedDocument, LedgerEntry, Matrix

HEAP_BYTES: Final = 128_000_000
"""What tantivy gathers in memory before it writes a segment."""

COMPACT_ABOVE: Final = 0.3
"""Share of dead vector rows at which `close` reclaims them."""

_LISTED: Final = 20_000
"""Documents looked through a step."""

_P = ParamSpec("_P")
_R = TypeVar("_R")


@dataclass(frozen=True, slots=True)
class _Written:
    """A document since the last flush."""

    doc_no: int
    content_hash: str
    language: str
    chunks: list[ChunkRecord]


class EmbeddedWriter:
    """Writes to an index in a folder, and makes one where there is none. Not to be shared between threads.

    Args:
        path: the folder.
        embedder_name: whose vectors it holds, "" for none.
        dimensions: length of a vector, 0 for none.
        heap_bytes: memory for text on its way into a segment.

    Raises:
        IndexLocked: another process writes to it.
        IndexMismatch: it was built with another embedder, or by a newer version.
        ConfigError: the folder holds something else, or cannot be written to.
    """

    def __init__(self, path: Path, *, embedder_name: str, dimensions: int, heap_bytes: int = HEAP_BYTES) -> None:
        self._path = Path(path)
        self._dimensions = dimensions
        if not (self._path / MANIFEST).exists():
            refuse_foreign(self._path)  # before a lock is made in somebody's folder
        self._lock = Lock(self._path)
        try:
            self._open(Manifest(format=FORMAT, embedder=embedder_name, dimensions=dimensions), heap_bytes)
        except BaseException:
            self._lock.release()
            raise

    def _open(self, manifest: Manifest, heap_bytes: int) -> None:
        if not (self._path / MANIFEST).exists():
            make_index(self._path, manifest)
        built = read_manifest(self._path)
        if (built.embedder, built.dimensions) != (manifest.embedder, manifest.dimensions):
            raise mismatch(self._path, _described(built, manifest), _described(manifest, built))
        self._index = open_text(self._path)
        self._translated(sweep, self._path)
        register_tokenizers(self._index)
        self._index.config_reader("manual")
        self._writer = self._translated(self._index.writer, heap_bytes, 1)
        self._look()
        state = self._now.state
        self._files = self._translated(VectorFiles, self._path / VECTORS, state, self._dimensions)
        self._ledger = LedgerFile(self._path, state.ledger)
        self._catalogue = Catalogue(state.fields)
        self._next = state.next_doc_no
        self._written: dict[str, _Written | None] = {}
        self._has_vectors = bytearray(self._next)
        self._complete: set[int] = set()  # steps of documents none of which lacks vectors: not looked through again
        for doc_no in np.unique(self._now.vectors.doc).tolist():
            if doc_no >= self._next:
                raise damaged(self._path, ValueError("it has vectors of documents that it never had"))
            self._has_vectors[doc_no] = 1
        self._dirty = False
        self._open_for_work = True

    def _look(self) -> None:
        self._index.reload()
        try:
            self._now = Snapshot(self._path, self._index, self._dimensions)
        except (FileNotFoundError, ValueError) as error:  # nobody else can have replaced them: the lock is ours
            raise damaged(self._path, error) from error

    # -- writing -------------------------------------------------------------------------------------------------

    def replace(self, documents: Sequence[IndexedDocument], *, removing: Sequence[str] = ()) -> None:
        """Add documents, each in place of any with its id, and drop those in `removing`, in the same commit.

        Raises:
            EngineRejected: vectors do not fit the chunks or the index.
            ConfigError: the index cannot be written to (a full disk).
        """
        self.delete(removing)
        for document in documents:
            self._translated(self._add, document)

    def _add(self, indexed: IndexedDocument) -> None:
        document = indexed.document
        if indexed.vectors is not None:
            self._check(document.id, indexed.vectors, len(indexed.chunks))
        self._forget(document.id)
        doc_no, self._next = self._next, self._next + 1
        self._has_vectors.append(0)
        try:
            rows = rows_of(doc_no, document, indexed.chunks, self._catalogue)
        except UnicodeEncodeError:  # lone surrogates, which no file can hold
            rows = rows_of(doc_no, *without_surrogates(document, indexed.chunks), self._catalogue)
        for row in rows.documents:
            self._writer.add_document(row)
        self._written[document.id] = _Written(doc_no, document.content_hash, document.language, rows.chunks)
        self._dirty = True
        if indexed.vectors is not None:
            self._append(self._written[document.id], indexed.vectors)

    def delete(self, document_ids: Sequence[str]) -> None:
        """Drop documents; unknown ids are ignored."""
        for document_id in document_ids:
            self._translated(self._forget, document_id)

    def _forget(self, document_id: str) -> None:
        known, doc_no = self._find(document_id)
        if not known:
            return
        self._writer.delete_documents_by_term("doc_id", document_id)
        self._files.bury([doc_no])
        self._written[document_id] = None
        self._dirty = True

    def _find(self, document_id: str) -> tuple[bool, int]:
        if document_id in self._written:
            written = self._written[document_id]
            return written is not None, written.doc_no if written else -1
        if not self._now.searcher.doc_freq("doc_id", document_id):  # a fresh document, as most are: no search
            return False, -1
        head = self._now.head(document_id)
        return (True, head[0]) if head else (False, -1)

    def set_vectors(self, document_id: str, content_hash: str, vectors: Matrix) -> None:
        """Give a document its vectors, row i for chunk i; dropped in silence if it has changed or has them already.

        Raises:
            EngineRejected: vectors do not fit the chunks or the index.
        """
        written = self._known(document_id)
        if written is None or written.content_hash != content_hash or self._has_vectors[written.doc_no]:
            return
        self._check(document_id, vectors, len(written.chunks))
        self._translated(self._append, written, vectors)

    def _append(self, written: _Written | None, vectors: Matrix) -> None:
        assert written is not None
        if len(vectors):
            self._files.append(written.doc_no, language_code(written.language), written.chunks, vectors)
        self._has_vectors[written.doc_no] = 1
        self._dirty = True

    def _check(self, document_id: str, vectors: Matrix, chunks: int) -> None:
        if vectors.shape != (chunks, self._dimensions) and (chunks or len(vectors)):
            raise EngineRejected(
                f"vectors of `{document_id}` are {' x '.join(map(str, vectors.shape))}, "
                f"the index wants {chunks} x {self._dimensions}"
            )

    def mark_duplicates(self, originals: Mapping[str, str]) -> None:
        """Mark documents as near-duplicates of others, or with "" of none; text and vectors stay.

        Unknown ids are ignored.

        Raises:
            ConfigError: the index cannot be written to (a full disk).
        """
        for document_id, original in originals.items():
            if document_id in self._written:
                self.flush()
            self._translated(self._mark, document_id, original)

    def _mark(self, document_id: str, original: str) -> None:
        """Write the rows anew under the number they had: vectors are kept by that."""
        found = self._now.head(document_id)
        if found is None or self._now.unit(found[1])[0].original == original:
            return
        held = restored(self._now, *found)
        rows = rows_of(found[0], held.document, held.chunks, self._catalogue, original=original)
        self._writer.delete_documents_by_term("doc_id", document_id)
        for row in rows.documents:
            self._writer.add_document(row)
        document = held.document
        self._written[document_id] = _Written(found[0], document.content_hash, document.language, rows.chunks)
        self._dirty = True

    def flush(self) -> None:
        """Make everything so far durable and searchable: after it returns, a crash loses nothing.

        Raises:
            ConfigError: the index cannot be written to (a full disk).
        """
        if not self._dirty:
            return
        self._translated(self._commit, self._files)
        self._written.clear()
        self._dirty = False

    def _commit(self, files: VectorFiles) -> None:
        files.sync()
        self._ledger.sync()
        state = State(
            next_doc_no=self._next,
            generation=files.generation,
            vectors=files.rows,
            dead=files.dead,
            fields=self._catalogue.fields,
            ledger=self._ledger.state,
        )
        self._writer.delete_documents_by_term("tag", STATE_TAG)
        self._writer.add_document(state_row(state))
        self._writer.commit()
        self._look()
        self._ledger.drop_old()

    def write_ledger(self, entries: Sequence[LedgerEntry], *, anew: bool = False) -> None:
        """Write entries down with the next flush; `anew` in place of all that are there.

        Raises:
            ConfigError: the index cannot be written to (a full disk).
        """
        if anew:
            self._ledger.begin_anew()
        self._translated(self._ledger.append, entries)
        self._dirty = True

    def compact(self) -> None:
        """Reclaim the vector rows of documents that are gone. Readers that have the old rows mapped keep them.

        Raises:
            ConfigError: the index cannot be written to (a full disk).
        """
        self.flush()
        self._translated(self._compact)

    def _compact(self) -> None:
        old = self._files
        state = State(next_doc_no=self._next, generation=old.generation + 1)
        new = VectorFiles(self._path / VECTORS, state, self._dimensions, keep=old.generation)
        copy_live_rows(self._now.vectors, new)
        self._commit(new)
        self._files = new
        old.remove()

    def close(self) -> None:
        """Flush, reclaim dead vector rows where they are many, let go of the lock and of all files."""
        if not self._open_for_work:
            return
        try:
            self.flush()
            if dead_share(self._now.vectors) > COMPACT_ABOVE:
                self.compact()
            self._writer.wait_merging_threads()
        finally:
            self._open_for_work = False
            self._files.close()
            self._ledger.close()
            self._lock.release()

    # -- reading back --------------------------------------------------------------------------------------------

    @property
    def warnings(self) -> Sequence[str]:
        """What was written that is not of its field's type, or cannot be filtered: one sentence a field.

        Conflicts are counted in what has been flushed.
        """
        touched = sorted(self._catalogue.touched & set(self._now.state.fields))
        told = (conflict(self._now, name) for name in touched)
        return (*self._catalogue.warnings.values(), *filter(None, told))

    @property
    def is_empty(self) -> bool:
        """No document was flushed."""
        return not self._now.searcher.doc_freq("tag", HEAD_TAG)

    def ledger_ends(self) -> Mapping[str, int]:
        """Number of the last entry of each author in the ledger."""
        return self._now.state.ledger.ends

    def read_ledger(self, known: Mapping[str, int]) -> Iterator[LedgerEntry]:
        """The entries of the ledger, in order, behind those that are known of each author."""
        return read_ledger(self._path, self._now.state.ledger, known)

    def holds(self, document_id: str) -> str:
        """The content hash of the document with this id, or "" if it is not in the index."""
        written = self._known(document_id)
        return written.content_hash if written else ""

    def missing_vectors(self) -> Iterator[str]:
        """Ids of documents whose text is in the index and whose vectors are not."""
        if not self._dimensions:
            return
        for document_id, written in list(self._written.items()):
            if written and written.chunks and not self._has_vectors[written.doc_no]:
                yield document_id
        now = self._now
        for first in range(0, now.state.next_doc_no, _LISTED):
            if first in self._complete:
                continue
            is_complete = first + _LISTED <= now.state.next_doc_no
            for document_id in self._missing_between(now, first, first + _LISTED):
                is_complete = False
                yield document_id
            if is_complete:
                self._complete.add(first)

    def _missing_between(self, now: Snapshot, first: int, end: int) -> Iterator[str]:
        keys = Query.range_query(now.schema, "key", FieldType.Unsigned, unit_key(first, 0), unit_key(end, 0) - 1)
        addresses = [address for _, address in now.search(all_of([now.heads(None), keys]), end - first)]
        numbers = now.searcher.fast_field_values("key", addresses)
        chunks = now.searcher.fast_field_values("chunks", addresses)
        for address, key, count in zip(addresses, numbers, chunks, strict=True):
            if count and not self._has_vectors[int(key or 0) >> UNIT_BITS]:
                document_id = now.unit(address)[0].doc_id
                if document_id not in self._written:
                    yield document_id

    def chunks_of(self, document_id: str) -> IndexedDocument | None:
        """A document as it was given to `replace`, without vectors; None if it is not there. Flushes if need be."""
        if document_id in self._written:
            self.flush()
        found = self._now.head(document_id)
        return restored(self._now, *found) if found else None

    def _known(self, document_id: str) -> _Written | None:
        if document_id in self._written:
            return self._written[document_id]
        found = self._now.head(document_id)
        if found is None:
            return None
        head = self._now.head_record(found[1])
        return _Written(found[0], head.content_hash, head.language, head.chunks)

    def _translated(self, call: Callable[_P, _R], *args: _P.args, **kwargs: _P.kwargs) -> _R:
        """Call, with a failed write as one line of ours; afterwards nothing more is written."""
        try:
            return call(*args, **kwargs)
        except (OSError, ValueError) as error:
            self._dirty = False  # what was gathered is not to be committed by `close`
            raise write_failed(self._path, error) from error


def _described(one: Manifest, other: Manifest) -> str:
    if one.embedder == other.embedder:
        return f"{one.embedder} ({one.dimensions} dimensions)"
    return one.embedder
