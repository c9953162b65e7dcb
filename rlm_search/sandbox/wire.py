"""Messages over a byte stream: 4-byte lengths and JSON, in frames of at most 8 MiB. Used by host and worker alike.

A message is one JSON value. A long one travels as several frames; the top bit of a frame's length says that more
follow. Nothing here decodes: the host uses msgspec, the worker (which has no site-packages) the standard library.
"""

from __future__ import annotations

import binascii
import os
import select
import socket
import struct
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal, TypeAlias

FRAME_BYTES = 8 * 1024 * 1024
"""The longest frame; a longer one is a violation."""
MAX_DEPTH = 60
"""How deep lists and dicts may nest in a message."""
BUFFER_BYTES = 4 * 1024 * 1024
"""What is asked for as the socket's buffers: with the usual 200 KiB, 10 MB take four times as long."""

RAW_CHARACTERS = 500_000
"""From this length on a text that is a variable travels as a message of its own, as it is: three times as fast."""

_HEADER = struct.Struct("!I")
_MORE = 1 << 31

Wait: TypeAlias = Callable[[Literal["read", "write"]], None]
"""Called where the socket would block; returns when it may be tried again, raises when time is up."""


class WireError(Exception):
    """The other side broke the protocol: a frame too long, a message over its cap, nonsense in it."""


class Closed(WireError):
    """The other side is gone."""


class Pipes:
    """Two descriptors in place of a socket: what a container gives its program as stdin and stdout."""

    def __init__(self, source: int, sink: int) -> None:
        self._source, self._sink = source, sink

    def recv_into(self, buffer: memoryview) -> int:
        """Read some bytes; 0 where the other side is gone."""
        return os.readv(self._source, [buffer])

    def send(self, data: bytes | memoryview) -> int:
        """Write some bytes."""
        return os.write(self._sink, data)


LINE_BYTES = 48 * 1024
"""Of what is carried in one line of text, which base64 makes a third longer."""
FROM_HOST, FROM_WORKER = b">", b"<"
"""What a line begins with: others are echoes, and messages of shells, and are left out."""


def lined(data: bytes | memoryview, mark: bytes) -> bytes:
    """Bytes as a line of text."""
    return mark + binascii.b2a_base64(data)


def unlined(pieces: Iterable[bytes], mark: bytes) -> Iterator[bytes]:
    """The bytes of the lines that begin with a mark, from text that comes in pieces of any size.

    Raises:
        WireError: a line without end.
    """
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            if line.startswith(mark):
                yield _unlined(line[1:])
        if len(rest) > 2 * LINE_BYTES:
            raise WireError("a line that does not end")


def _unlined(line: bytes) -> bytes:
    try:
        return binascii.a2b_base64(line.strip(), strict_mode=True)
    except binascii.Error as error:
        raise WireError(f"a line that is no base64: {error}") from None


class Lines:
    """Two descriptors that carry lines of text, in place of a socket: the worker's end."""

    def __init__(self, source: int, sink: int) -> None:
        self._pieces = unlined(iter(lambda: self._read(source), b""), FROM_HOST)
        self._sink = sink
        self._rest = memoryview(b"")

    @staticmethod
    def _read(source: int) -> bytes:
        buffer = bytearray(65_536)
        return bytes(buffer[: os.readv(source, [buffer])])

    def recv_into(self, buffer: memoryview) -> int:
        """Read some bytes; 0 where the other side is gone."""
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = memoryview(piece)
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def send(self, data: bytes | memoryview) -> int:
        """Write some bytes."""
        taken = memoryview(data)[:LINE_BYTES]
        line = memoryview(lined(taken, FROM_WORKER))
        while line:
            line = line[os.write(self._sink, line) :]
        return len(taken)


def widen(sock: socket.socket) -> None:
    """Ask for large buffers; less is given where the system has a lower cap."""
    for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
        sock.setsockopt(socket.SOL_SOCKET, option, BUFFER_BYTES)
    if sock.family == socket.AF_INET:  # what a pair is on Windows: short messages go at once
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def waited(sock: socket.socket, direction: Literal["read", "write"], seconds: float) -> bool:
    """Wait until the socket can be read or written, for at most so long; whether it can, or has ended."""
    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(sock, select.POLLIN if direction == "read" else select.POLLOUT)
        return bool(poll.poll(seconds * 1000))
    readers, writers = ([sock], []) if direction == "read" else ([], [sock])
    return any(select.select(readers, writers, [], seconds))  # Windows


def blocks(direction: Literal["read", "write"]) -> None:
    """The `Wait` of a socket in blocking mode, which never has to be waited for."""
    raise BlockingIOError(f"a blocking socket would not {direction}")


def frames(message: bytes, frame_bytes: int = FRAME_BYTES) -> Iterator[bytes | memoryview]:
    """What to write, in order: a header and a piece of the message, until it is all there."""
    if len(message) <= 65_536 <= frame_bytes:  # one piece, one system call
        yield _HEADER.pack(len(message)) + message
        return
    view = memoryview(message)
    for start in range(0, len(message), frame_bytes):
        piece = view[start : start + frame_bytes]
        more = _MORE if start + frame_bytes < len(message) else 0
        yield _HEADER.pack(len(piece) | more)
        yield piece


def send(sock: socket.socket | Pipes | Lines, message: bytes, wait: Wait = blocks) -> None:
    """Write one message.

    Raises:
        Closed: the other side is gone.
    """
    for piece in frames(message):
        rest = memoryview(piece)
        while rest:
            try:
                rest = rest[sock.send(rest) :]
            except BlockingIOError:
                wait("write")
            except OSError as error:
                raise Closed(str(error)) from error


def receive(sock: socket.socket | Pipes | Lines, *, limit: int, wait: Wait = blocks) -> bytes:
    """Read one message of at most `limit` bytes.

    Raises:
        Closed: the other side is gone, also in the middle of a message.
        WireError: a frame or the message is too long.
    """
    first, more = _frame(sock, limit, wait)
    if not more:
        return bytes(first)
    pieces = [first]
    total = len(first)
    while more:
        piece, more = _frame(sock, limit - total, wait)
        if not piece:
            raise WireError("an empty frame inside a message")
        pieces.append(piece)
        total += len(piece)
    return b"".join(pieces)


def _frame(sock: socket.socket | Pipes | Lines, limit: int, wait: Wait) -> tuple[bytearray, bool]:
    header = bytearray(_HEADER.size)
    _fill(sock, header, wait)
    (word,) = _HEADER.unpack(header)
    length = word & ~_MORE
    if length > FRAME_BYTES:
        raise WireError(f"a frame of {length:,} bytes; at most {FRAME_BYTES:,} are allowed")
    if length > limit:
        raise WireError(f"a message longer than its limit by {length - limit:,} bytes or more")
    body = bytearray(length)
    _fill(sock, body, wait)
    return body, bool(word & _MORE)


def _fill(sock: socket.socket | Pipes | Lines, buffer: bytearray, wait: Wait) -> None:
    rest = memoryview(buffer)
    while rest:
        try:
            count = sock.recv_into(rest)
        except BlockingIOError:
            wait("read")
            continue
        except OSError as error:
            raise Closed(str(error)) from error
        if count == 0:
            raise Closed("the stream has ended")
        rest = rest[count:]


def text_bytes(text: str) -> bytes:
    """A text as UTF-8. Halves of surrogate pairs are joined, and lone ones replaced: they are no text."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()


def check_depth(value: Any, limit: int = MAX_DEPTH) -> None:
    """See that a decoded message nests at most `limit` deep.

    Raises:
        WireError: it nests deeper.
    """
    level: list[Any] = [value]
    for _ in range(limit + 1):
        level = [child for item in level if isinstance(item, list | dict) for child in _children(item)]
        if not level:
            return
    raise WireError(f"nested more than {limit} deep")


def _children(item: list[Any] | dict[str, Any]) -> Iterator[Any]:
    values = item.values() if isinstance(item, dict) else item
    return (child for child in values if isinstance(child, list | dict))
