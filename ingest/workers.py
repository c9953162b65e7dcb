"""Worker processes that read one file at a time under limits: a crash, a hang or a bomb costs that one file.

Why this and no library: `docs/decisions/0003-worker-pool.md`.
"""

from __future__ import annotations

import selectors
import signal
import time
from collections import Counter, deque
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import msgspec

from ingest import wire
from ingest.errors import ConfigError
from ingest.forking import Forker, Worker
from ingest.nursery import GONE, News, Plan
from ingest.types import Confinement, Failure, FailureKind, Limits, ParsedFile, SourceFile
from ingest.worker import cpu_limit

Outcome: TypeAlias = ParsedFile | Failure

READER = "ingest.stages:reader"
_AHEAD = 2  # files that a worker holds: the one it reads, and the next, so that it never waits for this side
_LOST_MEMBERS = 20  # of one file: each costs a process, and may cost its time limit
_WATCH_SECONDS = 0.1
_NEAR_THE_LIMIT = 0.8  # of the memory limit: a process that dies this large has died of its size


class WorkerPool:
    """Long-lived worker processes. Use as a context manager; not shared between threads.

    `run` takes files as workers become free (at most one waits per worker) and yields outcomes as they come, not in
    order. Every file ends in exactly one `ParsedFile` with `last` or one `Failure`. A caller that does not ask for
    the next outcome holds the workers up: nothing grows. `close` (also when an exception passes) leaves no worker
    behind, and workers die with this process even if it is killed.

    Args:
        workers: number of processes; none is started before the first file.
        task: `module:function` that is called with `options` in the process that workers are forked from, and
            returns what a worker does with a file (`ingest.worker.Task`).
        options: see `ingest.stages.reader`.
        limits: what one file may cost.
        confinement: what workers may still do; by default they may read every file.

    Attributes:
        lacking: what workers could not give up on this system, each with the reason; known once a file is read.
    """

    def __init__(
        self,
        workers: int,
        *,
        task: str = READER,
        options: Mapping[str, object] | None = None,
        limits: Limits | None = None,
        confinement: Confinement | None = None,
    ) -> None:
        self._size = workers
        self._limits = limits or Limits()
        self._confinement = confinement or Confinement()
        self.lacking: dict[str, str] = {}
        self._forker = Forker(
            Plan(task=task, options=dict(options or {}), limits=self._limits, confinement=self._confinement)
        )
        self._selector = selectors.DefaultSelector()
        self._workers: dict[int, Worker] = {}
        self._again: deque[SourceFile] = deque()
        self._retried: set[Path] = set()  # in a run: their process was killed from outside, and they are read once more
        self._lost_members: Counter[Path] = Counter()
        self._clock = 0.0  # seconds spent waiting for workers: it stands still while the caller is busy
        self._watched = 0.0
        self._is_stopped = False

    def stop(self) -> None:
        """Let `run` end within a tenth of a second, without the files in hand. May be called from any thread."""
        self._is_stopped = True

    def run(self, files: Iterable[SourceFile]) -> Iterator[Outcome]:
        """Read the files. To stop early, close the iterator or the pool.

        Raises:
            IngestError: no worker can be started on this machine.
            ConfigError: workers are to be confined, and this system cannot do all of it.
        """
        waiting = iter(files)
        more = True
        try:
            while not self._is_stopped and (more or self._again or self._is_busy()):
                more = yield from self._hand_out(waiting)
                yield from self._wait()
        finally:
            self._abandon()

    def close(self) -> None:
        """End all workers: those without a file by themselves, the others at once."""
        self._abandon()
        for worker in list(self._workers.values()):
            self._dismiss(worker)
        self._forker.close()
        self._selector.close()

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # Handing out

    def _hand_out(self, waiting: Iterator[SourceFile]) -> Generator[Outcome, None, bool]:
        """Give files to workers with room; returns whether there may be more files."""
        while self._has_room():
            file = self._again.popleft() if self._again else next(waiting, None)
            if file is None:
                return False
            if file.size > self._limits.file_bytes:
                yield _too_large(file, self._limits)
                continue
            self._give(self._freest(), file)
        return True

    def _has_room(self) -> bool:
        return len(self._workers) < self._size or any(self._takes_more(w) for w in self._workers.values())

    def _takes_more(self, worker: Worker) -> bool:
        return len(worker.orders) < _AHEAD and worker.taken < self._limits.files_per_worker and not worker.excused

    def _freest(self) -> Worker:
        taking = [worker for worker in self._workers.values() if self._takes_more(worker)]
        best = min(taking, key=lambda worker: (len(worker.orders), worker.ordered_bytes()), default=None)
        if best is None or (best.orders and len(self._workers) < self._size):
            return self._hire()
        return best

    def _hire(self) -> Worker:
        is_first = self._forker.control is None
        worker = self._forker.fork()
        if is_first and self._forker.control is not None:
            self._selector.register(self._forker.control, selectors.EVENT_READ)
        self._selector.register(worker.connection, selectors.EVENT_READ, worker)
        self._workers[worker.pid] = worker
        return worker

    def _give(self, worker: Worker, file: SourceFile) -> None:
        worker.orders.append(file)
        worker.taken += 1
        if len(worker.orders) == 1:
            self._start_the_clock(worker)
        with suppress(OSError):  # it is gone: the news of it will say what becomes of its files
            wire.send(worker.connection, wire.Order.of(file))

    def _start_the_clock(self, worker: Worker, needed_seconds: float = 0.0) -> None:
        least = worker.place.seconds if worker.place else cpu_limit(worker.orders[0].size, self._limits)
        seconds = max(needed_seconds, least)
        worker.deadline = self._clock + seconds * self._limits.wall_factor

    # Waiting

    def _is_busy(self) -> bool:
        return any(worker.orders for worker in self._workers.values())

    def _wait(self) -> Iterator[Outcome]:
        while self._forker.has_news():
            yield from self._hear()
        if not self._is_busy():
            return
        started = time.monotonic()
        events = self._selector.select(_WATCH_SECONDS)
        self._clock += time.monotonic() - started
        for key, _ in events:
            if key.data is None:
                yield from self._hear()
            elif key.data.pid in self._workers:
                yield from self._listen(key.data)
        self._watch()

    def _listen(self, worker: Worker) -> Iterator[Outcome]:
        try:
            for frame in worker.receiver.frames():
                report = wire.decode_report(frame)
                if isinstance(report, wire.Confined):
                    self._note(report)
                    continue
                if isinstance(report, wire.Alive | wire.Place):
                    self._hear_of(worker, report)
                    continue
                yield self._settle(worker, report)
                if worker.connection.fileno() < 0:  # that was its last file
                    return
        except (ValueError, IndexError, msgspec.MsgspecError):  # it talks nonsense, or without being asked
            self._doom(worker, "crashed")
        if worker.receiver.closed:
            self._unregister(worker)

    def _note(self, report: wire.Confined) -> None:
        self.lacking |= report.lacking
        if report.lacking and self._confinement.mode == "require":
            claims = "; ".join(f"{claim}: {why}" for claim, why in report.lacking.items())
            raise ConfigError(f"workers cannot be confined here ({claims})", hint='set `[ingest] confine = "auto"`')

    def _hear_of(self, worker: Worker, report: wire.Alive | wire.Place) -> None:
        if isinstance(report, wire.Place):
            worker.place = report if report.position else None
        self._start_the_clock(worker, report.seconds)

    def _settle(self, worker: Worker, report: wire.Piece | wire.Failed) -> Outcome:
        outcome: Outcome = report.outcome(worker.orders[0])
        worker.has_begun = isinstance(report, wire.Piece) and not report.last
        if isinstance(report, wire.Failed) or report.last:
            worker.excused = isinstance(report, wire.Failed) and report.kind == "memory"
            if isinstance(outcome, Failure) and worker.excused and self._goes_on(worker):
                outcome = self._lost(worker, (outcome.kind, outcome.message, outcome.transient))
                self._again.append(worker.orders[0])
            worker.orders.popleft()
            worker.place = None
            if worker.orders:
                self._start_the_clock(worker)
            elif worker.taken >= self._limits.files_per_worker:
                self._dismiss(worker)
        else:
            self._start_the_clock(worker)
        return outcome

    def _hear(self) -> Iterator[Outcome]:
        news = self._forker.hear()
        if news is not None and news.pid in self._workers:
            yield from self._bury(self._workers[news.pid], news)
        if news is None:  # the nursery itself is gone, and all its children with it
            if self._forker.control is not None:
                self._selector.unregister(self._forker.control)
            for worker in list(self._workers.values()):
                yield from self._bury(worker, News(GONE, worker.pid, signal.SIGKILL))
            self._forker.close()

    def _bury(self, worker: Worker, news: News) -> Iterator[Outcome]:
        yield from self._listen(worker)  # what it said before it ended
        self._dismiss(worker)
        if worker.orders and not worker.excused and not self._deserves_another(worker, news):
            cause = _cause(worker, news, self._limits)
            yield self._lost(worker, cause) if self._goes_on(worker) else _died(worker.orders.popleft(), cause)
        self._again.extend(worker.orders)

    def _deserves_another(self, worker: Worker, news: News) -> bool:
        """It was killed and has done nothing to deserve it: another reads its file, once."""
        path = worker.orders[0].path
        if not _is_foul_play(worker, news, self._limits) or path in self._retried:
            return False
        if worker.has_begun and worker.place is None:
            return False
        if worker.place is not None:
            worker.orders[0] = replace(worker.orders[0], begin=worker.place.position)
        self._retried.add(path)
        return True

    def _goes_on(self, worker: Worker) -> bool:
        """It died of a file inside the one in hand: another goes on behind that, but not for ever."""
        return worker.place is not None and self._lost_members[worker.orders[0].path] < _LOST_MEMBERS

    def _lost(self, worker: Worker, cause: tuple[FailureKind, str, bool]) -> ParsedFile:
        """Go on behind the file inside the one in hand that is read now; gives what became of it."""
        place, file = worker.place, worker.orders[0]
        assert place is not None
        self._lost_members[file.path] += 1
        worker.orders[0] = replace(file, begin=(*place.position[:-1], place.position[-1] + 1))
        kind, message, transient = cause
        lost = wire.MemberFailed(place.source, kind, "parse", message, "", transient)
        return ParsedFile(file=file, documents=(), failures=(lost.outcome(file),), last=False)

    # Ending

    def _watch(self) -> None:
        now = time.monotonic()
        if now - self._watched < _WATCH_SECONDS:
            return
        self._watched = now
        for worker in self._workers.values():
            if worker.orders and self._clock > worker.deadline:
                self._doom(worker, "timeout")
            elif worker.resident_bytes() - worker.baseline_bytes > self._limits.memory_bytes:
                self._doom(worker, "memory")

    def _doom(self, worker: Worker, kind: FailureKind) -> None:
        if worker.doom is None:
            worker.doom = kind
            self._forker.kill(worker)

    def _dismiss(self, worker: Worker) -> None:
        """Close its connection: it ends by itself when it has no file in hand."""
        self._workers.pop(worker.pid, None)
        self._unregister(worker)
        worker.connection.close()

    def _unregister(self, worker: Worker) -> None:
        with suppress(KeyError, ValueError):  # done before
            self._selector.unregister(worker.connection)

    def _abandon(self) -> None:
        self._again.clear()
        self._retried.clear()
        self._lost_members.clear()
        for worker in [worker for worker in self._workers.values() if worker.orders]:
            self._forker.kill(worker)
            self._dismiss(worker)


def _too_large(file: SourceFile, limits: Limits) -> Failure:
    message = f"{file.size:,} bytes are more than the {limits.file_bytes:,} that are read of one file"
    return Failure(path=file.path, source=file.source, kind="too-large", stage="parse", message=message, file=file)


def _died(file: SourceFile, cause: tuple[FailureKind, str, bool]) -> Failure:
    kind, message, transient = cause
    return Failure(
        path=file.path, source=file.source, kind=kind, stage="parse", message=message, transient=transient, file=file
    )


def _is_foul_play(worker: Worker, news: News, limits: Limits) -> bool:
    """Somebody else killed it, and not for its size: an operator, or a system that is short of memory."""
    grown = news.peak_bytes - worker.baseline_bytes
    is_small = grown <= _NEAR_THE_LIMIT * limits.memory_bytes
    return worker.doom is None and news.signal == signal.SIGKILL and is_small


def _cause(worker: Worker, news: News, limits: Limits) -> tuple[FailureKind, str, bool]:
    """Kind, message, and whether another run may fare better."""
    if _is_foul_play(worker, news, limits):
        return "memory", "the process that read it was killed by the system, most likely for memory", True
    return *_own_fault(worker, news, limits), False


def _own_fault(worker: Worker, news: News, limits: Limits) -> tuple[FailureKind, str]:
    grown = news.peak_bytes - worker.baseline_bytes
    if worker.doom == "timeout" or news.signal in (signal.SIGPROF, signal.SIGXCPU):
        return "timeout", "reading it took longer than a file may take"
    if worker.doom == "memory" or grown > _NEAR_THE_LIMIT * limits.memory_bytes:
        return "memory", "reading it took more memory than a file may take"
    if worker.doom == "crashed":
        return "crashed", "the process that read it sent nonsense and was ended"
    how = f"by {signal.Signals(news.signal).name}" if news.signal else f"with status {news.status}"
    return "crashed", f"the process that read it ended {how}"
