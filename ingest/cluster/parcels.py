"""What travels between the stages on a cluster: files to read, and what became of them, as typed MessagePack."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from ingest.types import Failure, ParsedFile, SourceFile
from ingest.wire import Failed, Order, Piece
from retrievers.types import Matrix

if TYPE_CHECKING:
    import pyarrow

_FILES = 64
_BYTES = 4_000_000
"""Of the files of an errand: what a process that is killed may cost."""

PARCEL_CHARACTERS = 4_000_000
"""A parcel is sent when it holds so many: what is embedded together."""


class Errand(msgspec.Struct, frozen=True, array_like=True):
    """A file to read, by its number in the wave."""

    number: int
    order: Order
    url: str

    @classmethod
    def of(cls, number: int, file: SourceFile) -> Errand:
        """The errand to read this file, which a process with another current folder is given."""
        absolute = file if file.url else replace(file, path=Path(os.path.abspath(file.path)))
        return cls(number, Order.of(absolute), file.url)

    def file(self) -> SourceFile:
        """The file to read."""
        return replace(self.order.file(), url=self.url)


class Filed(msgspec.Struct, array_like=True):
    """One outcome of a file: the report of its worker, and the vectors of its documents where they were embedded.

    Attributes:
        number: of the file in the wave.
        piece: how many outcomes of this file came before.
        vectors: for each document float32 rows, one a chunk; None for one that the embedder refused.
        seconds: that embedding took.
    """

    number: int
    piece: int
    report: Piece | Failed
    vectors: list[bytes | None] | None = None
    seconds: float = 0.0

    @property
    def is_last(self) -> bool:
        """The file has ended."""
        return isinstance(self.report, Failed) or self.report.last

    @property
    def characters(self) -> int:
        """Of its documents."""
        return sum(len(read.document.text) for read in self.report.documents) if isinstance(self.report, Piece) else 0

    def outcome(self, file: SourceFile) -> ParsedFile | Failure:
        """As a pool hands it out."""
        outcome = self.report.outcome(file)
        if isinstance(outcome, Failure) or self.vectors is None:
            return outcome
        documents = [
            item if rows is None else replace(item, vectors=_matrix(rows, len(item.chunks)))
            for item, rows in zip(outcome.documents, self.vectors, strict=True)
        ]
        return replace(outcome, documents=documents, embedder_seconds=self.seconds)


class Parcel(msgspec.Struct, array_like=True):
    """Outcomes that travel together; `lacking` is what the workers that read them could not give up."""

    filed: list[Filed]
    lacking: dict[str, str]


def errands_of(files: Iterable[tuple[int, SourceFile]]) -> Iterator[list[Errand]]:
    """Files that one task reads, bounded in number and in size."""
    errands: list[Errand] = []
    size = 0
    for number, file in files:
        if errands and (len(errands) == _FILES or size + file.size > _BYTES):
            yield errands
            errands, size = [], 0
        errands.append(Errand.of(number, file))
        size += file.size
    if errands:
        yield errands


def filed_of(errand: Errand, piece: int, outcome: ParsedFile | Failure) -> Filed:
    """An outcome of a pool, packed for the way."""
    report = Failed.of(outcome) if isinstance(outcome, Failure) else Piece.of(outcome)
    return Filed(errand.number, piece, report)


def packed(message: list[Errand] | Parcel) -> pyarrow.Table:
    """A table of one row, which is what Ray Data moves."""
    import pyarrow

    return pyarrow.table({"body": pyarrow.array([msgspec.msgpack.encode(message)], pyarrow.large_binary())})


def errands_in(table: pyarrow.Table) -> Iterator[list[Errand]]:
    """The errands of each row."""
    for body in table.column("body").to_pylist():
        yield msgspec.msgpack.decode(body, type=list[Errand])


def parcels_in(table: pyarrow.Table) -> Iterator[Parcel]:
    """The parcel of each row."""
    for body in table.column("body").to_pylist():
        yield msgspec.msgpack.decode(body, type=Parcel)


def rows_of(vectors: Matrix) -> bytes:
    """Float32 rows, bit for bit."""
    return np.ascontiguousarray(vectors, np.float32).tobytes()


def _matrix(rows: bytes, chunks: int) -> Matrix:
    flat = np.frombuffer(rows, np.float32)
    return flat.reshape(chunks, -1) if chunks else flat.reshape(0, 0)
