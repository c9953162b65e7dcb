"""Prime Intellect: the worker as a live process in a Prime sandbox. Credentials: PRIME_API_KEY or `prime login`.

Their live processes are to be had by coroutines only, which run in a thread of their own here.
"""

from __future__ import annotations

import asyncio
import secrets
import shlex
import threading
from collections.abc import Coroutine, Iterator, Sequence
from typing import Any, TypeVar

from retrievers import plugins
from rlm_search.sandbox.remote import Asked

_T = TypeVar("_T")
_MINUTE = 60
_GIGABYTE_MB = 1024


class PrimeProcess:
    """A live process in a sandbox of its own."""

    def __init__(self, command: Sequence[str], asked: Asked) -> None:
        prime = plugins.require("prime_sandboxes", extra="prime", purpose="the sandbox `prime`")
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=_run, args=(self._loop,), name="prime", daemon=True).start()
        self._identifier = ""
        try:
            self._await(self._begin(prime, command, asked))
        except BaseException:
            self.end()
            raise

    async def _begin(self, prime: Any, command: Sequence[str], asked: Asked) -> None:
        self._client: Any = prime.AsyncSandboxClient()
        request = prime.CreateSandboxRequest(
            name=f"rlm-search-{secrets.token_hex(4)}",
            docker_image=asked.image,
            memory_gb=max(1.0, asked.memory_mb / _GIGABYTE_MB),
            timeout_minutes=-(-asked.life_seconds // _MINUTE),
        )
        self._identifier = (await self._client.create(request)).id
        await self._client.wait_for_creation(self._identifier)
        self._process: Any = await self._client.open_process(self._identifier, shlex.join(command))

    def write(self, data: bytes) -> None:
        """Feed its stdin."""
        self._await(self._process.write_stdin(data))

    def output(self) -> Iterator[bytes]:
        """Its stdout, piece by piece, until it ends."""
        while True:
            piece = self._await(self._next())
            if piece is None:
                return
            yield piece

    async def _next(self) -> bytes | None:
        try:
            piece: bytes = await anext(self._process.stdout)
        except StopAsyncIteration:
            return None
        return piece

    def end(self) -> None:
        """Delete the sandbox with all that runs in it."""
        try:
            if self._identifier:
                self._await(self._client.delete(self._identifier))
            self._await(_all_cancelled())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)

    def _await(self, work: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


def _run(loop: asyncio.AbstractEventLoop) -> None:
    loop.run_forever()
    loop.close()


async def _all_cancelled() -> None:
    """Whoever still waits for something is let go."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
