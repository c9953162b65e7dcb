"""Rows on their way to a server: in bulk, several requests at once, slowed down when it is busy, none lost."""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeAlias, TypeVar

import msgspec

from retrievers.errors import ConfigError, EngineUnavailable
from retrievers.servers.connecting import blocked, reason_of, refusal
from retrievers.servers.dialect import Dialect, Json

BULK_BYTES: Final = 5_000_000
"""Of one request; the servers' own advice is 5 to 15 MB."""

IN_FLIGHT: Final = 3
"""Requests on their way at once."""

PATIENCE_SECONDS: Final = 120.0
"""How long a server may be busy or away before a run gives up; the same run again goes on."""

_LONGEST_PAUSE: Final = 15.0
_BUSY: Final = (429, 502, 503, 504)
_STARTING: Final = (503,)
"""Of a block that goes away by itself: no cluster manager yet, state not recovered."""

_REASON: Final = 300

T = TypeVar("T")
_encode: Final = msgspec.json.Encoder().encode


Op: TypeAlias = tuple[Json, Json | None]
"""What is to be done with a row, and its source where it needs one."""


class Action(NamedTuple):
    """A line of a bulk with its source, and the document that it is about."""

    doc_id: str
    lines: tuple[bytes, ...]

    @property
    def size(self) -> int:
        """In bytes."""
        return sum(map(len, self.lines))


@dataclass(slots=True)
class Settled:
    """What became of what was sent.

    Attributes:
        refused: documents that had a row refused, and why.
        conflicts: documents whose head is not what it was when it was looked up.
    """

    refused: dict[str, str] = field(default_factory=dict)
    conflicts: set[str] = field(default_factory=set)


class Bulk:
    """Sends rows. `add` from one thread; the requests run in threads of its own.

    What is done to a document is done in the order in which it was given, however many requests are on their way.

    Args:
        dialect: the server, connected.
        index: where to: an alias, so that an index that was deleted meanwhile is not made again by its rows.
        patience_seconds: how long to go on trying a server that is busy or away.
    """

    def __init__(self, dialect: Dialect, index: str, *, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._dialect, self._path = dialect, f"/{index}/_bulk"
        self._patience = patience_seconds
        self._actions: list[Action] = []
        self._bytes = 0
        self._sending: deque[tuple[Future[None], frozenset[str]]] = deque()
        self._pool = ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="bulk")
        self._settled = Settled()
        self._lock = threading.Lock()

    def add(self, doc_id: str, ops: Iterable[Op], last: Op | None = None) -> None:
        """Take what is to be done with the rows of a document; what came before may be sent, and waited for.

        All of it goes in one request, which a server carries out in order; what is too much for one is sent and
        waited for before `last` is.

        Raises:
            EngineUnavailable: the server stays away.
            EngineRejected: it takes no bulk at all.
        """
        begin, is_split = len(self._actions), False
        for op in ops:
            self._append(doc_id, op)
            if self._bytes >= BULK_BYTES:
                is_split = is_split or not begin
                self._send(begin or None)
                begin = 0
        if is_split:
            self._send()
            self._wait()
        if last is not None:
            self._append(doc_id, last)

    def settle(self) -> Settled:
        """Wait until all has arrived; returns what went wrong since the last call."""
        self._send()
        self._wait()
        with self._lock:
            settled, self._settled = self._settled, Settled()
        return settled

    def _append(self, doc_id: str, op: Op) -> None:
        action, source = op
        self._actions.append(Action(doc_id, tuple(_encode(each) for each in (action, source) if each is not None)))
        self._bytes += self._actions[-1].size

    def _wait(self) -> None:
        while self._sending:
            self._sending.popleft()[0].result()

    def close(self) -> None:
        """End the threads; what was not sent is dropped."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _send(self, most: int | None = None) -> None:
        """Send the first actions, all by default; behind those on their way that are about the same documents."""
        actions, self._actions = self._actions[:most], self._actions[most:] if most else []
        self._bytes = sum(action.size for action in self._actions)
        if not actions:
            return
        about = frozenset(action.doc_id for action in actions)
        if any(about & others for _, others in self._sending):
            self._wait()
        while len(self._sending) >= IN_FLIGHT:
            self._sending.popleft()[0].result()
        self._sending.append((self._pool.submit(self._deliver, actions), about))

    def _deliver(self, actions: Sequence[Action]) -> None:
        deadline = time.monotonic() + self._patience
        attempt = 0
        while actions:
            try:
                lines = [line for action in actions for line in action.lines]
                answer = self._dialect.request("POST", self._path, params={"require_alias": "true"}, lines=lines)
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
            EngineRejected: the whole index takes no writes.
            ConfigError: it is gone.
        """
        if "items" not in answer:
            raise refusal(self._dialect.place, 200, None)
        if not answer["errors"]:
            return []
        left: list[Action] = []
        for action, item in zip(actions, answer["items"], strict=True):
            ((kind, result),) = item.items()
            kind_of_error = _error_type(result)
            if kind_of_error == "cluster_block_exception" and result["status"] not in _STARTING:
                raise blocked(self._dialect.place)
            if kind_of_error == "index_not_found_exception":
                raise ConfigError(
                    f"the index {self._dialect.place} was deleted, or replaced by another, while it was written to",
                    hint="run the same command again: it makes what is missing",
                )
            if result["status"] in _BUSY:
                left.append(action)
            elif result["status"] == 409:
                with self._lock:
                    self._settled.conflicts.add(action.doc_id)
            elif result["status"] >= 400 and not (result["status"] == 404 and kind in ("delete", "update")):
                with self._lock:
                    reason = reason_of(result) or f"status {result['status']}"
                    self._settled.refused.setdefault(action.doc_id, reason[:_REASON])
        return left


def _error_type(result: Json) -> str:
    error = result.get("error")
    return str(error.get("type", "")) if isinstance(error, dict) else ""


def patiently(ask: Callable[[], T], seconds: float = PATIENCE_SECONDS) -> T:
    """Ask again, after growing pauses, as long as the server is busy or away."""
    deadline = time.monotonic() + seconds
    attempt = 0
    while True:
        try:
            return ask()
        except EngineUnavailable:
            if time.monotonic() > deadline:
                raise
        _pause(attempt)
        attempt += 1


def _pause(attempt: int) -> None:
    time.sleep(min(_LONGEST_PAUSE, 0.2 * 2**attempt) * random.uniform(0.5, 1.5))  # noqa: S311 - jitter
