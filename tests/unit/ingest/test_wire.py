"""What workers say arrives as it was said, in any portions, and nonsense is refused."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from ingest import wire
from ingest.types import Failure, SourceFile, Warned
from retrievers.types import Chunk, Document, Heading, IndexedDocument

FILE = SourceFile(path=Path("/a/caf\udce9\n.pdf"), source="a.pdf", size=12, mtime_ns=34, fingerprint="c-22")


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    one, other = socket.socketpair()
    with one, other:
        yield one, other


def an_item() -> IndexedDocument:
    text = "One two \U0001d518 three."
    document = Document(
        id="d-1",
        source="a.pdf",
        sources=("a.pdf",),
        title="T",
        text=text,
        media_type="application/pdf",
        content_hash="0f",
        pages=(0, 8),
        page_labels=("i", "ii"),
        headings=(Heading(title="One", level=1, start=0),),
        language="en",
        metadata={"year": 2020, "share": 0.5, "draft": True, "tags": ("a", "b"), "name": "a.pdf"},
    )
    spans = [(0, 8, "T"), (4, 16, "T\nOne")]
    chunks = [
        Chunk(id=f"d-1#c{n}", document_id="d-1", ordinal=n, start=a, end=b, text=text[a:b], context=context)
        for n, (a, b, context) in enumerate(spans)
    ]
    return IndexedDocument(document=document, chunks=chunks)


def test_an_order_arrives_with_a_name_that_is_no_unicode(pair: tuple[socket.socket, socket.socket]) -> None:
    wire.send(pair[0], wire.Order.of(FILE))
    assert wire.receive_order(pair[1]) == FILE


def test_the_end_of_orders_is_none(pair: tuple[socket.socket, socket.socket]) -> None:
    pair[0].send(b"\0\0")
    pair[0].close()
    assert wire.receive_order(pair[1]) is None


def test_a_document_and_its_chunks_arrive_as_they_were(pair: tuple[socket.socket, socket.socket]) -> None:
    item, warned = an_item(), Warned(source="a.pdf", kind="repaired")
    wire.send(pair[0], wire.Piece([wire.Read.of(item)], [warned], 0.5, last=True))
    pair[1].setblocking(False)
    (frame,) = wire.Receiver(pair[1]).frames()
    report = wire.decode_report(frame)
    assert isinstance(report, wire.Piece)
    outcome = report.outcome(FILE)
    (arrived,) = outcome.documents
    assert list(arrived.chunks) == list(item.chunks)
    assert arrived.document.text == item.document.text
    assert arrived.document.metadata == {**item.document.metadata, "tags": ["a", "b"]}
    assert (outcome.file, outcome.warnings, outcome.bytes_read, outcome.pages) == (FILE, [warned], 12, 2)


def test_a_failure_arrives_with_all_that_was_said(pair: tuple[socket.socket, socket.socket]) -> None:
    failed = wire.Failed(kind="encrypted", stage="parse", message="m", hint="h", transient=False, seconds=1.0)
    wire.send(pair[0], failed)
    pair[1].setblocking(False)
    (frame,) = wire.Receiver(pair[1]).frames()
    report = wire.decode_report(frame)
    assert isinstance(report, wire.Failed)
    assert report.outcome(FILE) == Failure(
        path=FILE.path,
        source="a.pdf",
        kind="encrypted",
        stage="parse",
        message="m",
        hint="h",
        file=FILE,
        seconds=1.0,
    )


def test_frames_are_put_together_from_any_portions(pair: tuple[socket.socket, socket.socket]) -> None:
    piece = wire.Piece([wire.Read.of(an_item())], [], 0.0, last=True)
    for _ in range(3):
        wire.send(pair[0], piece)
    sent = pair[1].recv(1 << 20)
    one, other = socket.socketpair()
    other.setblocking(False)
    receiver, frames = wire.Receiver(other), 0
    with one, other:
        for byte in sent:
            one.send(bytes([byte]))
            frames += len(list(receiver.frames()))
        assert not receiver.closed
        one.close()
        assert not list(receiver.frames())
    assert (frames, receiver.closed) == (3, True)


def test_a_frame_larger_than_any_can_be_is_refused(pair: tuple[socket.socket, socket.socket]) -> None:
    pair[0].send(b"\xff\xff\xff\xff")
    pair[1].setblocking(False)
    with pytest.raises(ValueError, match="frame"):
        list(wire.Receiver(pair[1]).frames())


@pytest.mark.parametrize("frame", [b"", b"nonsense", b"\x93\xa5piece\x01\x02", b"\xc0"])
def test_nonsense_is_refused(frame: bytes) -> None:
    with pytest.raises(msgspec.MsgspecError):
        wire.decode_report(frame)
