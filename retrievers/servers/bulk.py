"""Rows on their way to a server: in bulk, several requests at once, slowed down when it is busy, none lost."""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, NamedTuple

import msgspec

from retrievers.errors import EngineUnavailable
from retrievers.servers.connecting import blocked, reason_of
from retrievers.servers.dialect import Dialect, Json

BULK_BYTES: Final = 5_000_000
"""Of one request; the servers' own advice is 5 to 15 MB."""

IN_FLIGHT: Final = 3
"""Requests on their way at once."""

PATIENCE_SECONDS: Final = 120.0
"""How long a server may be busy or away before a run gives up; the same run again goes on."""

_LONGEST_PAUSE: Final = 15.0
_BUSY: Final = (429, 502, 503, 504)
_REASON: Final = 300

_encode: Final = msgspec.json.Encoder().encode


class Action(NamedTuple):
    """A line of a bulk with its source, and the document that it is about."""

    doc_id: str
    lines: tuple[bytes, ...]


class Bulk:
    """Sends rows. `add` from one thread; the requests run in threads of its own.

    Args:
        dialect: the server, connected.
        index: where to.
        patience_seconds: how long to go on trying a server that is busy or away.
    """

    def __init__(self, dialect: Dialect, index: str, *, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._dialect, self._path = dialect, f"/{index}/_bulk"
        self._patience = patience_seconds
        self._actions: list[Action] = []
        self._bytes = 0
        self._sending: deque[Future[None]] = deque()
        self._pool = ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="bulk")
        self._refused: dict[str, str] = {}
        self._lock = threading.Lock()

    def add(self, doc_id: str, action: Json, source: Json | None = None) -> None:
        """Take an action; what came before it may be sent, and waited for.

        Raises:
            EngineUnavailable: the server stays away.
            EngineRejected: it takes no bulk at all.
        """
        lines = (_encode(action),) if source is None else (_encode(action), _encode(source))
        self._actions.append(Action(doc_id, lines))
        self._bytes += sum(map(len, lines))
        if self._bytes >= BULK_BYTES:
            self._send()

    def settle(self) -> Mapping[str, str]:
        """Wait until all has arrived; returns the documents that had a row refused since the last call, and why."""
        self._send()
        while self._sending:
            self._sending.popleft().result()
        with self._lock:
            refused, self._refused = self._refused, {}
        return refused

    def close(self) -> None:
        """End the threads; what was not sent is dropped."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _send(self) -> None:
        if not self._actions:
            return
        actions, self._actions, self._bytes = self._actions, [], 0
        while len(self._sending) >= IN_FLIGHT:
            self._sending.popleft().result()
        self._sending.append(self._pool.submit(self._deliver, actions))

    def _deliver(self, actions: Sequence[Action]) -> None:
        deadline = time.monotonic() + self._patience
        attempt = 0
        while actions:
            try:
                answer = self._dialect.request("POST", self._path, lines=[line for a in actions for line in a.lines])
            except EngineUnavailable:
                if time.monotonic() > deadline:
                    raise
            else:
                left = self._left(actions, answer)
                if len(left) < len(actions):  # it takes some: be patient anew
                    deadline, attempt = time.monotonic() + self._patience, 0
                actions = left
            if actions and time.monotonic() > deadline:
                raise EngineUnavailable(
                    f"the server {self._dialect.place} stays too busy to be written to",
                    hint="run the same command again later: nothing that was written is lost",
                )
            if actions:
                _pause(attempt)
                attempt += 1

    def _left(self, actions: Sequence[Action], answer: Json) -> list[Action]:
        """The actions that the server had no time for; those that it will never take are noted.

        Raises:
            EngineUnavailable: the whole index takes no writes.
        """
        if not answer["errors"]:
            return []
        left: list[Action] = []
        for action, item in zip(actions, answer["items"], strict=True):
            ((kind, result),) = item.items()
            if _is_blocked(result):
                raise blocked(self._dialect.place)
            if result["status"] in _BUSY:
                left.append(action)
            elif result["status"] >= 400 and kind != "delete":
                with self._lock:
                    reason = reason_of(result) or f"status {result['status']}"
                    self._refused.setdefault(action.doc_id, reason[:_REASON])
        return left


def _is_blocked(result: Json) -> bool:
    error = result.get("error")
    return isinstance(error, dict) and error.get("type") == "cluster_block_exception"


def _pause(attempt: int) -> None:
    time.sleep(min(_LONGEST_PAUSE, 0.2 * 2**attempt) * random.uniform(0.5, 1.5))  # noqa: S311 - jitter
