"""What a session has done, for doing it again in a new worker: cells, and what the host answered to their calls.

A replay makes no host call: each call of a cell gets the answer that it got, as long as it asks for the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One call of a host function.

    Attributes:
        asked: name and arguments as JSON.
        bound: variables that the host bound before it answered.
        reply: the answer, as it was sent.
    """

    asked: bytes
    bound: tuple[tuple[str, Any], ...]
    reply: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A cell that ran to its end, be it an exception."""

    code: str
    seconds: float
    exchanges: Sequence[Exchange]
    outcome: bytes
    """A digest of what it printed and raised."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """A variable that the host bound between two cells."""

    name: str
    value: Any


Entry: TypeAlias = Cell | Bound


def outcome(stdout: str, error: str) -> bytes:
    """A digest by which two runs of one cell are compared."""
    return hashlib.blake2b(f"{stdout}\0{error}".encode("utf-8", "replace"), digest_size=16).digest()


@dataclass(slots=True, kw_only=True)
class Journal:
    """The entries of one session, oldest first.

    Attributes:
        limit: bytes of code and answers that are kept; a session that has more is not replayed.
        has_gap: a cell was stopped half way, with effects that are not here.
    """

    limit: int
    entries: list[Entry] = field(default_factory=list)
    has_gap: bool = False
    _bytes: int = 0

    @property
    def is_whole(self) -> bool:
        """Nothing had to be left out for its length."""
        return self._bytes <= self.limit

    @property
    def cells(self) -> int:
        """How many cells there are."""
        return sum(isinstance(entry, Cell) for entry in self.entries)

    def add(self, entry: Entry) -> None:
        """Note what was done. Past the limit everything is let go of."""
        self._bytes += _size(entry)
        if self.is_whole:
            self.entries.append(entry)
        else:
            self.entries.clear()


def _size(entry: Entry) -> int:
    match entry:
        case Cell():
            return len(entry.code) + sum(len(e.asked) + len(e.reply) + _held(e.bound) for e in entry.exchanges)
        case Bound():
            return _held([(entry.name, entry.value)])


def _held(bound: Sequence[tuple[str, Any]]) -> int:
    return sum(len(value) if isinstance(value, str | bytes) else 100 for _, value in bound)
