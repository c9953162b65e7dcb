"""The very same worker in a container: Docker, Podman, or either with gVisor. It is spoken to by stdin and stdout.

It confines itself inside as it does outside; the container is a second wall, and one where seccomp is missing on the
host's side (macOS, Windows). The image needs Python 3.11 or later and nothing else: the worker is mounted into it.
"""

from __future__ import annotations

import functools
import os
import secrets
import shutil
import socket
import subprocess
import threading
import weakref
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from rlm_search.errors import SandboxError
from rlm_search.sandbox.confined import ConfinedSandbox
from rlm_search.sandbox.launch import Worker, let_go
from rlm_search.sandbox.protocol import SandboxLimits

IMAGE = "python:3.13-slim"
ENGINES = ("docker", "podman")
_INSIDE = "/opt/rlm-search"
_HERE = Path(__file__).parent
_ROOT = _HERE.parents[1]
_INTERPRETER_BYTES = 256 * 1024 * 1024
"""What Python itself may take besides what the cells may."""
_END_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """How the container of a session is started.

    Attributes:
        engine: the program: `docker`, `podman`, or a path; "" takes the first of these that is installed.
        image: with Python 3.11 or later as `python3`.
        runtime: of the engine, such as `runsc` for gVisor; "" is its default.
    """

    engine: str = ""
    image: str = IMAGE
    runtime: str = ""

    def found(self) -> str:
        """The engine's program.

        Raises:
            SandboxError: there is none.
        """
        for name in (self.engine,) if self.engine else ENGINES:
            if path := shutil.which(name):
                return path
        raise SandboxError(
            f"no {self.engine or ' and no '.join(ENGINES)} on this machine",
            hint="install one, or name it as `sandbox.engine`",
        )

    def command(self, name: str, memory_bytes: int) -> list[str]:
        """The command line of a container called `name`: no network, no rights, nothing to write to."""
        memory = str(memory_bytes + _INTERPRETER_BYTES)
        return [
            *(self.found(), "run", "--rm", "--interactive", "--name", name),
            *(("--runtime", self.runtime) if self.runtime else ()),
            *("--network", "none", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
            *("--pids-limit", "64", "--memory", memory, "--memory-swap", memory, "--cpus", "1"),
            *("--user", "65534:65534", "--workdir", "/", "--log-driver", "none", "--pull", "missing"),
            *_mounted(_HERE, "rlm_search/sandbox"),
            *_mounted(_ROOT / "confinement", "confinement"),
            *("--entrypoint", "python3", self.image),
            *("-I", "-S", "-B", f"{_INSIDE}/rlm_search/sandbox/worker.py", "container"),
        ]


def _mounted(folder: Path, inside: str) -> Sequence[str]:
    return "--mount", f"type=bind,source={folder},target={_INSIDE}/{inside},readonly"


class ContainerWorker:
    """A worker in a container: the engine's client is our child, the worker is not."""

    def __init__(self, container: Container, memory_bytes: int) -> None:
        self.pid: int | None = None
        name = f"rlm-search-{secrets.token_hex(8)}"
        command = container.command(name, memory_bytes)
        self.sock, theirs = socket.socketpair()
        try:
            process: subprocess.Popen[bytes] = subprocess.Popen(  # noqa: S603  # the engine that was asked for
                command,
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            self.sock.close()
            raise SandboxError(f"the container cannot be started: {error}") from error
        finally:
            theirs.close()
        self._stop = functools.partial(_stopped, command[0], name, process, threading.Lock())
        self._finalizer = weakref.finalize(self, let_go, self._stop, self.sock, os.getpid())

    def arrived(self, pid: int) -> None:
        """Its process id is one of the container's, and says nothing here."""

    def kill(self) -> None:
        """Have the engine kill the container."""
        self._stop()

    def end(self) -> None:
        """Kill the container and let go of everything."""
        self._finalizer()


def _stopped(engine: str, name: str, process: subprocess.Popen[bytes], lock: threading.Lock) -> None:
    with lock:
        if process.poll() is not None:
            return
        with suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run(  # noqa: S603  # as above
                [engine, "kill", name], stdin=subprocess.DEVNULL, capture_output=True, timeout=_END_SECONDS, check=False
            )
        process.kill()  # the client; the container has ended, or its stdin has
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=_END_SECONDS)


def container_sandbox(limits: SandboxLimits | None = None, container: Container | None = None) -> ConfinedSandbox:
    """A sandbox whose workers run in containers.

    Raises:
        SandboxError: by its methods, where there is no engine, or where the container does not start.
    """
    asked, chosen = limits or SandboxLimits(), container or Container()

    def launch() -> Worker:
        return ContainerWorker(chosen, asked.memory_bytes)

    return ConfinedSandbox(asked, launch=launch)
