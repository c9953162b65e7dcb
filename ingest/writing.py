"""Documents on their way into the index: collected, merged by content, written and made durable in batches.

Nothing is written the moment it arrives: a batch is merged first, so that a file that lies in ten places is one write,
and one flush of the index and one transaction of the journal stand for hundreds of documents.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from ingest.entries import FileEnd
from ingest.holdings import Wanted, Written
from ingest.intents import Intents
from ingest.journal import Journal, path_key
from ingest.readers import Reader, joined
from ingest.sharding import Shard
from ingest.sharing import Sharing
from ingest.types import Failure, ParsedFile
from retrievers.protocols import IndexWriter, KeepsLedger, MarksDuplicates, Refuses
from retrievers.types import Chunk, IndexedDocument, Matrix

_COMPARED_AT_ONCE = 500
_NOTHING_READ: tuple[IndexedDocument | None, str] = (None, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Batching:
    """When a batch is flushed: whichever comes first. The first ones come sooner, so that searching can begin."""

    documents: int = 1000
    characters: int = 8_000_000
    seconds: float = 3.0


@dataclass(slots=True)
class _Batch:
    started: float = 0.0
    characters: int = 0
    documents: int = 0
    lacks_vectors: bool = False
    keys: set[str] = field(default_factory=set)
    arrived: dict[str, tuple[IndexedDocument, str]] = field(default_factory=dict)
    ends: list[FileEnd] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    member_failures: list[Failure] = field(default_factory=list)
    vectors: list[str] = field(default_factory=list)
    notes: list[tuple[bytes, IndexedDocument, str]] = field(default_factory=list)
    drops: list[Callable[[], Iterable[str]]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.notes or self.ends or self.failures or self.member_failures or self.vectors or self.drops)


class BatchedWriter:
    """Writes to an index in batches, each of which ends with a flush and then the journal's transaction.

    Args:
        writer: the index; used from one thread only.
        journal: with a run begun.
        reader: versions of parsers and chunker.
        ask_index: the journal may know less than the index, so ask before writing: a document that stands there as it
            should keeps its vectors.
        shard: the part of the files that is read here; others may write to the index at the same time.
    """

    def __init__(
        self,
        writer: IndexWriter,
        journal: Journal,
        *,
        reader: Reader,
        batching: Batching | None = None,
        ask_index: bool = False,
        shard: Shard | None = None,
    ) -> None:
        self._writer = writer
        self._journal = journal
        self._reader = reader
        self._batching = batching or Batching()
        self._ask_index = ask_index
        self._sharing = Sharing(writer, journal, shard) if shard else None
        self._intents = Intents(journal.path)
        self._batch = _Batch()
        self._flushes = 0
        self.refused: list[Failure] = []

    def put_right(self) -> None:
        """Undo what a process that was killed between index and journal has left; its files are read again."""
        unknown = []
        for document_id in self._intents.left():
            if self._journal.holdings.is_written_as(document_id):
                self._journal.holdings.mark_doubtful(document_id)
                for path, _ in self._journal.holdings.files_with(document_id):
                    self._journal.read_again(path_key(path))  # a file done before would leave it in doubt for ever
            else:
                unknown.append(document_id)
        if unknown:
            self._writer.delete(unknown)
            self._writer.flush()
        self._intents.clear()

    def add(self, parsed: ParsedFile) -> None:
        """Take documents of a file; without `last`, more of it will follow."""
        path = path_key(parsed.file.path)
        read_by = self._reader.stamp(joined(parsed.formats)) if parsed.documents else ""
        for item in parsed.documents:
            self._start()
            self._batch.notes.append((path, item, read_by))
            self._batch.characters += len(item.document.text)
            self._batch.documents += 1
            self._batch.lacks_vectors |= item.vectors is None

    def fail_member(self, failure: Failure) -> None:
        """A file inside the file cannot be had."""
        self._start()
        self._batch.member_failures.append(failure)

    def end(self, end: FileEnd) -> None:
        """All documents of the file were given."""
        self._start()
        self._batch.ends.append(end)

    def fail(self, failure: Failure) -> None:
        """The file cannot be had."""
        self._start()
        self._batch.failures.append(failure)

    def set_vectors(self, document_id: str, content_hash: str, vectors: Matrix) -> None:
        """Hand vectors to the index; they count as there after the next flush."""
        self._start()
        self._writer.set_vectors(document_id, content_hash, vectors)
        self._batch.vectors.append(document_id)

    def forget(self, drop: Callable[[], Iterable[str]]) -> None:
        """Change the holdings by `drop` within the next flush, which brings the index in line.

        Args:
            drop: takes holdings away and returns the keys of the documents concerned.
        """
        self._start()
        self._batch.drops.append(drop)

    @property
    def lacks_vectors(self) -> bool:
        """Documents without vectors wait for the next flush."""
        return self._batch.lacks_vectors

    @property
    def is_due(self) -> bool:
        """It is time to flush."""
        batch = self._batch
        if not batch:
            return False
        seconds = min(self._batching.seconds, 0.5 * (1 + self._flushes))
        return (
            batch.documents >= self._batching.documents
            or batch.characters >= self._batching.characters
            or time.monotonic() - batch.started >= seconds
        )

    def flush(self) -> bool:
        """Write the batch, make it durable in the index, then in the journal.

        Returns:
            Whether documents were written that have no vectors yet.
        """
        batch = self._batch
        if not batch:
            return False
        with self._journal.transaction():
            self._hear()
            documents, removing = self._resolve(batch)
            if documents or removing:
                self._intents.note([*(item.document.id for item in documents), *removing])
                self._writer.replace(documents, removing=removing)
                if self._sharing is not None:
                    self._sharing.wrote(documents)
                self._uncover(removing)
            for failure in batch.member_failures:
                self._journal.fail(failure, self._reader)
            for end in batch.ends:
                self._journal.finish(end, self._reader)  # drops what failed inside it before, and not again
            for failure in batch.failures:
                self._journal.fail(failure, self._reader)
            if self._tell() or documents or removing or batch.vectors:
                self._writer.flush()
            # the transaction ends after the flush: a crash here repeats work, before it would lose work
            refused = [*self._refused(), *(self._sharing.take_lost() if self._sharing is not None else ())]
            for failure in refused:
                self._journal.fail(failure, self._reader)
            self._journal.mark_vectors(batch.vectors)
            self._journal.mark_vectors(item.document.id for item in documents if item.vectors is not None)
        self._intents.clear()
        self._batch = _Batch()
        self._flushes += 1
        self.refused += refused
        return any(item.vectors is None for item in documents)

    def _tell(self) -> bool:
        """Write down in the index what has changed in the journal, to be true with the next flush."""
        return tell(self._journal, self._writer)

    def is_mine(self, document_id: str) -> bool:
        """The vectors of this document are made here."""
        return self._sharing is None or self._sharing.is_mine(document_id)

    def settle_with_others(self) -> None:
        """Join what other shards have written in the same moments with what was written here."""
        if self._sharing is None:
            return
        with self._journal.transaction():
            self._hear()
        self.forget(self._sharing.take_doubtful)
        self.flush()

    def _hear(self) -> None:
        if self._sharing is not None:
            self._tell()
            self._sharing.hear()

    def mark_near_duplicates(self) -> None:
        """Compare what came and went with what is there, and tell the index which documents say the same as others."""
        near = self._journal.near_duplicates
        if not isinstance(self._writer, MarksDuplicates):
            return
        with self._journal.transaction():
            near.gather()
        while compared := near.doubtful(_COMPARED_AT_ONCE):
            changes = near.changes(compared)
            if changes:
                with self._journal.transaction():
                    near.doubt(changes)
                self._writer.mark_duplicates(changes)
                self._writer.flush()
            with self._journal.transaction():
                near.mark(changes)
                near.settle(compared)

    def _uncover(self, removing: Sequence[str]) -> None:
        """What was hidden behind documents that go now is to be seen in the same commit."""
        near = self._journal.near_duplicates
        orphans = near.orphans(removing)
        near.drop(removing)
        if orphans and isinstance(self._writer, MarksDuplicates):
            unmarked = dict.fromkeys(orphans, "")
            self._writer.mark_duplicates(unmarked)
            near.mark(unmarked)

    def _refused(self) -> Iterator[Failure]:
        """The files of documents that the engine would not take; they are written anew when they are read again."""
        if not isinstance(self._writer, Refuses):
            return
        for document_id, reason in self._writer.take_refused().items():
            self._journal.holdings.mark_doubtful(document_id)
            for path, source in self._journal.holdings.files_with(document_id):
                yield Failure(
                    path=path, source=source, kind="write", stage="write", message=f"the index refused it: {reason}"
                )

    def _start(self) -> None:
        if not self._batch:
            self._batch.started = time.monotonic()

    def _resolve(self, batch: _Batch) -> tuple[list[IndexedDocument], list[str]]:
        """What has to be written and removed, so that the index holds what the files hold."""
        holdings = self._journal.holdings
        for path in {path for path, _, _ in batch.notes} | {path_key(end.file.path) for end in batch.ends}:
            self._journal.touch(path)
        for path, item, read_by in batch.notes:
            key = holdings.note(path, item.document, self._journal.run)
            batch.keys.add(key)
            held = batch.arrived.get(key)
            if held is None or item.document.source < held[0].document.source:
                batch.arrived[key] = item, read_by
        for end in batch.ends:
            batch.keys |= holdings.drop_outdated(path_key(end.file.path), self._journal.run)
        for drop in batch.drops:
            batch.keys |= set(drop())
        documents: list[IndexedDocument] = []
        replaced: list[str] = []
        for key in sorted(holdings.with_rivals(batch.keys)):
            arrived, read_by = batch.arrived.get(key, _NOTHING_READ)
            documents += self._settle(key, arrived, read_by, replaced)
        replaced += self._sharing.take_outdated(documents) if self._sharing is not None else ()
        return documents, sorted({id_ for id_ in replaced if not holdings.is_written_as(id_)})

    def _settle(
        self, key: str, arrived: IndexedDocument | None, read_by: str, replaced: list[str]
    ) -> Sequence[IndexedDocument]:
        holdings = self._journal.holdings
        wanted, written = holdings.wanted(key), holdings.written(key)
        if written and (wanted is None or wanted.document_id != written.document_id):
            replaced.append(written.document_id)
        if wanted is None:
            holdings.mark_removed(key)
            return ()
        if _stands(wanted, written, read_by):
            return ()
        if arrived and arrived.document.id != wanted.document_id and not written:
            replaced.append(arrived.document.id)  # a crash may have left it under the name it would have alone
        if arrived and arrived.document.source == wanted.source:
            return self._put(named(arrived, wanted), wanted, read_by)
        held = self._held(wanted, written)
        if held and held.document.source == wanted.source:
            if written:
                held = replace(held, sketch=self._journal.near_duplicates.sketch(written.document_id))
            return self._put(named(held, wanted), wanted, written.reader if written else "")
        # The file that leads now was read by no one today: what others read stands in until the next run reads it.
        self._journal.read_again(wanted.path)
        stand_in = arrived or held
        if stand_in is None and self._sharing is not None:
            self._sharing.lost(key)
        return self._put(named(stand_in, wanted), wanted, "") if stand_in else ()

    def _put(self, item: IndexedDocument, wanted: Wanted, reader: str) -> Sequence[IndexedDocument]:
        self._journal.holdings.mark_written(wanted, reader, len(item.chunks))
        is_there = self._ask_index and self._is_there(item)
        self._journal.near_duplicates.note(item.document.id, item.sketch, is_marked=is_there)
        return () if is_there else (item,)

    def _held(self, wanted: Wanted, written: Written | None) -> IndexedDocument | None:
        """What the index holds of this content."""
        names = [written.document_id, wanted.document_id] if written else [wanted.document_id]
        for name in dict.fromkeys(names if self._sharing is not None else names[:1]):
            held = self._writer.chunks_of(name)
            if held is not None and held.document.content_hash == wanted.key.partition(" ")[0]:
                return held
        return None

    def _is_there(self, item: IndexedDocument) -> bool:
        document = item.document
        if self._writer.holds(document.id) != document.content_hash:
            return False
        held = self._writer.chunks_of(document.id)
        return held is not None and held.document == document and list(held.chunks) == list(item.chunks)


def tell(journal: Journal, writer: IndexWriter) -> bool:
    """Write down in an index that keeps a ledger what has changed in the journal; within a transaction of it."""
    if not isinstance(writer, KeepsLedger):
        return False
    entries = journal.ledger.entries(journal.run)
    if entries:
        writer.write_ledger(entries)
    return bool(entries)


def tell_the_rest(journal: Journal, writer: IndexWriter, shard: Shard | None = None) -> None:
    """What has changed in the journal since the last flush; a ledger that is mostly void is begun anew, by no shard."""
    if not isinstance(writer, KeepsLedger):
        return
    with journal.transaction():
        is_told = tell(journal, writer)
        if shard is None and journal.ledger.is_mostly_void:
            writer.write_ledger(journal.ledger.all_entries(journal.run), anew=True)
            is_told = True
        if is_told:
            writer.flush()


def named(item: IndexedDocument, wanted: Wanted) -> IndexedDocument:
    """The document under its final name, title and sources; chunks are renamed with it."""
    document = replace(
        item.document, id=wanted.document_id, title=wanted.title, source=wanted.source, sources=wanted.sources
    )
    if item.document.id == document.id:
        return replace(item, document=document)
    return replace(item, document=document, chunks=[_renamed(chunk, document.id) for chunk in item.chunks])


def _renamed(chunk: Chunk, document_id: str) -> Chunk:
    suffix = chunk.id.removeprefix(chunk.document_id)
    return replace(chunk, id=document_id + suffix, document_id=document_id)


def _stands(wanted: Wanted, written: Written | None, reader: str) -> bool:
    """It is written as it should be; `reader` is "" where nothing was read anew."""
    return (
        written is not None
        and written.document_id == wanted.document_id
        and written.sources == "\n".join(wanted.sources)
        and reader in ("", written.reader)
    )
