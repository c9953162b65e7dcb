"""Where nothing confines a process (macOS, Windows, old kernels): monty, an interpreter that knows no files at all.

A thread of this process speaks the worker's side of the wire (`worker.py`), and has monty run the cells in a process of
its own. The other end of the stream is the very same as of all sandboxes: checks, budgets, the journal, the replay.
What the model may not write there is told to it (`prompts/monty.md`).
"""

from __future__ import annotations

import functools
import os
import signal
import socket
import threading
import weakref
from contextlib import suppress
from dataclasses import replace
from importlib import resources
from typing import TYPE_CHECKING

from retrievers import plugins
from rlm_search.errors import SandboxError
from rlm_search.sandbox import wire
from rlm_search.sandbox.confined import ConfinedSandbox
from rlm_search.sandbox.launch import Worker, let_go
from rlm_search.sandbox.monty_cells import MontyCells, SessionGone
from rlm_search.sandbox.monty_guest import MontyGuest
from rlm_search.sandbox.protocol import SandboxLimits

if TYPE_CHECKING:
    from pydantic_monty import ResourceLimits

EXTRA = "monty"
PROVEN = ("files", "environment", "modules", "memory", "time")
"""What is tried before any code is run, and must be refused."""
_GRACE_SECONDS = 0.25
"""After its time a cell is killed at once: what monty stops itself may not go on either, says its documentation."""
_RECURSION, _SUSPENSIONS = 1_000, 20_000


class MontyWorker:
    """A session of monty behind a stream."""

    def __init__(self, limits: SandboxLimits, cell_seconds: float) -> None:
        self.pid: int | None = None
        """None: no process of ours, that the host could look at, confines itself."""
        self.sock, theirs = socket.socketpair()
        interpreter = _Interpreter()
        self._finalizer = weakref.finalize(self, let_go, interpreter.kill, self.sock, os.getpid())
        self._interpreter = interpreter
        threading.Thread(
            target=_serve, args=(theirs, interpreter, _limits(limits, cell_seconds)), name="monty", daemon=True
        ).start()

    def arrived(self, pid: int) -> None:
        """The process that it tells is this one."""

    def kill(self) -> None:
        """Kill monty's process, and no more."""
        self._interpreter.kill()

    def end(self) -> None:
        """Kill it and let go of everything."""
        self._finalizer()


class _Interpreter:
    """Monty's process, while there is one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pid: int | None = None
        self.is_wanted = True

    def runs_as(self, pid: int | None) -> None:
        """It is this process; None: it has ended."""
        with self._lock:
            self._pid = pid
        if not self.is_wanted:
            self.kill()

    def kill(self) -> None:
        """Have the system end it. From any thread."""
        self.is_wanted = False
        with self._lock:
            if self._pid is not None:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(self._pid, getattr(signal, "SIGKILL", signal.SIGTERM))


def _limits(limits: SandboxLimits, cell_seconds: float) -> ResourceLimits:
    """All limits that monty knows."""
    return {
        "max_memory": limits.memory_bytes,
        "max_feed_duration_secs": cell_seconds + limits.grace_seconds,
        "max_total_sleep_secs": float(limits.cpu_seconds),
        "max_recursion_depth": _RECURSION,
        "max_suspensions": 2 * limits.session_calls + _SUSPENSIONS,  # a call looks its name up, too
    }


def _serve(sock: socket.socket, interpreter: _Interpreter, limits: ResourceLimits) -> None:
    """Be the worker, until the host has gone or monty has."""
    import pydantic_monty

    with sock, suppress(wire.WireError, SessionGone):
        sock.setblocking(True)
        wire.widen(sock)
        guest = MontyGuest(sock)
        seed = guest.settle()
        pool = pydantic_monty.Monty(min_processes=1, max_processes=1)  # its own: none is handed to another session
        try:
            with pool, pool.checkout(limits=limits, os_policy={"random_start": {"seed": seed}}) as session:
                interpreter.runs_as(session.worker_pid)
                try:
                    guest.serve(MontyCells(session, guest, limits))
                finally:
                    interpreter.runs_as(None)
        except (pydantic_monty.MontyError, RuntimeError, OSError, TimeoutError):
            pass  # it died, or could not be started: the stream ends, and the host says so


@functools.cache
def _first_user() -> int:
    """The process that used monty first: its threads do not live on in a fork, which would wait for ever."""
    return os.getpid()


def monty_sandbox(limits: SandboxLimits | None = None, *, cell_seconds: float = 600.0) -> ConfinedSandbox:
    """A sandbox whose cells are run by monty.

    Args:
        limits: of the session.
        cell_seconds: the longest that a cell may be given: monty's own limit, which holds where this process is killed.

    Raises:
        ConfigError: monty is not installed.
    """
    plugins.require("pydantic_monty", extra=EXTRA, purpose="the sandbox `monty`")
    asked = replace(limits or SandboxLimits(), grace_seconds=_GRACE_SECONDS)

    def launch() -> Worker:
        if _first_user() != os.getpid():
            raise SandboxError(
                "monty does not work in a fork of a process that has used it",
                hint="start processes by `spawn` or `forkserver`, or before the first run",
            )
        return MontyWorker(asked, cell_seconds)

    dialect = resources.files("rlm_search.prompts").joinpath("monty.md").read_text(encoding="utf-8")
    return ConfinedSandbox(asked, launch=launch, required=PROVEN, dialect=dialect)
