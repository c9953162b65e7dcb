"""The embedder at work in a thread of its own, so that nothing holds it up: reading and writing happen beside it.

It is given documents of the index and gives back their vectors. Chunks of several documents are embedded together,
longest first, in calls of similar length: for embedders that pad their batches this is what makes them fast.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from retrievers.errors import EngineRejected
from retrievers.protocols import Embedder
from retrievers.types import IndexedDocument, Matrix

_WINDOW_CHUNKS = 2048  # sorted by length together: what a kill may cost, and what lies in memory
_CALL_CHUNKS = 128  # embedded in one call: how often progress is seen and a stop is obeyed
_CALL_CHARACTERS = 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    """The vectors of a document, row i for chunk i."""

    document_id: str
    content_hash: str
    vectors: Matrix


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingFailed:
    """A document whose chunks the embedder refused."""

    document_id: str
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedderGone:
    """The embedder does not answer, or broke: no use in trying other documents."""

    error: BaseException


EmbeddingEvent: TypeAlias = Embedded | EmbeddingFailed | EmbedderGone


@dataclass(slots=True, eq=False)
class _Job:
    item: IndexedDocument
    vectors: Matrix
    left: int
    failed: EmbeddingFailed | None = None


@dataclass(slots=True)
class EmbeddingClock:
    """What the embedder did: chunks embedded, and seconds of the wall clock spent inside it."""

    chunks: int = 0
    busy_seconds: float = 0.0


class EmbeddingThread:
    """Embeds the documents it is given, in order of arrival and a window at a time.

    Args:
        embedder: used from this thread only.
        report: called from the thread with each outcome; may block, which holds the embedder up.

    Attributes:
        clock: read from any thread.
    """

    def __init__(self, embedder: Embedder, report: Callable[[EmbeddingEvent], None]) -> None:
        self.clock = EmbeddingClock()
        self._embedder = embedder
        self._report = report
        self._jobs: queue.SimpleQueue[IndexedDocument | None] = queue.SimpleQueue()
        self._given_chunks = 0
        self._stopped = threading.Event()
        self._is_alone = threading.Event()
        self._thread = threading.Thread(target=self._run, name="embedding", daemon=True)

    @property
    def has_room(self) -> bool:
        """Another document should be given: less than two windows of chunks are waiting."""
        return self._given_chunks - self.clock.chunks < 2 * _WINDOW_CHUNKS

    def give(self, item: IndexedDocument) -> None:
        """Take a document; never blocks, so look at `has_room` before."""
        if not self._thread.is_alive() and self._thread.ident is None:
            self._thread.start()
        self._given_chunks += len(item.chunks)
        self._jobs.put(item)

    def hurry(self) -> None:
        """All files were read, or nearly: take all processors."""
        self._is_alone.set()

    def stop(self) -> None:
        """End after the call in progress, without what is waiting."""
        self._stopped.set()
        self._is_alone.set()
        self._jobs.put(None)

    def join(self, timeout_seconds: float | None = None) -> None:
        """Wait until the thread has ended."""
        if self._thread.ident is not None:
            self._thread.join(timeout_seconds)

    def _run(self) -> None:
        while not self._stopped.is_set():
            window = self._next_window()
            if not window:
                continue
            try:
                self._embed_window(window)
            except BaseException as error:  # noqa: BLE001 - fate: ends the run with one line; the main thread raises it
                self._report(EmbedderGone(error=error))
                return

    def _next_window(self) -> list[_Job]:
        """The next documents, enough of them for a window; waits for the first only."""
        jobs: list[_Job] = []
        chunks = 0
        while chunks < _WINDOW_CHUNKS:
            try:
                item = self._jobs.get(block=not jobs)
            except queue.Empty:
                break
            if item is None:
                break
            chunks += len(item.chunks)
            jobs.append(_Job(item, np.empty((len(item.chunks), self._embedder.dimensions), np.float32), 0))
        return jobs

    def _embed_window(self, jobs: Sequence[_Job]) -> None:
        for job in jobs:
            job.left = len(job.item.chunks)
            if not job.left:
                self._done(job)
        rows = [(job, row) for job in jobs for row in range(len(job.item.chunks))]
        for first in range(0, len(rows), _WINDOW_CHUNKS):
            part = rows[first : first + _WINDOW_CHUNKS]
            part.sort(key=lambda pair: len(pair[0].item.chunks[pair[1]].text), reverse=True)
            for call in _calls(part):
                if self._stopped.is_set():
                    return
                self._embed_call(call)

    def _embed_call(self, call: Sequence[tuple[_Job, int]]) -> None:
        texts = [job.item.chunks[row].embedding_text for job, row in call]
        started = time.perf_counter()
        try:
            vectors = self._embedder.embed_documents(texts)
        except EngineRejected:
            self._embed_one_by_one(call, texts)
        else:
            for (job, row), vector in zip(call, vectors, strict=True):
                job.vectors[row] = vector
        seconds = time.perf_counter() - started
        self.clock.busy_seconds += seconds
        self.clock.chunks += len(call)
        for job, _ in call:
            job.left -= 1
            if not job.left:
                self._done(job)
        self._is_alone.wait(seconds)  # while files are read, at most every other moment

    def _embed_one_by_one(self, call: Sequence[tuple[_Job, int]], texts: Sequence[str]) -> None:
        """A call was refused: find out which document is to blame; if all are, the embedder is."""
        refused: list[EngineRejected] = []
        for (job, row), text in zip(call, texts, strict=True):
            try:
                job.vectors[row] = self._embedder.embed_documents([text])[0]
            except EngineRejected as error:
                refused.append(error)
                job.failed = EmbeddingFailed(document_id=job.item.document.id, message=error.message, hint=error.hint)
        if len(call) > 1 and len(refused) == len(call):
            raise refused[0]

    def _done(self, job: _Job) -> None:
        document = job.item.document
        if job.failed is not None:
            self._report(job.failed)
            return
        self._report(
            Embedded(document_id=document.id, content_hash=document.content_hash, vectors=job.vectors),
        )


def _calls(rows: Sequence[tuple[_Job, int]]) -> Iterator[Sequence[tuple[_Job, int]]]:
    """Neighbours in length, bounded in number and in characters."""
    call: list[tuple[_Job, int]] = []
    characters = 0
    for job, row in rows:
        length = len(job.item.chunks[row].text)
        if call and (len(call) == _CALL_CHUNKS or characters + length > _CALL_CHARACTERS):
            yield call
            call, characters = [], 0
        call.append((job, row))
        characters += length
    if call:
        yield call
