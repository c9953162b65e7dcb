"""The executor `ray`, seen from the run: a pool whose workers are the processes of a cluster.

Files go through the pipeline in waves, since the input of a pipeline is known before it begins and a million files must
not lie in memory. What is repeated of work that was in hand when a process died is dropped here, and what never comes
is asked for again: every file ends once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from ingest.cluster.aside import aside
from ingest.cluster.parcels import Errand, Filed, Parcel, errands_of
from ingest.types import Failure, ParsedFile, SourceFile

Flow: TypeAlias = Callable[[Iterable[list[Errand]]], Generator[Parcel]]
"""What is done elsewhere: parcels in any order, some twice, some never."""

Outcome: TypeAlias = ParsedFile | Failure

WAVE_FILES = 20_000
_FINDING_SECONDS = 10.0  # a wave begins with what was found by then
_ROUNDS = 3


class ClusterPool:
    """Reads files by means of a flow. A `ingest.pipeline.Pool`; use it as a context manager.

    Args:
        flow: reads the files of errands, and embeds them where it has an embedder.
        wave_files: files that are handed to it at once.

    Attributes:
        lacking: what workers could not give up on the machines where they ran, each with the reason.
    """

    def __init__(self, flow: Flow, *, wave_files: int = WAVE_FILES) -> None:
        self.lacking: dict[str, str] = {}
        self._flow, self._wave_files = flow, wave_files
        self._stopped = threading.Event()

    def run(self, files: Iterable[SourceFile]) -> Iterator[Outcome]:
        """Every file ends in one `ParsedFile` with `last` or one `Failure`. Raises what the flow raises."""
        waiting = iter(files)
        while not self._stopped.is_set() and (found := self._next_wave(waiting)):
            yield from self._read(found)

    def stop(self) -> None:
        """Let `run` end within a tenth of a second, without the files in hand. May be called from any thread."""
        self._stopped.set()

    def __enter__(self) -> ClusterPool:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def _next_wave(self, waiting: Iterator[SourceFile]) -> list[SourceFile]:
        wave: list[SourceFile] = []
        started = time.monotonic()
        for file in waiting:
            wave.append(file)
            if len(wave) == self._wave_files or time.monotonic() - started > _FINDING_SECONDS:
                break
        return wave

    def _read(self, found: list[SourceFile]) -> Iterator[Outcome]:
        wave = _Wave(found)
        for _ in range(_ROUNDS):
            for parcel in aside(partial(self._flow, list(errands_of(wave.left()))), self._stopped):
                self.lacking |= parcel.lacking
                yield from map(wave.outcome, filter(wave.is_new, parcel.filed))
            if self._stopped.is_set() or not wave.left():
                return
        yield from (_lost(file) for _, file in wave.left())


@dataclass(slots=True)
class _Fate:
    file: SourceFile
    pieces: int = 0
    has_ended: bool = False


class _Wave:
    """Files that are read together, and how far each has come."""

    def __init__(self, files: list[SourceFile]) -> None:
        self._fates = [_Fate(file) for file in files]

    def left(self) -> list[tuple[int, SourceFile]]:
        """The files that have not ended, with their numbers."""
        return [(number, fate.file) for number, fate in enumerate(self._fates) if not fate.has_ended]

    def is_new(self, filed: Filed) -> bool:
        """It is what comes next of its file: what was repeated has come before, what was lost comes again."""
        fate = self._fates[filed.number]
        if fate.has_ended or filed.piece != fate.pieces:
            return False
        fate.pieces += 1
        fate.has_ended = filed.is_last
        return True

    def outcome(self, filed: Filed) -> Outcome:
        """As a pool hands it out."""
        return filed.outcome(self._fates[filed.number].file)


def _lost(file: SourceFile) -> Failure:
    message = "the processes of the cluster that read it were lost, again and again"
    return Failure(
        path=file.path, source=file.source, kind="crashed", stage="parse", message=message, transient=True, file=file
    )
