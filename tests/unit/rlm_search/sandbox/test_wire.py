from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_search.sandbox import wire

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@given(st.binary(max_size=300), st.integers(min_value=1, max_value=40))
def test_the_pieces_of_a_message_are_the_message(message: bytes, frame_bytes: int) -> None:
    stream = b"".join(wire.frames(message, frame_bytes))
    read, rest, more = b"", stream, True
    while more and rest:
        (word,) = struct.unpack("!I", rest[:4])
        length, more = word & 0x7FFFFFFF, bool(word >> 31)
        assert length <= frame_bytes
        read, rest = read + rest[4 : 4 + length], rest[4 + length :]
    assert (read, rest) == (message, b"")


@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, wire.FRAME_BYTES, wire.FRAME_BYTES + 1, 20_000_000])
def test_a_message_of_any_size_arrives(size: int, pair: Pair) -> None:
    message = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    for sock in pair:
        wire.widen(sock)
    sender = threading.Thread(target=wire.send, args=(pair[0], message))
    sender.start()
    assert wire.receive(pair[1], limit=size) == message
    sender.join()


def test_messages_keep_their_borders(pair: Pair) -> None:
    for message in (b"one", b"", b"three"):
        wire.send(pair[0], message)
    assert [wire.receive(pair[1], limit=10) for _ in range(3)] == [b"one", b"", b"three"]


def test_a_message_above_its_limit_is_refused_before_it_is_read(pair: Pair) -> None:
    pair[0].sendall(struct.pack("!I", 1_000))
    with pytest.raises(wire.WireError, match="longer than its limit by 900"):
        wire.receive(pair[1], limit=100)


def test_a_frame_above_the_cap_is_refused_whatever_the_limit(pair: Pair) -> None:
    pair[0].sendall(struct.pack("!I", wire.FRAME_BYTES + 1))
    with pytest.raises(wire.WireError, match="at most 8,388,608"):
        wire.receive(pair[1], limit=1 << 40)


def test_frames_together_may_not_exceed_the_limit(pair: Pair) -> None:
    pair[0].sendall((struct.pack("!I", (1 << 31) | 60) + b"x" * 60) * 2)
    with pytest.raises(wire.WireError, match="longer than its limit"):
        wire.receive(pair[1], limit=100)


def test_an_endless_row_of_empty_frames_is_refused(pair: Pair) -> None:
    pair[0].sendall(struct.pack("!I", 1 << 31) * 3)
    with pytest.raises(wire.WireError, match="empty frame"):
        wire.receive(pair[1], limit=100)


@pytest.mark.parametrize("sent", [b"", b"\0\0", struct.pack("!I", 10) + b"half"])
def test_a_stream_that_ends_is_closed_not_short(sent: bytes, pair: Pair) -> None:
    pair[0].sendall(sent)
    pair[0].close()
    with pytest.raises(wire.Closed):
        wire.receive(pair[1], limit=100)


def test_writing_to_nobody_is_closed(pair: Pair) -> None:
    pair[1].close()
    with pytest.raises(wire.Closed):
        wire.send(pair[0], b"x" * 100)


def test_reading_from_a_closed_socket_is_closed(pair: Pair) -> None:
    pair[1].close()
    with pytest.raises(wire.Closed):
        wire.receive(pair[1], limit=1)


def test_a_socket_that_would_block_waits_as_it_is_told(pair: Pair) -> None:
    asked: list[str] = []

    class LateError(Exception):
        pass

    def wait(direction: str) -> None:
        asked.append(direction)
        if len(asked) > 2:
            raise LateError
        if direction == "read":
            wire.send(pair[0], b"now")

    pair[1].setblocking(False)
    assert wire.receive(pair[1], limit=10, wait=wait) == b"now"
    with pytest.raises(LateError):
        wire.send(pair[1], b"x" * 50_000_000, wait)
    assert asked == ["read", "write", "write"]


def test_a_blocking_socket_never_waits() -> None:
    with pytest.raises(BlockingIOError):
        wire.blocks("read")


def test_any_text_becomes_bytes_that_are_text() -> None:
    assert wire.text_bytes("größer 😀") == "größer 😀".encode()
    assert wire.text_bytes("\ud83d\ude00 \ud800").decode() == "😀 \ufffd"


def test_depth_counts_lists_and_dicts() -> None:
    value: object = "leaf"
    for n in range(wire.MAX_DEPTH):
        value = [value] if n % 2 else {"k": value}
    wire.check_depth(value)
    wire.check_depth("text")
    with pytest.raises(wire.WireError, match="nested more than 60 deep"):
        wire.check_depth([[value]])
