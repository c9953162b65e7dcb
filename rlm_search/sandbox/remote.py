"""The very same worker in a sandbox that is a service of others: it needs a program's stdin and stdout there, no more.

Those services carry text, echo what they are sent, or cut it anywhere: so both streams are lines of base64 with a mark
(`wire.Lines`). The first line that is sent holds the worker's own files; nothing is installed or uploaded there.
"""

from __future__ import annotations

import base64
import functools
import io
import logging
import os
import socket
import threading
import weakref
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, TypeAlias

from retrievers import plugins
from rlm_search.sandbox import wire
from rlm_search.sandbox.confined import ConfinedSandbox
from rlm_search.sandbox.container import IMAGE
from rlm_search.sandbox.launch import Worker, let_go
from rlm_search.sandbox.protocol import SandboxLimits

_LOG = logging.getLogger(__name__)
_HERE = Path(__file__).parent
_FOLDERS = {"rlm_search/sandbox": _HERE, "confinement": _HERE.parents[1] / "confinement"}
_BOOT = (
    "import base64, io, os, sys, tempfile, zipfile; home = tempfile.mkdtemp(); "
    "line = open(0, 'rb', buffering=0, closefd=False).readline(); "
    "zipfile.ZipFile(io.BytesIO(base64.b64decode(line))).extractall(home); "
    "os.execve(sys.executable, [sys.executable, '-I', '-S', '-B', home + '/rlm_search/sandbox/worker.py', 'lines'], {})"
)
COMMAND = ("python3", "-I", "-S", "-B", "-c", _BOOT)
_LIFE_SECONDS = 3_600
_START_SECONDS = 300
_INTERPRETER_MB = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a service is asked for.

    Attributes:
        image: with Python 3.11 or later as `python3`.
        memory_mb: of the whole sandbox.
        life_seconds: after which the service itself ends it, should nobody else.
        start_seconds: until it must run.
    """

    image: str = IMAGE
    memory_mb: int = 512 + _INTERPRETER_MB
    life_seconds: int = _LIFE_SECONDS
    start_seconds: int = _START_SECONDS


class Process(Protocol):
    """A program that a service runs."""

    def write(self, data: bytes) -> None:
        """Feed its stdin: ASCII."""
        ...

    def output(self) -> Iterator[bytes]:
        """Its stdout, in pieces of any size, until it ends."""
        ...

    def end(self) -> None:
        """End it, with the sandbox around it."""
        ...


Service: TypeAlias = Callable[[Sequence[str], Asked], Process]
"""Starts a program there; may take its time."""

SERVICES: Mapping[str, tuple[str, str]] = {
    "modal": ("rlm_search.sandbox.services.modal:ModalProcess", "modal"),
    "prime": ("rlm_search.sandbox.services.prime:PrimeProcess", "prime_sandboxes"),
    "daytona": ("rlm_search.sandbox.services.daytona:DaytonaProcess", "daytona"),
    "e2b": ("rlm_search.sandbox.services.e2b:E2bProcess", "e2b"),
}
"""Each with its class, and the library that its extra brings."""


@functools.cache
def luggage() -> bytes:
    """The worker's files as a zip archive: all Python files of its two folders."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for inside, folder in _FOLDERS.items():
            for path in sorted(folder.glob("*.py")):
                archive.writestr(f"{inside}/{path.name}", path.read_bytes())
    return packed.getvalue()


class RemoteWorker:
    """A worker that a service runs, behind a socket of this process that two threads pump."""

    def __init__(self, service: Service, asked: Asked) -> None:
        self.pid: int | None = None
        self.sock, theirs = socket.socketpair()
        self._link = _Link(service, asked, theirs)
        self._finalizer = weakref.finalize(self, let_go, self._link.end, self.sock, os.getpid())
        threading.Thread(target=self._link.run, name="remote sandbox", daemon=True).start()

    @property
    def failure(self) -> str:
        """What the service said when it did not start."""
        return self._link.failure

    def arrived(self, pid: int) -> None:
        """Its process id is one of another machine's, and says nothing here."""

    def kill(self) -> None:
        """Have the service end it."""
        self._link.end()

    def end(self) -> None:
        """Have it ended and let go of everything."""
        self._finalizer()


class _Link:
    """What pumps between the socket and the service."""

    def __init__(self, service: Service, asked: Asked, sock: socket.socket) -> None:
        self._service, self._asked, self._sock = service, asked, sock
        self._lock = threading.Lock()
        self._process: Process | None = None
        self._is_wanted = True
        self.failure = ""

    def run(self) -> None:
        """Start the program, then carry what it says until it ends."""
        with self._sock:
            try:
                process = self._service(COMMAND, self._asked)
                self._begun(process)
                process.write(base64.b64encode(luggage()) + b"\n")
                threading.Thread(target=self._feed, args=(process,), name="remote sandbox, to it", daemon=True).start()
                for message in wire.unlined(process.output(), wire.FROM_WORKER):
                    self._sock.sendall(message)
            except Exception as error:  # noqa: BLE001  # ends the session: the host finds the stream closed, and says why
                self.failure = f"{type(error).__name__}: {error}"[:500]
                _LOG.info("remote sandbox: %s", type(error).__name__)
            finally:
                with suppress(OSError):
                    self._sock.shutdown(socket.SHUT_RDWR)  # the other thread waits for it
                self.end()

    def _begun(self, process: Process) -> None:
        with self._lock:
            self._process = process
        if not self._is_wanted:
            self.end()

    def _feed(self, process: Process) -> None:
        try:
            while data := self._sock.recv(wire.LINE_BYTES):
                process.write(wire.lined(data, wire.FROM_HOST))
        except Exception as error:  # noqa: BLE001  # likewise
            self.failure = self.failure or f"{type(error).__name__}: {error}"[:500]
            self.end()

    def end(self) -> None:
        """End the program, once; from any thread."""
        self._is_wanted = False
        with self._lock:
            process, self._process = self._process, None
        if process is not None:
            try:
                process.end()
            except Exception as error:  # noqa: BLE001  # recorded: the service ends it itself after `life_seconds`
                _LOG.warning("a remote sandbox could not be ended: %s", type(error).__name__)


def remote_sandbox(name: str, limits: SandboxLimits | None = None, *, image: str = IMAGE) -> ConfinedSandbox:
    """A sandbox whose workers a service runs.

    Args:
        name: of the service: modal, prime, daytona, e2b.
        limits: of a session.
        image: with Python 3.11 or later; for e2b a template.

    Raises:
        ConfigError: its library is not installed.
    """
    target, library = SERVICES[name]
    plugins.require(library, extra=name, purpose=f"the sandbox `{name}`")
    service, _ = plugins.load("rlm_search.services", target, {})
    given = limits or SandboxLimits()
    asked = replace(given, start_seconds=float(_START_SECONDS))
    wanted = Asked(image=image, memory_mb=given.memory_bytes // 2**20 + _INTERPRETER_MB)

    def launch() -> Worker:
        return RemoteWorker(service, wanted)

    return ConfinedSandbox(asked, launch=launch)
