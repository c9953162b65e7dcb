"""E2B: the worker as a background command in an E2B sandbox without internet access. Credentials: E2B_API_KEY."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from typing import Any

from retrievers import plugins
from rlm_search.sandbox.container import IMAGE
from rlm_search.sandbox.remote import Asked


class E2bProcess:
    """A command in a sandbox of its own. `image` names a template; the default image stands for their default."""

    def __init__(self, command: Sequence[str], asked: Asked) -> None:
        e2b = plugins.require("e2b", extra="e2b", purpose="the sandbox `e2b`")
        self._sandbox: Any = e2b.Sandbox.create(
            template=None if asked.image == IMAGE else asked.image,
            timeout=asked.life_seconds,
            allow_internet_access=False,
        )
        self._command: Any = self._sandbox.commands.run(
            shlex.join(command), background=True, stdin=True, timeout=0, retain_output=False
        )

    def write(self, data: bytes) -> None:
        """Feed its stdin."""
        self._sandbox.commands.send_stdin(self._command.pid, data)

    def output(self) -> Iterator[bytes]:
        """Its stdout, piece by piece, until it ends."""
        for stdout, _stderr, _terminal in self._command:
            if stdout:
                yield stdout.encode()

    def end(self) -> None:
        """End the sandbox with all that runs in it."""
        self._sandbox.kill()
