"""Daytona: the worker as a command of a session in a Daytona sandbox without network. Credentials: DAYTONA_API_KEY."""

from __future__ import annotations

import asyncio
import queue
import shlex
import threading
from collections.abc import Iterator, Sequence
from typing import Any

from retrievers import plugins
from rlm_search.sandbox.remote import Asked

SESSION = "rlm-search"


class DaytonaProcess:
    """A command in a sandbox of its own."""

    def __init__(self, command: Sequence[str], asked: Asked) -> None:
        daytona = plugins.require("daytona", extra="daytona", purpose="the sandbox `daytona`")
        wanted = daytona.CreateSandboxFromImageParams(
            image=asked.image, network_block_all=True, ttl_minutes=-(-asked.life_seconds // 60)
        )
        self._sandbox: Any = daytona.Daytona().create(wanted, timeout=asked.start_seconds)
        self._process: Any = self._sandbox.process
        self._process.create_session(SESSION)
        request = daytona.SessionExecuteRequest(command=shlex.join(command), run_async=True, suppress_input_echo=True)
        self._command: str = self._process.execute_session_command(SESSION, request).cmd_id

    def write(self, data: bytes) -> None:
        """Feed its stdin."""
        self._process.send_session_command_input(SESSION, self._command, data.decode("ascii"))

    def output(self) -> Iterator[bytes]:
        """Its stdout, piece by piece, until it ends: their SDK follows logs as a coroutine, here in a thread."""
        pieces: queue.SimpleQueue[str | Exception | None] = queue.SimpleQueue()
        follow = self._process.get_session_command_logs_async

        def followed() -> None:
            try:
                asyncio.run(follow(SESSION, self._command, pieces.put, _nothing))
                pieces.put(None)
            except Exception as error:  # noqa: BLE001  # raised below: also when the sandbox is deleted meanwhile
                pieces.put(error)

        threading.Thread(target=followed, name="daytona", daemon=True).start()
        while (piece := pieces.get()) is not None:
            if isinstance(piece, Exception):
                raise piece
            yield piece.encode()

    def end(self) -> None:
        """Delete the sandbox with all that runs in it."""
        self._sandbox.delete()


def _nothing(_: str) -> None:
    """Its stderr is nobody's business."""
