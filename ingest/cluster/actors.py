"""What Ray runs on the machines of a cluster: a process that has files read, and one that embeds what was read.

Each is a class that `Dataset.map_batches` keeps alive: parsers, language model and embedder are loaded once. Files are
never parsed in such a process itself, but in a confined worker of its own, as on one machine.
"""

from __future__ import annotations

import os
import queue
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from confinement import ScratchFolder
from ingest import stages
from ingest.cluster.parcels import (
    PARCEL_CHARACTERS,
    Errand,
    Filed,
    Parcel,
    errands_in,
    filed_of,
    packed,
    parcels_in,
    rows_of,
)
from ingest.embedding import Embedded, EmbedderGone, EmbeddingEvent, EmbeddingThread
from ingest.errors import ConfigError
from ingest.spool import Spool
from ingest.types import Confinement, Failure, Limits, ParsedFile, SourceFile
from ingest.wire import Piece
from ingest.workers import WorkerPool
from retrievers import registry
from retrievers.settings import EmbedderSettings
from retrievers.types import IndexedDocument

if TYPE_CHECKING:
    import pyarrow

_FETCHED = "rlm-search-fetched-"
"""Begins the names of the folders that remote files are fetched to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingPlan:
    """How files are read, as `ingest.workers.WorkerPool` is told; `version` is that of the process that asks."""

    options: dict[str, object]
    limits: Limits
    confinement: Confinement
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingPlan:
    """Which embedder, by its spec."""

    spec: str
    settings: EmbedderSettings

    def on(self, *, has_gpu: bool) -> EmbeddingPlan:
        """The same for a process that has a GPU to itself, or one CPU."""
        if has_gpu or self.settings.threads:
            return self
        return replace(self, settings=msgspec.structs.replace(self.settings, threads=1))


class Reading:
    """Has files read by one confined worker process: errands in, parcels out.

    Raises:
        ConfigError: another version is installed here than where the run was started.
    """

    def __init__(self, plan: ReadingPlan) -> None:
        if plan.version != stages.version():
            raise ConfigError(
                "a machine of the Ray cluster has another version of rlm-search than the one that started the run",
                hint="install the same version, with the same extras, on all of them",
            )
        self._file_bytes = plan.limits.file_bytes
        self._fetched = ScratchFolder(_FETCHED)
        folder = os.fsencode(os.path.realpath(self._fetched.path))
        self._pool = WorkerPool(
            1,
            options=plan.options,
            limits=plan.limits,
            confinement=replace(plan.confinement, read=(*plan.confinement.read, folder)),
        )

    def __call__(self, batch: pyarrow.Table) -> Iterator[pyarrow.Table]:
        """The parcels of the errands of a batch."""
        for errands in errands_in(batch):
            yield from map(packed, self._parcels(errands))

    def _parcels(self, errands: list[Errand]) -> Iterator[Parcel]:
        filed: list[Filed] = []
        characters = 0
        for each in self._read(errands):
            filed.append(each)
            characters += each.characters
            if characters >= PARCEL_CHARACTERS:
                yield Parcel(filed, dict(self._pool.lacking))
                filed, characters = [], 0
        yield Parcel(filed, dict(self._pool.lacking))

    def _read(self, errands: list[Errand]) -> Iterator[Filed]:
        """Every outcome of these files, in the order of each file's pieces."""
        by_path = {errand.file().path: errand for errand in errands}
        pieces = dict.fromkeys(by_path, 0)
        unfetched: list[Failure] = []
        with Spool(file_bytes=self._file_bytes, parent=self._fetched.path) as spool:
            files = spool.ready((errand.file() for errand in errands), unfetched.append)
            for outcome in self._pool.run(files):
                path = _path_of(outcome)
                yield filed_of(by_path[path], pieces[path], outcome)
                pieces[path] += 1
                if isinstance(outcome, Failure) or outcome.last:
                    spool.done(outcome.file)
        for failure in unfetched:
            yield filed_of(by_path[failure.path], 0, failure)


def _path_of(outcome: ParsedFile | Failure) -> Path:
    file = outcome.file
    assert isinstance(file, SourceFile), "a pool tells of files"
    return file.path


class Embedding:
    """Gives the documents of parcels their vectors; those that the embedder refuses go on without.

    Raises:
        RetrieverError: the embedder cannot be opened, or does not answer.
    """

    def __init__(self, plan: EmbeddingPlan) -> None:
        embedder = registry.open_embedder(plan.spec, plan.settings)
        assert embedder is not None, "a run without vectors has no such stage"
        self._events: queue.SimpleQueue[EmbeddingEvent] = queue.SimpleQueue()
        self._thread = EmbeddingThread(embedder, self._events.put)
        self._thread.hurry()  # it has this process for itself

    def __call__(self, batch: pyarrow.Table) -> Iterator[pyarrow.Table]:
        """The parcels of a batch, embedded."""
        for parcel in parcels_in(batch):
            before = self._thread.clock.busy_seconds
            pieces = [(each, each.report) for each in parcel.filed if isinstance(each.report, Piece)]
            vectors = self._embedded([read.unpack() for _, piece in pieces for read in piece.documents])
            for each, piece in pieces:
                each.vectors = [next(vectors) for _ in piece.documents]
                each.seconds, before = self._thread.clock.busy_seconds - before, self._thread.clock.busy_seconds
            yield packed(parcel)

    def _embedded(self, items: Sequence[IndexedDocument]) -> Iterator[bytes | None]:
        """The rows of each document, in order: they are embedded together, and come in the order of their lengths."""
        for number, item in enumerate(items):
            self._thread.give(replace(item, document=replace(item.document, id=str(number))))
        rows: dict[str, bytes | None] = {}
        for _ in items:
            event = self._events.get()
            if isinstance(event, EmbedderGone):
                raise event.error
            rows[event.document_id] = rows_of(event.vectors) if isinstance(event, Embedded) else None
        return (rows[str(number)] for number in range(len(items)))
