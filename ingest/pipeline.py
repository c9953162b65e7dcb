"""One run: files are found and claimed, read in worker processes, written by one writer, embedded beside it.

Three threads, each with one trade. The *reader* walks the sources, claims files and drives the worker processes. The
*embedding* thread runs the embedder and nothing else. The main thread owns the index: it takes what the two report
from one bounded queue, writes, flushes, and then tells the journal.

Text comes first. While there are files to hand out, the embedder rests after each call for as long as the call took, so
that worker processes and writer get three quarters of the processors; from then on it has them for itself. Were it to
wait for all text, processors would lie idle wherever reading cannot fill them (one large file, a slow disk, the start);
were it not to rest, text would take twice as long to be searchable. The embedder reads its chunks back from the index,
never from what was just parsed: so nothing piles up in memory, and a run that was stopped goes on where it was without
reading any file again.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

import msgspec

from ingest.embedding import Embedded, EmbedderGone, EmbeddingClock, EmbeddingEvent, EmbeddingFailed, EmbeddingThread
from ingest.entries import FileEnd
from ingest.journal import Journal, path_key
from ingest.missing import MissingVectors
from ingest.progress import Progress, Silent
from ingest.readers import Reader
from ingest.report import Tally
from ingest.sharding import Shard
from ingest.snapshot import snapshot
from ingest.spool import Spool
from ingest.types import Failure, ParsedFile, SourceFile
from ingest.writing import BatchedWriter, Batching
from retrievers.protocols import Embedder, IndexWriter

_INBOX = 8
_TICK_SECONDS = 0.1
_BEAT_SECONDS = 2.0
_DRAIN_SECONDS = 1.0
_CALL_SECONDS = 10.0  # one call of the embedder, or of the file system, ends in less


class Pool(Protocol):
    """Reads files: `ingest.workers.WorkerPool`, `ingest.cluster.pool.ClusterPool`, or one in this process for tests.

    Documents may come with vectors; the others get theirs from the embedder of the run.
    """

    def run(self, files: Iterable[SourceFile]) -> Iterator[ParsedFile | Failure]:
        """Each file ends in one `ParsedFile` with `last` or one `Failure`."""
        ...

    def stop(self) -> None:
        """Let `run` end soon; called from another thread."""
        ...


@dataclass(frozen=True, slots=True)
class _TextDone:
    """All files were read."""


@dataclass(frozen=True, slots=True)
class _ReaderDied:
    error: BaseException


_Event: TypeAlias = ParsedFile | Failure | EmbeddingEvent | _TextDone | _ReaderDied


@dataclass(slots=True)
class _Partial:
    """What was read so far of a file that comes in pieces."""

    documents: int = 0
    pages: int = 0
    characters: int = 0
    seconds: float = 0.0
    warnings: set[str] = field(default_factory=set)
    formats: set[str] = field(default_factory=set)


class IngestRun:
    """A run that can be watched and stopped.

    Args:
        writer: the index; this run is its only user, from the thread that calls `run`.
        journal: open; the run is entered there.
        pool: worker processes; closed by the caller.
        reader: versions of parsers and chunker.
        embedder: None writes text only.
        batching: how much is written between two flushes.
        progress: shown the counts several times a second, and told of failures.
        ask_index: the index may hold documents that the journal does not know.
        shard: the part of the files that this run reads; others may read the rest at the same time.
        amend: adds to documents what is known of them from elsewhere.
        spool: fetches remote files; without one they cannot be read.
    """

    def __init__(
        self,
        *,
        writer: IndexWriter,
        journal: Journal,
        pool: Pool,
        reader: Reader,
        embedder: Embedder | None = None,
        batching: Batching | None = None,
        progress: Progress | None = None,
        ask_index: bool = False,
        shard: Shard | None = None,
        amend: Callable[[ParsedFile], ParsedFile] | None = None,
        spool: Spool | None = None,
    ) -> None:
        self.tally = Tally()
        self.is_stopped = False
        self._writer, self._journal, self._pool, self._reader = writer, journal, pool, reader
        self._progress = progress or Silent()
        self._spool = spool
        self._amend = amend or (lambda parsed: parsed)
        self._batched = BatchedWriter(
            writer, journal, reader=reader, batching=batching, ask_index=ask_index, shard=shard
        )
        self._inbox: queue.Queue[_Event] = queue.Queue(_INBOX)
        self._abandoned = threading.Event()
        self._partials: dict[bytes, _Partial] = {}
        self._text_done = False
        self._embedding = EmbeddingThread(embedder, self._put) if embedder else None
        self._vectors = MissingVectors(writer, self._batched.is_mine)
        self._elsewhere = EmbeddingClock()  # what came with vectors
        self._beaten = time.monotonic()

    def stop(self) -> None:
        """Take no new file and end soon, with everything in hand safely written. May be called by a signal handler."""
        self.is_stopped = True

    def run(self, found: Iterator[SourceFile | Failure]) -> Tally:
        """Read and write everything that `found` yields, then give all documents vectors.

        Raises:
            JournalError: the journal cannot be written.
            RetrieverError: the index or the embedder gave up.
        """
        self._batched.put_right()
        self._expect_vectors()
        reading = threading.Thread(target=self._read, args=(found,), name="reading", daemon=True)
        reading.start()
        try:
            while not self._is_done():
                self._step()
            self._wind_up(reading)
        finally:
            self._abandoned.set()
            self._pool.stop()
            if self._embedding:
                self._embedding.stop()
                self._embedding.join(_CALL_SECONDS)
        reading.join(_CALL_SECONDS)
        return self.tally

    # --- the reader's thread ----------------------------------------------------------------------------------------

    def _read(self, found: Iterator[SourceFile | Failure]) -> None:
        try:
            claimed = self._claimed(found)
            for outcome in self._pool.run(self._spool.ready(claimed, self._put) if self._spool else claimed):
                self._put(outcome)
                if self._spool and (isinstance(outcome, Failure) or outcome.last):
                    self._spool.done(outcome.file)
            self._put(_TextDone())
        except BaseException as error:  # noqa: BLE001 - fate: ends the run; the main thread raises it
            self._put(_ReaderDied(error))

    def _claimed(self, found: Iterator[SourceFile | Failure]) -> Iterator[SourceFile]:
        for file in found:
            if self.is_stopped or self._abandoned.is_set():
                return
            self.tally.found += 1
            if isinstance(file, Failure):
                self._put(file)
                continue
            claim = self._journal.claim(file, self._reader)
            if claim.again:
                self.tally.found -= 1
            elif claim.known:
                self.tally.known[claim.known] += 1
            else:
                yield claim.file
        if self._embedding:
            self._embedding.hurry()

    def _put(self, event: _Event) -> None:
        while not self._abandoned.is_set():
            try:
                return self._inbox.put(event, timeout=_TICK_SECONDS)
            except queue.Full:
                continue
        return None

    # --- the main thread --------------------------------------------------------------------------------------------

    def _is_done(self) -> bool:
        if self.is_stopped:
            return True
        return self._text_done and (self._embedding is None or self._vectors.is_done)

    def _step(self) -> None:
        with suppress(queue.Empty):
            self._take(self._inbox.get(timeout=_TICK_SECONDS))
        if self._batched.is_due or self._vectors.wait_for_a_flush or self._is_starving():
            self._flush()
        self._feed()
        self._look()

    def _is_starving(self) -> bool:
        """The embedder has nothing to do, and what it could do waits to be flushed."""
        return self._embedding is not None and self._batched.lacks_vectors and self._vectors.has_none_in_hand

    def _take(self, event: _Event) -> None:
        match event:
            case ParsedFile():
                self._take_parsed(event)
            case Failure():
                self._partials.pop(path_key(event.path), None)
                self._fail(event)
            case Embedded():
                self._batched.set_vectors(event.document_id, event.content_hash, event.vectors)
                self._vectors.arrived(event.document_id)
            case EmbeddingFailed():
                self._take_refused(event)
            case _TextDone():
                self._flush()
                self._batched.settle_with_others()
                self._batched.mark_near_duplicates()
                self._text_done = True
                self.tally.text_seconds = self.tally.seconds
                self._expect_vectors()
            case EmbedderGone(error=error) | _ReaderDied(error=error):
                self._flush()
                raise error

    def _take_parsed(self, parsed: ParsedFile) -> None:
        parsed = self._amend(parsed)
        self.tally.take(parsed)
        if self._embedding:
            self.tally.vectors_expected += sum(len(item.chunks) for item in parsed.documents)
            self._elsewhere.chunks += sum(len(item.chunks) for item in parsed.documents if item.vectors is not None)
            self._elsewhere.busy_seconds += parsed.embedder_seconds
        self._batched.add(parsed)
        for failure in parsed.failures:
            self._progress.failed(failure)
            self._batched.fail_member(failure)
        path = path_key(parsed.file.path)
        partial = self._partials.setdefault(path, _Partial())
        partial.documents += len(parsed.documents)
        partial.pages += parsed.pages
        partial.characters += sum(len(item.document.text) for item in parsed.documents)
        partial.seconds += parsed.seconds
        partial.formats.update(parsed.formats)
        partial.warnings.update(warned.kind for warned in parsed.warnings)
        if parsed.last:
            del self._partials[path]
            self._batched.end(
                FileEnd(
                    file=parsed.file,
                    empty=not partial.characters,
                    documents=partial.documents,
                    pages=partial.pages,
                    warnings=tuple(partial.warnings),
                    formats=tuple(partial.formats),
                    seconds=partial.seconds,
                )
            )

    def _take_refused(self, refused: EmbeddingFailed) -> None:
        self._vectors.refused(refused.document_id)
        for path, source in self._journal.holdings.files_with(refused.document_id):
            failure = Failure(
                path=path,
                source=source,
                kind="embed",
                stage="embed",
                message=refused.message,
                hint=refused.hint,
                transient=True,
            )
            self.tally.read -= 1
            self._fail(failure)

    def _fail(self, failure: Failure) -> None:
        self.tally.fail(failure)
        self._progress.failed(failure)
        self._batched.fail(failure)

    def _flush(self) -> None:
        self._vectors.flushed(has_new_text=self._batched.flush())
        for failure in self._batched.refused:
            self.tally.read -= 1
            self.tally.fail(failure)
            self._progress.failed(failure)
        self._batched.refused.clear()

    def _feed(self) -> None:
        """Keep the embedder supplied."""
        while self._embedding is not None and self._embedding.has_room:
            item = self._vectors.next()
            if item is None:
                return
            self._embedding.give(item)

    def _expect_vectors(self) -> None:
        """How many chunks are to be embedded in this run, exactly; while text comes in, the tally adds to it."""
        if self._embedding:
            _, chunks, with_vectors = self._journal.holdings.totals()
            done = self._embedding.clock.chunks + self._elsewhere.chunks
            self.tally.vectors_expected = done + chunks - with_vectors

    def _look(self) -> None:
        if self._embedding:
            self.tally.vectors = self._embedding.clock.chunks + self._elsewhere.chunks
            self.tally.embedder_seconds = self._embedding.clock.busy_seconds + self._elsewhere.busy_seconds
        self.tally.waiting = self._inbox.qsize()
        self._progress.show(self.tally)
        if time.monotonic() - self._beaten >= _BEAT_SECONDS:
            self._beaten = time.monotonic()
            self._journal.beat(msgspec.json.encode(snapshot(self.tally)).decode())

    def _wind_up(self, reading: threading.Thread) -> None:
        """Write what is in hand; a run that is complete makes the journal agree with the index."""
        if self.is_stopped:
            self._pool.stop()
            if self._embedding:
                self._embedding.stop()
            self._drain(reading)
        self._flush()
        self._look()
        if not self.is_stopped and self._embedding:
            with self._journal.transaction():
                self._journal.holdings.mark_all_vectors(except_for=self._writer.missing_vectors())

    def _drain(self, reading: threading.Thread) -> None:
        deadline = time.monotonic() + _DRAIN_SECONDS
        while time.monotonic() < deadline:
            try:
                self._take(self._inbox.get(timeout=_TICK_SECONDS / 2))
            except queue.Empty:
                if not reading.is_alive():
                    return
