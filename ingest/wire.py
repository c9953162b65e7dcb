"""Frames between the pool and its workers: a length and MessagePack, decoded by type and never by pickle.

What a worker sends was made from files nobody vouches for, so it must not be able to run anything here. A chunk
travels as its two offsets; its text is cut from the document again on this side.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TypeAlias

import msgspec

from ingest.types import Failure, FailureKind, ParsedFile, SourceFile, Stage, Warned
from retrievers.furniture import within
from retrievers.types import Chunk, Document, IndexedDocument

_LENGTH = struct.Struct(">I")
_FRAME_BYTES = 1 << 30  # more than any document that fits a worker's memory


class Order(msgspec.Struct, frozen=True, array_like=True):
    """A file to read. Its path travels as bytes: it may be no valid Unicode."""

    path: bytes
    source: str
    size: int
    mtime_ns: int
    fingerprint: str
    begin: tuple[int, ...] = ()

    @classmethod
    def of(cls, file: SourceFile) -> Order:
        """The order to read this file."""
        return cls(os.fsencode(file.readable), file.source, file.size, file.mtime_ns, file.fingerprint, file.begin)

    def file(self) -> SourceFile:
        """The file to read."""
        return SourceFile(
            path=Path(os.fsdecode(self.path)),
            source=self.source,
            size=self.size,
            mtime_ns=self.mtime_ns,
            fingerprint=self.fingerprint,
            begin=self.begin,
        )


class Read(msgspec.Struct, frozen=True, array_like=True):
    """A document and its chunks: `(start, end, number of the context)`; contexts repeat, so they are numbered."""

    document: Document
    chunks: list[tuple[int, int, int]]
    contexts: list[str]
    sketch: bytes = b""

    @classmethod
    def of(cls, item: IndexedDocument) -> Read:
        """Packed for the way."""
        numbers: dict[str, int] = {}
        chunks = [(c.start, c.end, numbers.setdefault(c.context, len(numbers))) for c in item.chunks]
        return cls(item.document, chunks, list(numbers), item.sketch)

    def unpack(self) -> IndexedDocument:
        """The document with its chunks, numbered and cut as the chunker did."""
        document = self.document
        chunks = spans(document, self.chunks, self.contexts)
        return IndexedDocument(document=document, chunks=chunks, sketch=self.sketch)


def spans(document: Document, cuts: Sequence[tuple[int, int, int]], contexts: Sequence[str]) -> list[Chunk]:
    """The chunks of a document from `(start, end, number of the context)`."""
    text, id_ = document.text, document.id
    return [
        Chunk(
            id=f"{id_}#c{ordinal}",
            document_id=id_,
            ordinal=ordinal,
            start=start,
            end=end,
            text=text[start:end],
            context=contexts[context],
            furniture=within(document.furniture, start, end),
        )
        for ordinal, (start, end, context) in enumerate(cuts)
    ]


class MemberFailed(msgspec.Struct, frozen=True, array_like=True):
    """A file inside the file in hand cannot be had."""

    source: str
    kind: FailureKind
    stage: Stage
    message: str
    hint: str
    transient: bool

    @classmethod
    def of(cls, failure: Failure) -> MemberFailed:
        """What `outcome` was made of."""
        return cls(failure.source, failure.kind, failure.stage, failure.message, failure.hint, failure.transient)

    def outcome(self, file: SourceFile) -> Failure:
        """As the pool hands it out."""
        name = self.source.removeprefix(file.source)
        return Failure(
            path=Path(f"{file.path}{name}"),
            source=self.source,
            kind=self.kind,
            stage=self.stage,
            message=self.message,
            hint=self.hint,
            transient=self.transient,
            file=file,
        )


class Piece(msgspec.Struct, frozen=True, array_like=True, tag="piece"):
    """Documents of the file in hand; more follow unless `last`."""

    documents: list[Read]
    warnings: list[Warned]
    seconds: float
    last: bool
    failed: Sequence[MemberFailed] = ()
    formats: Sequence[str] = ()
    left_out: int = 0

    @classmethod
    def of(cls, parsed: ParsedFile) -> Piece:
        """What `outcome` was made of."""
        reads = [Read.of(item) for item in parsed.documents]
        failed = [MemberFailed.of(failure) for failure in parsed.failures]
        return cls(reads, list(parsed.warnings), parsed.seconds, parsed.last, failed, parsed.formats)

    def outcome(self, file: SourceFile) -> ParsedFile:
        """As the pool hands it out."""
        return ParsedFile(
            file=file,
            documents=[read.unpack() for read in self.documents],
            warnings=self.warnings,
            failures=[failed.outcome(file) for failed in self.failed],
            formats=self.formats,
            left_out=self.left_out,
            seconds=self.seconds,
            bytes_read=file.size if self.last else 0,
            last=self.last,
        )


class Failed(msgspec.Struct, frozen=True, array_like=True, tag="failed"):
    """The file in hand cannot be had."""

    kind: FailureKind
    stage: Stage
    message: str
    hint: str
    transient: bool
    seconds: float

    @classmethod
    def of(cls, failure: Failure) -> Failed:
        """What `outcome` was made of."""
        return cls(failure.kind, failure.stage, failure.message, failure.hint, failure.transient, failure.seconds)

    def outcome(self, file: SourceFile) -> Failure:
        """As the pool hands it out."""
        return Failure(
            path=file.path,
            source=file.source,
            kind=self.kind,
            stage=self.stage,
            message=self.message,
            hint=self.hint,
            transient=self.transient,
            file=file,
            seconds=self.seconds,
        )


class Confined(msgspec.Struct, frozen=True, array_like=True, tag="confined"):
    """The first thing that a worker says: what it could not give up, each with the reason."""

    lacking: dict[str, str]


class Alive(msgspec.Struct, frozen=True, array_like=True, tag="alive"):
    """The file in hand is worked at; its next part may cost so many CPU seconds."""

    seconds: float


class Place(msgspec.Struct, frozen=True, array_like=True, tag="place"):
    """A file inside the file in hand is read now; it may cost so many CPU seconds. See `ingest.types.Entered`."""

    source: str
    position: tuple[int, ...]
    seconds: float


Report: TypeAlias = Piece | Failed | Alive | Confined | Place


@cache
def _report_decoder() -> msgspec.msgpack.Decoder[Report]:
    return msgspec.msgpack.Decoder(Report)


def decode_report(frame: bytes | bytearray) -> Report:
    """What a worker says.

    Raises:
        msgspec.MsgspecError: the worker talks nonsense.
    """
    return _report_decoder().decode(frame)


def send(connection: socket.socket, message: msgspec.Struct) -> None:
    """Send one message on a blocking socket.

    Raises:
        OSError: the other side is gone.
    """
    body = msgspec.msgpack.encode(message)
    connection.sendall(_LENGTH.pack(len(body)))
    connection.sendall(body)


def receive_order(connection: socket.socket) -> SourceFile | None:
    """The next file to read, on a blocking socket; None when the pool has closed."""
    head = _exactly(connection, _LENGTH.size)
    if head is None:
        return None
    body = _exactly(connection, _LENGTH.unpack(head)[0])
    return None if body is None else msgspec.msgpack.decode(body, type=Order).file()


def _exactly(connection: socket.socket, size: int) -> bytearray | None:
    buffer = bytearray(size)
    view, have = memoryview(buffer), 0
    while have < size:
        got = connection.recv_into(view[have:])
        if not got:
            return None
        have += got
    return buffer


class Receiver:
    """Puts frames together from a non-blocking socket, so that a worker that stops in mid-frame blocks nobody."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._buffer = bytearray(_LENGTH.size)
        self._have = 0
        self._in_body = False
        self.closed = False

    def frames(self) -> Iterator[bytearray]:
        """The frames that are complete now.

        Raises:
            ValueError: a frame claims to be larger than any can be.
        """
        while self._fill():
            frame = self._advance()
            if frame is not None:
                yield frame

    def _fill(self) -> bool:
        view = memoryview(self._buffer)
        while self._have < len(view):
            try:
                got = self._connection.recv_into(view[self._have :])
            except BlockingIOError:
                return False
            except ConnectionError:
                got = 0
            if not got:
                self.closed = True
                return False
            self._have += got
        return True

    def _advance(self) -> bytearray | None:
        full, self._have = self._buffer, 0
        if self._in_body:
            self._in_body, self._buffer = False, bytearray(_LENGTH.size)
            return full
        size = _LENGTH.unpack(full)[0]
        if size > _FRAME_BYTES:
            raise ValueError(f"a frame of {size:,} bytes")
        self._in_body, self._buffer = True, bytearray(size)
        return None
