"""Starting workers on this machine: forked from a process that has loaded everything, or a program of their own.

Either way the host holds one end of a socket pair, and one end of a pipe whose closing has the kernel kill the worker.
"""

from __future__ import annotations

import functools
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol, TypeAlias

from rlm_search.errors import SandboxError

WORKER = Path(__file__).with_name("worker.py")
_FORK_SECONDS = 30.0
_RING_SECONDS = 1.0
_END_SECONDS = 10.0
"""A process that was killed is gone at once: longer only where the kernel is stuck, and we do not wait for that."""


class Worker(Protocol):
    """A started worker, as the sandbox knows it. One that can say why it did not start has it as `failure`."""

    sock: socket.socket
    """The host's end of the stream."""
    pid: int | None
    """Its process on this machine, where it is known."""

    def arrived(self, pid: int) -> None:
        """It has said which process it is."""
        ...

    def kill(self) -> None:
        """Kill the process, and no more: who waits for its answer finds the stream closed. From any thread."""
        ...

    def end(self) -> None:
        """Kill the process and let go of everything. Calling it again is harmless."""
        ...


Launch: TypeAlias = Callable[[], Worker]


class _Ends:
    """The host's descriptors of one worker. A fork of the host lets go of its copies, and touches no process."""

    def __init__(self, sock: socket.socket, lifeline: int) -> None:
        self.sock, self.lifeline, self.pidfd = sock, lifeline, -1
        self.process: subprocess.Popen[bytes] | None = None
        self._owner = os.getpid()
        self._lock = threading.Lock()

    def kill(self) -> None:
        if os.getpid() != self._owner:
            return
        with self._lock:
            if self.process is not None:
                self.process.kill()
            if self.pidfd >= 0:
                with suppress(ProcessLookupError):
                    signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
            if self.lifeline >= 0:
                os.close(self.lifeline)
                self.lifeline = -1
            self._wait()

    def watch(self, pid: int) -> None:
        with self._lock:
            if self.process is None and self.pidfd < 0 <= self.lifeline:
                with suppress(OSError, AttributeError):  # there is no such call here: then nothing is waited for
                    self.pidfd = os.pidfd_open(pid)

    def _wait(self) -> None:
        if self.process is not None:
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=_END_SECONDS)
        elif self.pidfd >= 0:
            poll = select.poll()
            poll.register(self.pidfd, select.POLLIN)
            poll.poll(_END_SECONDS * 1000)

    def end(self) -> None:
        self.kill()
        self.close()

    def close(self) -> None:
        """Only the descriptors."""
        self.sock.close()
        for descriptor in (self.lifeline, self.pidfd):
            if descriptor >= 0:
                os.close(descriptor)
        self.lifeline = self.pidfd = -1
        if self.process is not None and os.getpid() != self._owner:
            self.process.returncode = -signal.SIGKILL  # else its destructor, in a fork, warns of one that still runs


def let_go(end: Callable[[], None], sock: socket.socket, owner: int) -> None:
    """End what runs a worker, but not from a fork of the host, whose parent has the session; close its stream."""
    if os.getpid() == owner:
        end()
    sock.close()


class LocalWorker:
    """A worker on this machine."""

    def __init__(self, ends: _Ends, seen_as: Callable[[int], int | None] | None = None) -> None:
        self.sock = ends.sock
        self.pid = ends.process.pid if ends.process is not None else None
        self._seen_as = seen_as
        self._ends = ends
        self._finalizer = weakref.finalize(self, ends.end)  # also when it is forgotten, and when the interpreter ends
        nursery().living.add(ends)

    def arrived(self, pid: int) -> None:
        """It has said which process it is: from now on it can be waited for."""
        self.pid = pid if self._seen_as is None else self._seen_as(pid)
        if self.pid is not None:
            self._ends.watch(self.pid)

    def kill(self) -> None:
        """Kill the process, and no more."""
        self._ends.kill()

    def end(self) -> None:
        """Kill the process and let go of everything."""
        self._finalizer()


def forked(
    python: str = "", *, ring: tuple[str, ...] = (), seen_as: Callable[[int], int | None] | None = None
) -> LocalWorker:
    """A worker that is forked from a process which has loaded everything. Returns at once.

    Args:
        python: another interpreter than this one, 3.11 or later.
        ring: words before the command line of that process: a program that runs it within walls of its own.
        seen_as: where process ids inside are not those of this side: the one of this side.

    Raises:
        SandboxError: no process can be started here.
    """
    ours, theirs, watched, lifeline = _ends()
    try:
        nursery().fork(python or sys.executable, theirs.fileno(), watched, ring)
    except BaseException:
        ours.close()
        os.close(lifeline)
        raise
    finally:
        theirs.close()
        os.close(watched)
    return LocalWorker(_Ends(ours, lifeline), seen_as)


def executed() -> LocalWorker:
    """A worker that is a program of its own, which takes some 120 ms to get ready. Returns at once.

    Raises:
        SandboxError: no process can be started here.
    """
    ours, theirs, watched, lifeline = _ends()
    ends = _Ends(ours, lifeline)
    try:
        ends.process = _run(sys.executable, "serve", theirs.fileno(), watched)
    except BaseException:
        ends.close()
        raise
    finally:
        theirs.close()
        os.close(watched)
    return LocalWorker(ends)


def _ends() -> tuple[socket.socket, socket.socket, int, int]:
    if sys.platform == "win32":
        raise SandboxError(
            "the sandbox needs Unix: socket pairs that are inherited, resource limits and alarm signals",
            hint="`pip install 'rlm-search[monty]'`, or run rlm-search in WSL or in a container",
        )
    try:
        ours, theirs = socket.socketpair()
        watched, lifeline = os.pipe()
    except OSError as error:
        raise SandboxError(f"the sandbox's process cannot be started: {error}") from error
    return ours, theirs, watched, lifeline


def _run(python: str, role: str, *descriptors: int, ring: tuple[str, ...] = ()) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(  # noqa: S603  # our own interpreter and our own file
            [*ring, python, "-I", "-S", "-B", str(WORKER), role, *map(str, descriptors)],
            env={},
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            close_fds=True,
            pass_fds=descriptors,
            start_new_session=True,
        )
    except OSError as error:
        raise SandboxError(f"the sandbox's process cannot be started: {error}") from error


class _Zygote:
    """The process that workers are forked from."""

    def __init__(self, python: str, ring: tuple[str, ...]) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control.settimeout(_FORK_SECONDS)
        try:
            process = _run(python, "fork", theirs.fileno(), ring=ring)
        except BaseException:
            self._control.close()
            raise
        finally:
            theirs.close()
        self.pid = process.pid
        self._process = process
        patience = _RING_SECONDS if ring else 0.0
        self.end = weakref.finalize(self, _end_zygote, process, self._control, os.getpid(), patience)

    @property
    def is_usable(self) -> bool:
        return self._process.poll() is None

    def fork(self, stream: int, lifeline: int) -> None:
        """One packet, whole or not at all: threads need no lock. May wait where hundreds have not been taken yet."""
        socket.send_fds(self._control, [b"w"], [stream, lifeline])


def _end_zygote(process: subprocess.Popen[bytes], control: socket.socket, owner: int, patience: float) -> None:
    control.close()
    if os.getpid() != owner:
        process.returncode = -signal.SIGKILL  # as above
        return
    with suppress(subprocess.TimeoutExpired):
        if patience:  # what is around it has processes of its own to wait for
            process.wait(timeout=patience)
    process.kill()
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=_END_SECONDS)


class Nursery:
    """Where this process has its workers forked. It starts with the first one, and ends with this process."""

    def __init__(self) -> None:
        self.living: weakref.WeakSet[_Ends] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._zygotes: dict[tuple[str, ...], _Zygote] = {}

    @property
    def pids(self) -> list[int]:
        """The processes that workers are forked from, one for each interpreter."""
        return [zygote.pid for zygote in self._zygotes.values()]

    def pid_of(self, python: str = "", ring: tuple[str, ...] = ()) -> int | None:
        """The one for this interpreter, or the program that makes its ring; None where there is none yet."""
        zygote = self._zygotes.get((*ring, python or sys.executable))
        return zygote.pid if zygote is not None else None

    def fork(self, python: str, stream: int, lifeline: int, ring: tuple[str, ...] = ()) -> None:
        """Have a worker forked, from a new process where the last one has died."""
        key = (*ring, python)
        with self._lock:
            for _ in range(2):
                zygote = self._zygotes.get(key)
                if zygote is None or not zygote.is_usable:
                    zygote = self._zygotes[key] = _Zygote(python, ring)
                try:
                    return zygote.fork(stream, lifeline)
                except OSError:  # it died just now
                    zygote.end()
                    del self._zygotes[key]
        raise SandboxError("the process that the sandbox's workers are forked from ends at once")

    def leave(self) -> None:
        """In a fork of this process: let go of descriptors, that the workers may end with their owner."""
        for ends in list(self.living):
            ends.close()
        for zygote in self._zygotes.values():
            zygote.end()


@functools.cache
def nursery() -> Nursery:
    """The one of this process."""
    made = Nursery()

    def leave() -> None:
        made.leave()
        nursery.cache_clear()

    os.register_at_fork(after_in_child=leave)
    return made
