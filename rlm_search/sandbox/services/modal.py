"""Modal: the worker as a command in a Modal sandbox without network. Credentials: those of the `modal` command."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from retrievers import plugins
from rlm_search.sandbox.remote import Asked

APP = "rlm-search"


class ModalProcess:
    """A command in a sandbox of its own."""

    def __init__(self, command: Sequence[str], asked: Asked) -> None:
        modal = plugins.require("modal", extra="modal", purpose="the sandbox `modal`")
        self._sandbox: Any = modal.Sandbox.create(
            app=modal.App.lookup(APP, create_if_missing=True),
            image=modal.Image.from_registry(asked.image),
            timeout=asked.life_seconds,
            block_network=True,
            cpu=1.0,
            memory=asked.memory_mb,
        )
        self._process: Any = self._sandbox.exec(*command, text=False)

    def write(self, data: bytes) -> None:
        """Feed its stdin."""
        self._process.stdin.write(data)
        self._process.stdin.drain()

    def output(self) -> Iterator[bytes]:
        """Its stdout, piece by piece, until it ends."""
        yield from self._process.stdout

    def end(self) -> None:
        """End the sandbox with all that runs in it."""
        self._sandbox.terminate()
