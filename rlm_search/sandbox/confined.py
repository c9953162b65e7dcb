"""The default sandbox: one CPython process a session, which gives up all but computing before it runs any code."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, TypeVar

from rlm_search.errors import SandboxError
from rlm_search.sandbox import outside
from rlm_search.sandbox.host import Session, SessionEnded
from rlm_search.sandbox.journal import Bound, Cell, Journal, outcome
from rlm_search.sandbox.launch import Launch, Worker, forked
from rlm_search.sandbox.protocol import Done, Ready, SandboxLimits
from rlm_search.sandbox.rebuild import rebuild, told
from rlm_search.types import Execution

_LOG = logging.getLogger(__name__)
_T = TypeVar("_T")
REQUIRED = ("no_new_privs", "memory", "cpu", "core", "files", "descriptors", "processes", "seccomp", "tried")
"""Steps of `limits.confine` without which no code is run."""
_LOSSES = 2
"""So many times in a row a session is made again; one that is lost at once each time was spoilt by an earlier cell."""
_ELSEWHERE = (
    "on Linux with seccomp this needs nothing installed: run rlm-search there, in WSL or in a container; anywhere, "
    "`pip install 'rlm-search[monty]'` and set `sandbox.spec` to monty, which runs a part of Python"
)


class ConfinedSandbox:
    """Runs the model's code in a process of its own, which can compute and talk to this one, and nothing else.

    A session lasts until `close`. A cell that has to be killed, or that kills its process, costs the worker: the
    session is then made again by running its earlier cells once more, their calls answered from what was recorded, and
    the `Execution` says how far that went.

    Args:
        limits: of the session.
        launch: how its workers are started.
        required: the steps of confinement that a worker must report as held before any code is run.
        dialect: what the model has to know of the Python that is run; "": it is Python.
        unsafe_unconfined: run the code where nothing holds it: with your files, your network and your user. Only in
            code, for code that you wrote yourself; logged as a warning at every start.

    Raises:
        SandboxError: by every method, if no worker can be started or if it is not confined.
    """

    def __init__(
        self,
        limits: SandboxLimits | None = None,
        *,
        launch: Launch = forked,
        required: Sequence[str] = REQUIRED,
        dialect: str = "",
        unsafe_unconfined: bool = False,
    ) -> None:
        self.limits = limits or SandboxLimits()
        self.dialect = dialect
        self.confinement: Mapping[str, str] = {}
        """Each step by which the worker was confined, and `seen`, what the host sees of it: "held", or why not.

        Known after the first call.
        """
        self._launch_worker, self._required = launch, required
        self._is_unconfined = unsafe_unconfined
        self._functions: Mapping[str, Callable[..., Any]] = {}
        self._variables: dict[str, Any] = {}
        self._journal = Journal(limit=self.limits.journal_bytes)
        self._seed = 0
        self._losses = 0
        self._worker: Worker | None = None
        self._session: Session | None = None
        self._owner = 0
        self._closed = False
        self._is_ready = False
        self._lock = threading.RLock()

    def start(self, functions: Mapping[str, Callable[..., Any]], variables: Mapping[str, Any] | None = None) -> None:
        """Begin a session. Returns at once: the process gets ready while the caller goes on to its first model call."""
        with self._lock:
            self._discard()
            self._functions, self._variables, self._closed = dict(functions), dict(variables or {}), False
            self._losses, self._journal = 0, Journal(limit=self.limits.journal_bytes)
            self._seed = int.from_bytes(os.urandom(6))
            if self._is_unconfined:
                _LOG.warning(
                    "unsafe_unconfined: what the model writes runs with your files, your network and your user"
                )
            self._launch()

    def execute(self, code: str, *, timeout: float) -> Execution:
        """Run one cell; `timeout` in seconds of wall clock, host calls not counted.

        What a host function raises, other than `ToldToModel`, is raised here once the cell has ended.
        """
        with self._lock:
            started = time.monotonic()
            try:
                done = self._run(code, timeout)
            except SessionEnded as end:
                return self._lost(end, started)
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
        self._ask(lambda session: self._bind(session, name, value))

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
        """The worker's process id; None where there is no worker, or none that has said so yet."""
        return self._worker.pid if self._worker is not None else None

    def __enter__(self) -> ConfinedSandbox:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _run(self, code: str, timeout: float) -> Done:
        session = self._ready()
        started, before = time.monotonic(), session.ran
        done: Done | None = None
        try:
            done = session.execute(code, timeout)
            return done
        finally:  # also where a host function's exception is raised: what the cell assigned before is there
            ran = done or (session.ran if session.ran is not before else None)
            if ran is not None and session.usable:
                self._note(code, time.monotonic() - started, ran, session)

    def _note(self, code: str, seconds: float, done: Done, session: Session) -> None:
        if done.ended == "timeout":
            self._journal.has_gap = True
            return
        self._losses = 0
        self._journal.add(
            Cell(code=code, seconds=seconds, exchanges=session.heard, outcome=outcome(done.stdout, done.error))
        )

    def _bind(self, session: Session, name: str, value: Any) -> None:
        session.set(name, value)
        if not session.in_cell:
            self._journal.add(Bound(name=name, value=value))

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
        worker = self._launch_worker()
        session = Session(worker.sock, self.limits)
        try:
            session.configure(self._seed, unsafe_unconfined=self._is_unconfined)
        except SessionEnded as end:
            worker.end()
            raise _not_started(end, worker) from None
        self._worker, self._session, self._is_ready, self._owner = worker, session, False, os.getpid()
        return session

    def _ready(self) -> Session:
        """The session, once its worker runs and has functions and variables. A lost one is begun anew, empty."""
        if self._closed:
            raise SandboxError("the sandbox is closed")
        if self._owner != os.getpid():  # a fork of the host: its worker belongs to its parent
            self._discard()
        session = self._session or self._launch()
        if not self._is_ready:
            self._greet(session)
        return session

    def _greet(self, session: Session) -> None:
        try:
            ready = session.ready()
            self._check(ready)
            session.offer(self._functions)
            for name, value in self._variables.items():
                session.set(name, value)
            self._is_ready = True
        except SessionEnded as end:
            raise _not_started(end, self._worker) from None
        finally:
            if not self._is_ready:
                self._discard()

    def _check(self, ready: Ready) -> None:
        """See that it is confined, as it says and as it looks.

        Raises:
            SandboxError: it is not.
        """
        worker = self._worker
        assert worker is not None, "there is a session"
        worker.arrived(ready.pid)
        if self._is_unconfined:
            self.confinement = ready.report
            return
        seen = outside.seen(worker.pid) if worker.pid is not None else outside.ELSEWHERE
        self.confinement = {**ready.report, "seen": seen}
        lacking = [f"{step} ({ready.report.get(step)})" for step in self._required if ready.report.get(step) != "held"]
        if seen.startswith(outside.WRONG):
            lacking.append(seen)
        if lacking:
            raise SandboxError(f"the sandbox cannot confine its process: {', '.join(lacking)}", hint=_ELSEWHERE)

    def _lost(self, end: SessionEnded, started: float) -> Execution:
        self._discard()
        if self._closed:
            raise SandboxError("the sandbox was closed while a cell ran")
        error = f"SessionLost: {end.reason}. What this cell had assigned is gone. {self._make_again()}."
        return Execution(error=error, seconds=time.monotonic() - started, ended=end.ended)

    def _make_again(self) -> str:
        """Begin the session anew and run its cells again; returns what the model has to know."""
        journal, self._journal = self._journal, Journal(limit=self.limits.journal_bytes)
        session = self._launch()  # now, so that it gets ready while the model thinks
        if not journal.entries and journal.is_whole and not journal.has_gap:
            return self._begun_anew("There were no earlier cells")
        self._losses += 1
        if self._losses > _LOSSES:
            return self._begun_anew("It was lost again and again: all variables of earlier cells are gone")
        if not journal.is_whole:
            return self._begun_anew("The earlier cells were too much to be run again: all their variables are gone")
        self._greet(session)
        try:
            rebuilt = rebuild(session, journal, self.limits.replay_seconds)
        except SessionEnded as end:
            self._discard()
            self._launch()
            return self._begun_anew(f"All variables of earlier cells are gone: run again, they ended as well: {end}")
        self._journal = Journal(limit=journal.limit, has_gap=journal.has_gap)
        for entry in rebuilt.entries:
            self._journal.add(entry)
        return f"The session was made again: {told(rebuilt, journal)}"

    def _begun_anew(self, reason: str) -> str:
        names = ", ".join(self._variables)
        return f"{reason}{f'; what was given is there again: {names}' if names else ''}"

    def _drop_if_unusable(self) -> None:
        if self._closed or (self._session is not None and not self._session.usable):
            self._discard()

    def _discard(self) -> None:
        if self._worker is not None:
            self._worker.end()
        self._worker = self._session = None
        self._is_ready = False


def _not_started(end: SessionEnded, worker: Worker | None) -> SandboxError:
    said = str(getattr(worker, "failure", ""))  # of a launcher that knows why
    return SandboxError(f"the sandbox does not start: {said or end.reason}", hint="" if said else _complaint())


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
