"""The vector files of an index: append-only, memory-mapped, one row a chunk.

    G.i8     int8 rows, scanned            G.scale  float32, what an int8 row is multiplied with
    G.f16    float16 rows, exact           G.doc    uint32, number of the document
    G.sign   bits, which values of an int8 row are above 0: screened before the scan of a big index
    G.lang   uint16, language of the document (`rows.language_code`)
    G.span   uint32 x 4: ordinal of the chunk, number of its unit, start, end
    G.dead   uint32, numbers of documents whose rows are dead

`G` is the generation. How many rows are true is told by the state of the commit; what lies behind is cut off when the
index is opened for writing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from retrievers.embedded.records import ChunkRecord, State
from retrievers.embedded.schema import UNIT_BITS
from retrievers.types import Matrix

Array: TypeAlias = npt.NDArray[np.generic]
Rows: TypeAlias = npt.NDArray[np.intp]

ORDINAL, UNIT, START, END = range(4)
"""Columns of `spans`."""

_BLOCK: Final = 16_384

COLUMNS: Final[dict[str, tuple[type[np.generic], int]]] = {
    "i8": (np.int8, 0),  # 0: as wide as the vectors
    "sign": (np.uint8, 0),  # eight to a byte
    "f16": (np.float16, 0),
    "scale": (np.float32, 1),
    "doc": (np.uint32, 1),
    "lang": (np.uint16, 1),
    "span": (np.uint32, 4),
}


def _path(folder: Path, generation: int, column: str) -> Path:
    return folder / f"{generation:06d}.{column}"


def _width(column: str, dimensions: int) -> int:
    wide = -(-dimensions // 8) if column == "sign" else dimensions
    return COLUMNS[column][1] or wide


def _row_bytes(column: str, dimensions: int) -> int:
    return np.dtype(COLUMNS[column][0]).itemsize * _width(column, dimensions)


@dataclass(frozen=True)
class VectorMap:
    """The committed rows of one generation, mapped for reading. Arrays have one row a chunk, dead ones included.

    `sign` has no rows where an earlier version wrote the index; the next writer makes them.
    """

    i8: npt.NDArray[np.int8]
    sign: npt.NDArray[np.uint8]
    f16: npt.NDArray[np.float16]
    scale: npt.NDArray[np.float32]
    doc: npt.NDArray[np.uint32]
    lang: npt.NDArray[np.uint16]
    span: npt.NDArray[np.uint32]
    dead: npt.NDArray[np.uint32]

    @classmethod
    def open(cls, folder: Path, state: State, dimensions: int) -> VectorMap:
        """Map what a commit holds.

        Raises:
            FileNotFoundError: a compaction has replaced this generation since.
        """
        held = dict.fromkeys(COLUMNS, state.vectors)
        if not _path(folder, state.generation, "sign").exists():
            held["sign"] = 0
        arrays: dict[str, Any] = {
            name: _mapped(folder, state.generation, name, rows, dimensions) for name, rows in held.items()
        }
        dead = np.empty(0, np.uint32)
        if state.dead:
            dead = np.memmap(_path(folder, state.generation, "dead"), np.uint32, "r", shape=(state.dead,))
        return cls(**arrays, dead=dead)

    def __len__(self) -> int:
        return len(self.doc)

    @cached_property
    def live(self) -> npt.NDArray[np.bool_] | None:
        """Which rows belong to documents that are still there; None where all do."""
        if not len(self.dead) or not len(self):
            return None
        is_dead = np.zeros(int(max(self.doc.max(), self.dead.max())) + 1, np.bool_)
        is_dead[self.dead] = True
        live = ~is_dead[self.doc]
        return None if live.all() else live

    def unit_keys(self, rows: Rows) -> npt.NDArray[np.int64]:
        """The keys of the units that rows are passages of."""
        units: npt.NDArray[np.int64] = self.span[rows, UNIT].astype(np.int64)
        units |= self.doc[rows].astype(np.int64) << UNIT_BITS
        return units

    @property
    def live_count(self) -> int:
        """How many rows belong to documents that are still there."""
        return len(self) if self.live is None else int(np.count_nonzero(self.live))


def _mapped(folder: Path, generation: int, column: str, rows: int, dimensions: int) -> npt.NDArray[np.generic]:
    kind, width = COLUMNS[column]
    shape = (rows, _width(column, dimensions)) if width != 1 else (rows,)
    if not rows:
        return np.empty(shape, kind)
    mapped: npt.NDArray[np.generic] = np.memmap(_path(folder, generation, column), kind, "r", shape=shape)
    return mapped.view(np.ndarray)


class VectorFiles:
    """The files of one generation, open for appending; opening cuts off what no commit made true.

    Other generations are left-overs of a compaction and removed, but for the one to `keep`.
    """

    def __init__(self, folder: Path, state: State, dimensions: int, *, keep: int = -1) -> None:
        folder.mkdir(exist_ok=True)
        self._folder = folder
        self._dimensions = dimensions
        self.generation = state.generation
        self.rows = state.vectors
        self.dead = state.dead
        self._files: dict[str, BinaryIO] = {}
        if not _path(folder, state.generation, "sign").exists():
            _derive_signs(folder, state, dimensions)
        for column in COLUMNS:
            self._open(column, state.vectors * _row_bytes(column, dimensions))
        self._open("dead", state.dead * 4)
        self._drop_generations_but(self.generation, keep)

    def append(self, doc_no: int, language: int, chunks: Sequence[ChunkRecord], vectors: Matrix) -> None:
        """Add the vectors of a document, row i for chunk i."""
        quantised, scale = quantise(vectors)
        spans = [(chunk.ordinal, chunk.unit, chunk.start, chunk.end) for chunk in chunks]
        self.extend(
            {
                "i8": quantised,
                "sign": signs(quantised),
                "f16": vectors.astype(np.float16),
                "scale": scale,
                "doc": np.full(len(vectors), doc_no, np.uint32),
                "lang": np.full(len(vectors), language, np.uint16),
                "span": np.array(spans, np.uint32),
            }
        )

    def extend(self, columns: Mapping[str, Array]) -> None:
        """Add rows, given by column."""
        for column, values in columns.items():
            self._write(column, values)
        self.rows += len(columns["doc"])

    def bury(self, doc_nos: Sequence[int]) -> None:
        """Declare the rows of documents dead."""
        self._write("dead", np.array(doc_nos, np.uint32))
        self.dead += len(doc_nos)

    def sync(self) -> None:
        """Make everything appended durable."""
        for file in self._files.values():
            file.flush()
            os.fsync(file.fileno())

    def close(self) -> None:
        """Let go of the files."""
        for file in self._files.values():
            file.close()

    def remove(self) -> None:
        """Delete the files; who has them mapped keeps what they hold."""
        self.close()
        for column in self._files:
            _path(self._folder, self.generation, column).unlink()

    def _write(self, column: str, values: Array) -> None:
        self._files[column].write(np.ascontiguousarray(values).data)

    def _open(self, column: str, length: int) -> None:
        path = _path(self._folder, self.generation, column)
        file = path.open("r+b" if path.exists() else "w+b")
        file.truncate(length)
        file.seek(length)
        self._files[column] = file

    def _drop_generations_but(self, *kept: int) -> None:
        for path in self._folder.iterdir():
            if path.stem.isdigit() and int(path.stem) not in kept:
                path.unlink()


def quantise(vectors: Matrix) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Rows as int8, and the factor of each."""
    largest = np.abs(vectors).max(axis=1, initial=0.0)
    scale = (np.where(largest > 0, largest, 1.0) / 127).astype(np.float32)
    return np.rint(vectors / scale[:, None]).astype(np.int8), scale


def signs(quantised: npt.NDArray[np.int8]) -> npt.NDArray[np.uint8]:
    """Which values of int8 rows are above 0, as bits, eight to a byte."""
    return np.packbits(quantised > 0, axis=-1)


def _derive_signs(folder: Path, state: State, dimensions: int) -> None:
    """Write the signs of an index that an earlier version wrote without them, whole or not at all."""
    if not state.vectors:
        return
    rows = _mapped(folder, state.generation, "i8", state.vectors, dimensions)
    path = _path(folder, state.generation, "sign")
    partial = path.with_suffix(".sign-partial")
    with partial.open("wb") as file:
        for begin in range(0, len(rows), _BLOCK):
            file.write(signs(rows[begin : begin + _BLOCK].view(np.int8)).tobytes())
    partial.replace(path)
