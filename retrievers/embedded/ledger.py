"""The ledger of an index: what whoever fills it has written down beside the documents, in the same commits.

ledger/G.log   entries, each a length and msgpack, appended; `G` is the generation

How many bytes are true is told by the state of the commit; what lies behind is cut off when the next entry is written.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from retrievers.embedded.records import LedgerState
from retrievers.types import LedgerEntry

LEDGER: Final = "ledger"
_LENGTH: Final = struct.Struct(">I")
_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(tuple[str, int, bytes]).decode


def _path(index: Path, generation: int) -> Path:
    return index / LEDGER / f"{generation:06d}.log"


def read_ledger(index: Path, state: LedgerState, known: Mapping[str, int]) -> Iterator[LedgerEntry]:
    """The entries that a commit made true, in order, without those that are known.

    Raises:
        ValueError: it is damaged.
    """
    if not state.bytes:
        return
    with _path(index, state.generation).open("rb") as file:
        while file.tell() < state.bytes:
            head = file.read(_LENGTH.size)
            body = file.read(_LENGTH.unpack(head)[0]) if len(head) == _LENGTH.size else b""
            if not body:
                raise ValueError("its ledger is cut off")
            author, number, told = _decode(body)
            if number > known.get(author, 0):
                yield LedgerEntry(author=author, number=number, body=told)


class LedgerFile:
    """The ledger of an index that is open for writing; entries become true with the commit that holds `state`."""

    def __init__(self, index: Path, state: LedgerState) -> None:
        self.state = state
        self._index = index
        self._file: BinaryIO | None = None

    def append(self, entries: Sequence[LedgerEntry]) -> None:
        """Add entries."""
        file = self._opened()
        ends = dict(self.state.ends)
        for entry in entries:
            body = _encode((entry.author, entry.number, entry.body))
            file.write(_LENGTH.pack(len(body)) + body)
            ends[entry.author] = entry.number
        self.state = LedgerState(generation=self.state.generation, bytes=file.tell(), ends=ends)

    def begin_anew(self) -> None:
        """What follows stands in place of all that is there."""
        self.close()
        self.state = LedgerState(generation=self.state.generation + 1)

    def sync(self) -> None:
        """Make everything appended durable."""
        if self._file is not None:
            self._file.flush()
            os.fsync(self._file.fileno())

    def drop_old(self) -> None:
        """Remove the files of other generations: after the commit that names this one."""
        for path in (self._index / LEDGER).glob("*.log"):
            if path != _path(self._index, self.state.generation):
                path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _opened(self) -> BinaryIO:
        if self._file is None:
            path = _path(self._index, self.state.generation)
            path.parent.mkdir(exist_ok=True)
            self._file = path.open("r+b" if path.exists() else "w+b")
            self._file.truncate(self.state.bytes)
            self._file.seek(self.state.bytes)
        return self._file
