"""The process that workers are forked from: it has loaded what they need once, reads no file, and buries its dead.

Started by exec, so never a fork of a process with threads; it has one thread of its own. Its parent asks for a worker
by sending one end of a socket pair; the answer is a process id. When a worker is gone the parent is told how it ended
and how large it was. When the parent is gone, however it went, so is everybody here; what a worker has forked does not
outlive it either.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import select
import selectors
import signal
import socket
import struct
import sys
from typing import Any, NamedTuple, NoReturn

import msgspec

from confinement import ScratchFolder, adopt_orphans, children, outlive_parent
from ingest import wire
from ingest.types import Confinement, Limits
from ingest.worker import Task, confine, limit, work

SCRATCH = "rlm-search-scratch-"
"""Begins the names of the folders of workers, among the temporary files."""
FORK, KILL = b"F", b"K"
BORN, GONE = b"B", b"G"
_ORDER = struct.Struct(">cI")  # what to do, and to which process id
_NEWS = struct.Struct(">cIIIQ")
_LENGTH = struct.Struct(">I")


class News(NamedTuple):
    """A worker was born, or is gone: by `signal`, or with `status` where that is 0; `peak_bytes` large at most."""

    what: bytes
    pid: int
    signal: int = 0
    status: int = 0
    peak_bytes: int = 0


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What the workers are for: `task` names a `module:function` that is given `options` and returns a `Task`."""

    task: str
    options: dict[str, Any]
    limits: Limits
    confinement: Confinement

    def load(self) -> Task:
        """Import the task and everything that it will need."""
        module, _, name = self.task.partition(":")
        task: Task = getattr(importlib.import_module(module), name)(**self.options)
        return task


def send_order(control: socket.socket, order: bytes, pid: int = 0, fds: tuple[int, ...] = ()) -> None:
    """Ask the nursery for something: `FORK` with one end of a socket pair, or `KILL` with a process id."""
    socket.send_fds(control, [_ORDER.pack(order, pid)], fds)


def receive_news(control: socket.socket) -> News | None:
    """What has happened in the nursery; None when it is gone."""
    try:
        message = control.recv(_NEWS.size, socket.MSG_WAITALL)
    except ConnectionError:
        return None
    return News(*_NEWS.unpack(message)) if len(message) == _NEWS.size else None


def send_plan(control: socket.socket, plan: Plan) -> None:
    """Tell a new nursery what its workers are for; not on its command line, which every user can read."""
    body = msgspec.json.encode(plan)
    control.sendall(_LENGTH.pack(len(body)) + body)


def _receive_plan(control: socket.socket) -> Plan:
    (length,) = _LENGTH.unpack(control.recv(_LENGTH.size, socket.MSG_WAITALL))
    return msgspec.json.decode(control.recv(length, socket.MSG_WAITALL), type=Plan)


def main(control_fd: int) -> None:
    """Serve the process at the other end of `control_fd` until it closes.

    While the task is loaded nobody looks at that end: until then the kernel ends this process with its parent
    (`confinement.die_with_parent`, before this is called), whose thread waits for the first worker meanwhile.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    adopt_orphans()
    control = socket.socket(fileno=control_fd)  # open until the cause of a task that does not load is told
    plan = _receive_plan(control)
    if _is_closed(control):  # the parent was gone before it could take us along
        return
    task = plan.load()
    gc.collect()
    gc.freeze()  # the collector leaves alone what is loaded by now, so that it stays shared with the workers
    outlive_parent()  # the thread that started us may end, and another go on with the workers
    with control:
        _Nursery(control, task, plan).serve()


def _is_closed(control: socket.socket) -> bool:
    looking = select.poll()
    looking.register(control, 0)  # tells of the other end alone, whatever lies here unread
    return bool(looking.poll(0))


class _Nursery:
    def __init__(self, control: socket.socket, task: Task, plan: Plan) -> None:
        self._control, self._task, self._plan = control, task, plan
        self._scratch = ScratchFolder(SCRATCH)
        self._children: set[int] = set()

    def serve(self) -> None:
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # without a handler nothing is written to the pipe
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        with selectors.DefaultSelector() as selector:
            selector.register(self._control, selectors.EVENT_READ)
            selector.register(reader, selectors.EVENT_READ)
            alive = True
            while alive:
                ready = {key.fd for key, _ in selector.select()}
                if reader in ready:
                    os.read(reader, 4096)
                    self._bury()
                if self._control.fileno() in ready:
                    alive = self._obey()
        self._end()

    def _obey(self) -> bool:
        """Do the one thing that is asked for; False when the parent is gone."""
        try:
            message, fds, _, _ = socket.recv_fds(self._control, _ORDER.size, 1)
        except ConnectionError:
            return False
        if len(message) < _ORDER.size:
            return False
        order, pid = _ORDER.unpack(message)
        if order == FORK:
            self._fork(fds[0])
        elif pid in self._children:  # not buried yet, so the number is still its own
            os.kill(pid, signal.SIGKILL)
        return True

    def _fork(self, connection_fd: int) -> None:
        pid = os.fork()
        if not pid:
            self._become_a_worker(connection_fd)
        os.close(connection_fd)
        self._children.add(pid)
        self._tell(News(BORN, pid))

    def _become_a_worker(self, connection_fd: int) -> NoReturn:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._control.close()
        os.dup2(1, 2)  # a null device: nobody reads the pipe while all goes well, and a full one would stop the worker
        with socket.socket(fileno=connection_fd) as connection:
            limit(self._plan.limits)
            confined = confine(self._plan.confinement, self._scratch.make(os.getpid()))
            wire.send(connection, confined)
            if not confined.lacking or self._plan.confinement.mode != "require":
                work(connection, self._task, self._plan.limits)
        sys.exit(0)

    def _bury(self) -> None:
        while self._bury_one(os.WNOHANG):
            pass
        self._kill_orphans()

    def _bury_one(self, options: int) -> bool:
        """Whether there was one that has ended."""
        try:
            pid, status, usage = os.wait4(-1, options)
        except ChildProcessError:
            return False
        if pid in self._children:
            self._children.discard(pid)
            self._scratch.remove(pid)
            code = os.waitstatus_to_exitcode(status)
            self._tell(News(GONE, pid, max(-code, 0), max(code, 0), usage.ru_maxrss * 1024))
        return pid != 0

    def _kill_orphans(self) -> None:
        """End what workers have forked and left behind. What that leaves is found when it is buried."""
        for pid in set(children()) - self._children:
            with contextlib.suppress(OSError):  # it has become somebody else, which only unconfined workers' can
                os.kill(pid, signal.SIGKILL)

    def _end(self) -> None:
        for pid in self._children:
            os.kill(pid, signal.SIGKILL)
        while self._bury_one(0):
            self._kill_orphans()
        self._scratch.close()

    def _tell(self, news: News) -> None:
        with contextlib.suppress(OSError):  # the parent is gone: the next look at the socket says so
            self._control.sendall(_NEWS.pack(*news))
