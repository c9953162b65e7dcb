"""One worker process: reads the files it is sent, one at a time, under limits that it sets on itself."""

from __future__ import annotations

import errno
import os
import resource
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

from confinement import Policy, address_space, die_with_parent, libraries, lower
from confinement import confine as confine_process
from ingest import wire
from ingest.errors import DocumentFailed
from ingest.heartbeat import hearing
from ingest.parsers import plugin_folders
from ingest.types import Confinement, Entered, FailureKind, LeftOut, Limits, MemberFailed, ReadAs, SourceFile, Warned
from retrievers.types import IndexedDocument

Item: TypeAlias = tuple[IndexedDocument, tuple[Warned, ...]] | Entered | ReadAs | LeftOut | MemberFailed
Task: TypeAlias = Callable[[SourceFile], Iterable[Item]]
"""What a worker does with a file: yields its documents, each with what is to be said about it."""

_OPEN_FILES = 256
_OUTSIDE = "a link that leads out of the given folders? then give its target to `ingest`, too"
_PIECE_DOCUMENTS = 256
_PIECE_CHARACTERS = 2_000_000
_MEMORY_SLACK = 256 << 20  # address space that is reserved and never touched


def limit(limits: Limits) -> None:
    """Die with the parent, leave no core file, and get no more memory and descriptors than the limits say."""
    die_with_parent()
    if sys.platform == "linux":
        lower(resource.RLIMIT_AS, address_space() + limits.memory_bytes + _MEMORY_SLACK)
    lower(resource.RLIMIT_CORE, 0)
    lower(resource.RLIMIT_NOFILE, _OPEN_FILES)


def confine(confinement: Confinement, scratch: Path) -> wire.Confined:
    """Give up all but libraries, input and the scratch folder, where temporary files go from now on."""
    tempfile.tempdir = str(scratch)
    os.putenv("TMPDIR", str(scratch))
    if confinement.mode == "off":
        return wire.Confined({})
    report = confine_process(
        Policy(
            read=(*libraries(), *plugin_folders(), *program_folders(confinement), *map(os.fsdecode, confinement.read)),
            write=(str(scratch), *_measurement_folders()),
            execute=confinement.execute,
        )
    )
    return wire.Confined(report.lacking)


def _measurement_folders() -> list[str]:
    """Where coverage keeps what it measures in this process; none unless it does."""
    coverage = sys.modules.get("coverage")
    measuring = coverage.Coverage.current() if coverage is not None else None
    return [os.path.dirname(measuring.get_data().data_filename())] if measuring is not None else []


def program_folders(confinement: Confinement) -> list[str]:
    """Where the programs keep what they need, if they are not part of the system: `PREFIX/share` for `PREFIX/bin`."""
    prefixes = {os.path.dirname(os.path.dirname(os.path.realpath(program))) for program in confinement.execute}
    return [os.path.join(prefix, folder) for prefix in sorted(prefixes - {"/"}) for folder in ("lib", "share")]


def cpu_limit(size: int, limits: Limits) -> float:
    """CPU seconds that a file of this size may cost until it is read, or until the next of its pieces comes."""
    return limits.cpu_seconds + limits.cpu_seconds_per_megabyte * size / 1e6


def work(connection: socket.socket, task: Task, limits: Limits) -> None:
    """Read files until the pool closes the connection, or until memory ran out: then only a fresh process will do."""
    while (file := wire.receive_order(connection)) is not None:
        kind = _answer(connection, file, task, limits)
        signal.setitimer(signal.ITIMER_PROF, 0)
        if kind == "memory":
            return


def _answer(connection: socket.socket, file: SourceFile, task: Task, limits: Limits) -> FailureKind | None:
    seconds = cpu_limit(file.size, limits)
    started = _seconds_used()
    failed = None

    def go_on(needed: float) -> None:
        signal.setitimer(signal.ITIMER_PROF, max(seconds, needed))
        wire.send(connection, wire.Alive(needed))

    # no handler: the default action of SIGPROF ends the process even in a native loop
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        with hearing(go_on):
            for piece in pieces(task(file)):
                if isinstance(piece, Entered):
                    seconds = cpu_limit(max(file.size, piece.size), limits)
                    wire.send(connection, wire.Place(piece.source, piece.position, seconds))
                else:
                    wire.send(connection, piece)
                signal.setitimer(signal.ITIMER_PROF, seconds)  # records that keep coming are no hang, however many
    except Exception as error:  # noqa: BLE001 - fate: recorded against this one file
        failed = failure(error, _seconds_used() - started)
    if failed is None:
        return None
    wire.send(connection, failed)
    return failed.kind


def pieces(items: Iterable[Item]) -> Iterator[wire.Piece | Entered]:
    """The documents in portions, so that neither side ever holds all records of a large file."""
    portion = _Portion()
    try:
        for item in items:
            if isinstance(item, Entered):  # what came before it goes first: it is not to be lost with this one
                if not portion.is_empty:
                    yield portion.taken()
                yield item
            elif isinstance(item, ReadAs):
                portion.formats.add(item.format)
            elif isinstance(item, LeftOut):
                portion.left_out += 1
            elif isinstance(item, MemberFailed):
                portion.failed.append(_member_failed(item))
            else:
                portion.add(*item)
            if portion.is_full:
                yield portion.taken()
    except Exception:  # told by the caller; the records before it are good and go first
        if not portion.is_empty:
            yield portion.taken()
        raise
    yield portion.taken(last=True)


class _Portion:
    """What was read since the last piece was sent."""

    def __init__(self) -> None:
        self._started = _seconds_used()
        self.formats: set[str] = set()
        self._clear()

    def _clear(self) -> None:
        self._reads: list[wire.Read] = []
        self._warnings: list[Warned] = []
        self._characters = 0
        self.left_out = 0
        self.failed: list[wire.MemberFailed] = []

    def add(self, document: IndexedDocument, warned: tuple[Warned, ...]) -> None:
        self._reads.append(wire.Read.of(document))
        self._warnings += warned
        self._characters += len(document.document.text)

    @property
    def is_empty(self) -> bool:
        return not (self._reads or self.failed)

    @property
    def is_full(self) -> bool:
        return len(self._reads) == _PIECE_DOCUMENTS or self._characters >= _PIECE_CHARACTERS

    def taken(self, *, last: bool = False) -> wire.Piece:
        now = _seconds_used()
        piece = wire.Piece(
            self._reads, self._warnings, now - self._started, last, self.failed, sorted(self.formats), self.left_out
        )
        self._started = now
        self._clear()
        return piece


def _seconds_used() -> float:
    """CPU seconds of this process and of the programs that it ran.

    Of its thread: there is one, and while a profiling timer runs the clock of the process moves in ticks.
    """
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.thread_time() + children.ru_utime + children.ru_stime


def failure(error: Exception, seconds: float) -> wire.Failed:
    """Why a file cannot be had, from the exception that said so."""
    kind, message, hint = _reason(error)
    return wire.Failed(
        kind=kind,
        stage="parse",
        message=message,
        hint=hint,
        transient=bool(getattr(error, "transient", False)),
        seconds=seconds,
    )


def _member_failed(failed: MemberFailed) -> wire.MemberFailed:
    kind, message, hint = _reason(failed.error)
    return wire.MemberFailed(
        failed.source, kind, "parse", message, hint, bool(getattr(failed.error, "transient", False))
    )


def _reason(error: Exception) -> tuple[FailureKind, str, str]:
    match error:
        case DocumentFailed():
            return error.kind, error.message, error.hint
        case MemoryError():
            return "memory", "reading it took more memory than a file may take", "raise the memory limit of a file"
        case RecursionError():
            return "broken", "its content is nested too deeply", ""
        case OSError() if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return "vanished", "it was there when it was found and is not there now", ""
        case OSError() if _is_confined(error):
            return "unreadable", "reading it needs a file that worker processes may not open", _OUTSIDE
        case OSError() if error.errno is not None:
            return "unreadable", os.strerror(error.errno), "check its permissions" if _is_denied(error) else ""
        case _:
            return "broken", f"{type(error).__name__}: {error}"[:500], ""


def _is_denied(error: OSError) -> bool:
    return error.errno in (errno.EACCES, errno.EPERM)


def _is_confined(error: OSError) -> bool:
    """The confinement has refused it, not the file's permissions: to ask for these is not refused."""
    return _is_denied(error) and error.filename is not None and os.access(error.filename, os.R_OK)
