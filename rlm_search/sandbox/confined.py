"""The default sandbox: one CPython process a session, which gives up what it can before it runs the model's code."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from rlm_search.errors import SandboxError
from rlm_search.sandbox.host import Session, SessionEnded
from rlm_search.sandbox.protocol import SandboxLimits
from rlm_search.types import Execution

_T = TypeVar("_T")
_REQUIRED = ("memory", "cpu", "core", "files", "descriptors")
"""Steps of `limits.confine` without which no code is run where the system has them: on Linux."""
_WORKER = Path(__file__).with_name("worker.py")


class WorkerProcess:
    """A started worker: its process, its stream, and the pipe whose closing kills it."""

    def __init__(self) -> None:
        if sys.platform == "win32":
            raise SandboxError(
                "the sandbox needs Unix: socket pairs that are inherited, resource limits and alarm signals",
                hint="run rlm-search in WSL or in a container",
            )
        self.sock, theirs = socket.socketpair()
        watched, self._lifeline = os.pipe()
        try:
            self._process = subprocess.Popen(  # noqa: S603  # our own interpreter and our own file
                [sys.executable, "-I", "-S", "-B", str(_WORKER), str(theirs.fileno()), str(watched)],
                env={},
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                close_fds=True,
                pass_fds=(theirs.fileno(), watched),
                start_new_session=True,
            )
        except OSError as error:
            self.sock.close()
            os.close(self._lifeline)
            raise SandboxError(f"the sandbox's process cannot be started: {error}") from error
        finally:
            theirs.close()
            os.close(watched)
        self.pid = self._process.pid
        self.end = weakref.finalize(self, _end, self._process, self.sock, self._lifeline, os.getpid())
        """Kill the process and let go of everything; also called when this object or the interpreter goes."""

    def kill(self) -> None:
        """Kill the process, and no more: who waits for its answer finds the stream closed."""
        self._process.kill()
        _wait(self._process)


def _end(process: subprocess.Popen[bytes], sock: socket.socket, lifeline: int, owner: int) -> None:
    if os.getpid() == owner:  # a fork of the host has copies of our descriptors, and no business with the process
        process.kill()
        _wait(process)
    else:
        process.returncode = -signal.SIGKILL  # else its destructor, in the fork, warns of a process that still runs
    sock.close()
    os.close(lifeline)


def _not_started(end: SessionEnded) -> SandboxError:
    return SandboxError(f"the sandbox does not start: {end.reason}", hint=_complaint())


def _complaint() -> str:
    """What this interpreter says when it is started as a worker is: a library that it finds by its environment only."""
    command = [sys.executable, "-I", "-S", "-B", "-c", ""]
    try:
        done = subprocess.run(command, env={}, capture_output=True, text=True, timeout=10.0, check=False)  # noqa: S603  # our own
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode == 0:
        return ""
    said = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
    return f"`{' '.join(command[:4])}` with an empty environment: {said[0]}"


def _check(report: Mapping[str, str]) -> None:
    lacking = [f"{step} ({report.get(step)})" for step in _REQUIRED if report.get(step) != "held"]
    if lacking and sys.platform == "linux":
        raise SandboxError(f"the sandbox cannot limit its process: {', '.join(lacking)}")


def _wait(process: subprocess.Popen[bytes]) -> None:
    with suppress(subprocess.TimeoutExpired):  # killed already: longer only where the kernel is stuck, and never we
        process.wait(timeout=10.0)


class ConfinedSandbox:
    """Runs the model's code in a process of its own, with an empty environment and no descriptor but one socket.

    A session lasts until `close`. A cell that has to be killed, or that kills its process, ends the worker: its
    `Execution` says so, and the next call finds a new worker with the functions and the variables of `start`.

    Raises:
        SandboxError: by every method, if no worker can be started.
    """

    def __init__(self, limits: SandboxLimits | None = None) -> None:
        self.limits = limits or SandboxLimits()
        self.confinement: Mapping[str, str] = {}
        """Each step by which the worker limited itself: "held", or why not. Known after the first call."""
        self._functions: Mapping[str, Callable[..., Any]] = {}
        self._variables: dict[str, Any] = {}
        self._worker: WorkerProcess | None = None
        self._session: Session | None = None
        self._closed = False
        self._is_ready = False
        self._lock = threading.RLock()

    def start(self, functions: Mapping[str, Callable[..., Any]], variables: Mapping[str, Any] | None = None) -> None:
        """Begin a session. Returns at once: the process gets ready while the caller goes on to its first model call."""
        with self._lock:
            self._discard()
            self._functions, self._variables, self._closed = dict(functions), dict(variables or {}), False
            self._launch()

    def execute(self, code: str, *, timeout: float) -> Execution:
        """Run one cell; `timeout` in seconds of wall clock, host calls not counted.

        What a host function raises, other than `ToldToModel`, is raised here once the cell has ended.
        """
        with self._lock:
            started = time.monotonic()
            try:
                done = self._ready().execute(code, timeout)
            except SessionEnded as end:
                return self._lost(end, time.monotonic() - started)
            finally:
                self._drop_if_unusable()
            return Execution(
                stdout=done.stdout,
                stdout_length=done.stdout_length,
                error=done.error,
                seconds=time.monotonic() - started,
                ended=done.ended,
            )

    def get(self, name: str) -> Any:
        """A variable as plain data; KeyError if there is none, ValueError if it is not plain data."""
        return self._ask(lambda session: session.get(name))

    def set(self, name: str, value: Any) -> None:
        """Bind a variable to plain data."""
        self._ask(lambda session: session.set(name, value))

    def variables(self) -> dict[str, str]:
        """The names that cells and host have assigned, each with its type and a short repr."""
        return self._ask(lambda session: session.variables())

    def close(self) -> None:
        """End the session; no process is left. May be called from any thread, also while a cell runs."""
        self._closed = True
        worker = self._worker
        if worker is not None:
            worker.kill()  # without the lock: a cell that runs in another thread ends by it
        if self._lock.acquire(blocking=False):  # else that thread cleans up, when its host call has returned
            try:
                self._discard()
            finally:
                self._lock.release()

    @property
    def pid(self) -> int | None:
        """The worker's process id, None where there is no worker."""
        return self._worker.pid if self._worker is not None else None

    def __enter__(self) -> ConfinedSandbox:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _ask(self, question: Callable[[Session], _T]) -> _T:
        with self._lock:
            try:
                return question(self._ready())
            except SessionEnded as end:
                self._discard()
                raise SandboxError(f"the session has ended: {end.reason}") from None
            finally:
                self._drop_if_unusable()

    def _launch(self) -> Session:
        worker = WorkerProcess()
        session = Session(worker.sock, self.limits)
        try:
            session.configure()
        except SessionEnded as end:
            worker.end()
            raise _not_started(end) from None
        self._worker, self._session, self._is_ready = worker, session, False
        return session

    def _ready(self) -> Session:
        """The session, once its worker runs and has functions and variables. A lost one is begun anew, empty.

        Here a session could be rebuilt instead, from the cells and host results that were recorded.
        """
        if self._closed:
            raise SandboxError("the sandbox is closed")
        session = self._session or self._launch()
        if not self._is_ready:
            self._greet(session)
        return session

    def _greet(self, session: Session) -> None:
        try:
            self.confinement = session.ready().report
            _check(self.confinement)
            session.offer(self._functions)
            for name, value in self._variables.items():
                session.set(name, value)
            self._is_ready = True
        except SessionEnded as end:
            raise _not_started(end) from None
        finally:
            if not self._is_ready:
                self._discard()

    def _lost(self, end: SessionEnded, seconds: float) -> Execution:
        self._discard()
        if self._closed:
            raise SandboxError("the sandbox was closed while a cell ran")
        self._launch()  # now, so that it gets ready while the model thinks
        again = ", ".join(self._variables)
        error = (
            f"SessionLost: {end.reason}. All variables, functions and classes of earlier cells are gone"
            f"{f' (there again: {again})' if again else ''}; begin anew."
        )
        return Execution(error=error, seconds=seconds, ended=end.ended)

    def _drop_if_unusable(self) -> None:
        if self._closed or (self._session is not None and not self._session.usable):
            self._discard()

    def _discard(self) -> None:
        if self._worker is not None:
            self._worker.end()
        self._worker = self._session = None
        self._is_ready = False
