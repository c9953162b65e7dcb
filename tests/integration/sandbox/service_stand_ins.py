"""Stand-ins for the libraries of four services: the calls that we make, by name and argument, over a local subprocess.

Each takes exactly the arguments that its library takes (`test_services.py` holds that where the real one is installed),
and carries the streams as it does: e2b and daytona as text, daytona with an echo, all of them cut anywhere.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import subprocess
import sys
import threading
import types
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from typing import Any

LIVING: set[int] = set()
"""Process ids of sandboxes that were not ended."""
REFUSES: list[str] = []
"""What a service says in place of making a sandbox."""
ASKED: list[dict[str, Any]] = []
"""The arguments by which sandboxes were made."""
_PIECE = 1_000


class Program:
    """A command in a sandbox: a subprocess of ours, with an environment that has a secret."""

    def __init__(self, command: list[str]) -> None:
        assert command[0] == "python3"
        self.process = subprocess.Popen(
            [sys.executable, *command[1:]],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"PATH": os.environ["PATH"], "SERVICE_SECRET": "canary"},
            start_new_session=True,
        )
        LIVING.add(self.process.pid)

    def write(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def pieces(self) -> Iterator[bytes]:
        assert self.process.stdout is not None
        while piece := os.read(self.process.stdout.fileno(), _PIECE):
            yield piece

    def end(self) -> None:
        LIVING.discard(self.process.pid)
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()


def _made(**asked: Any) -> None:
    ASKED.append(asked)
    if REFUSES:
        raise RuntimeError(REFUSES[0])


def modal() -> types.ModuleType:
    """`modal`: an app, an image, a sandbox with `exec`, whose stdin is drained and whose stdout is iterated."""
    module = types.ModuleType("modal")

    class Writer:
        def __init__(self, program: Program) -> None:
            self._program, self._waiting = program, b""

        def write(self, data: bytes) -> None:
            self._waiting += data

        def drain(self) -> None:
            waiting, self._waiting = self._waiting, b""
            self._program.write(waiting)

    class Sandbox:
        @staticmethod
        def create(
            *args: str, app: Any, image: Any, timeout: int, block_network: bool, cpu: float, memory: int
        ) -> Sandbox:
            assert (args, app) == ((), "rlm-search")
            _made(image=image, timeout=timeout, network=not block_network, cpu=cpu, memory=memory)
            return Sandbox()

        def exec(self, *command: str, text: bool) -> Any:
            assert not text
            self._program = Program(list(command))
            return types.SimpleNamespace(stdin=Writer(self._program), stdout=self._program.pieces())

        def terminate(self) -> None:
            self._program.end()

    def lookup(name: str, *, create_if_missing: bool) -> str:
        assert create_if_missing
        return name

    module.__dict__.update(
        Sandbox=Sandbox,
        App=types.SimpleNamespace(lookup=lookup),
        Image=types.SimpleNamespace(from_registry=lambda tag: tag),
    )
    return module


def e2b() -> types.ModuleType:
    """`e2b`: a command in the background, stdin by its number, output as decoded text."""
    module = types.ModuleType("e2b")

    class Handle:
        def __init__(self, program: Program) -> None:
            self._program, self.pid = program, program.process.pid

        def __iter__(self) -> Iterator[tuple[str | None, str | None, None]]:
            yield None, "a warning of its shell\n", None
            for piece in self._program.pieces():
                yield piece.decode("utf-8", "replace"), None, None

    class Commands:
        def run(self, cmd: str, *, background: bool, stdin: bool, timeout: float, retain_output: bool) -> Handle:
            assert background
            assert stdin
            assert (timeout, retain_output) == (0, False)
            self.program = Program(shlex.split(cmd))
            return Handle(self.program)

        def send_stdin(self, pid: int, data: bytes) -> None:
            assert pid == self.program.process.pid
            self.program.write(data)

    class Sandbox:
        def __init__(self) -> None:
            self.commands = Commands()

        @classmethod
        def create(cls, *, template: str | None, timeout: int, allow_internet_access: bool) -> Sandbox:
            _made(image=template, timeout=timeout, network=allow_internet_access)
            return cls()

        def kill(self) -> bool:
            self.commands.program.end()
            return True

    module.__dict__.update(Sandbox=Sandbox)
    return module


def daytona() -> types.ModuleType:  # noqa: C901  # a library in one function
    """`daytona`: a command of a session, input as text that is echoed, logs followed by a coroutine."""
    module = types.ModuleType("daytona")

    class Process:
        def __init__(self) -> None:
            self._echoes: list[str] = []

        def create_session(self, session_id: str) -> None:
            self._session = session_id

        def execute_session_command(self, session_id: str, req: Any) -> Any:
            assert session_id == self._session
            assert req.run_async
            self.program = Program(shlex.split(req.command))
            return types.SimpleNamespace(cmd_id="command-1")

        def send_session_command_input(self, session_id: str, command_id: str, data: str) -> None:
            assert (session_id, command_id) == (self._session, "command-1")
            self._echoes.append(data)  # as a terminal does, should it not be suppressed
            self.program.write(data.encode())

        async def get_session_command_logs_async(
            self, session_id: str, command_id: str, on_stdout: Callable[[str], Any], on_stderr: Callable[[str], Any]
        ) -> None:
            on_stderr("starting")
            on_stdout("$ python3\n")
            for piece in await asyncio.to_thread(lambda: iter(self.program.pieces())):
                while self._echoes and piece.startswith(b"<"):
                    on_stdout(self._echoes.pop(0))
                on_stdout(piece.decode("utf-8", "replace"))

    class Sandbox:
        def __init__(self) -> None:
            self.process = Process()

        def delete(self) -> None:
            self.process.program.end()

    class Daytona:
        def create(self, params: Any, *, timeout: float) -> Sandbox:
            assert timeout > 0
            network = not params.network_block_all
            _made(image=params.image, timeout=params.ttl_minutes * 60, network=network)
            return Sandbox()

    module.__dict__.update(
        Daytona=Daytona,
        CreateSandboxFromImageParams=types.SimpleNamespace,
        SessionExecuteRequest=types.SimpleNamespace,
    )
    return module


def prime() -> types.ModuleType:  # noqa: C901  # likewise
    """`prime_sandboxes`: all of it coroutines of one loop, stdout an asynchronous iterator of bytes."""
    module = types.ModuleType("prime_sandboxes")

    class Output:
        def __init__(self, program: Program) -> None:
            self._pieces = program.pieces()

        def __aiter__(self) -> AsyncIterator[bytes]:
            return self

        async def __anext__(self) -> bytes:
            piece = await asyncio.to_thread(next, self._pieces, None)
            if piece is None:
                raise StopAsyncIteration
            return piece

    class Process:
        def __init__(self, program: Program) -> None:
            self._program, self.stdout = program, Output(program)

        async def write_stdin(self, data: bytes) -> None:
            assert threading.current_thread().name == "prime"
            await asyncio.to_thread(self._program.write, data)

    class AsyncSandboxClient:
        async def create(self, request: Any) -> Any:
            _made(image=request.docker_image, timeout=request.timeout_minutes * 60, memory=request.memory_gb)
            assert request.name.startswith("rlm-search-")
            return types.SimpleNamespace(id="sandbox-1")

        async def wait_for_creation(self, sandbox_id: str) -> None:
            assert sandbox_id == "sandbox-1"

        async def open_process(self, sandbox_id: str, command: str) -> Process:
            assert sandbox_id == "sandbox-1"
            self._program = Program(shlex.split(command))
            return Process(self._program)

        async def delete(self, sandbox_id: str) -> dict[str, Any]:
            assert sandbox_id == "sandbox-1"
            self._program.end()
            return {}

    module.__dict__.update(AsyncSandboxClient=AsyncSandboxClient, CreateSandboxRequest=types.SimpleNamespace)
    return module


STAND_INS: dict[str, tuple[str, Callable[[], types.ModuleType]]] = {
    "modal": ("modal", modal),
    "e2b": ("e2b", e2b),
    "daytona": ("daytona", daytona),
    "prime": ("prime_sandboxes", prime),
}
