"""Lists of paths, one a line or separated by NUL as `find -print0` writes them: read as they come, never whole."""

from __future__ import annotations

import codecs
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import BinaryIO

from ingest.errors import SourceError

STDIN = "-"
_PIECE = 1 << 16


def open_list(name: str) -> AbstractContextManager[BinaryIO]:
    """The list as bytes, for a name may be no valid Unicode; `-` is stdin.

    Raises:
        SourceError: it cannot be read.
    """
    if name == STDIN:
        return nullcontext(sys.stdin.buffer)
    try:
        return Path(name).open("rb")
    except OSError as error:
        raise SourceError(f"--files-from: cannot read {name}: {error.strerror}", hint="check the path") from None


def entries(stream: BinaryIO, *, is_null: bool = False) -> Iterator[bytes]:
    """The paths of a list, blank ones left out.

    Args:
        stream: read a piece at a time.
        is_null: they are separated by NUL; found out by itself where the first piece holds one.

    Raises:
        SourceError: it is in UTF-16, as some shells write it.
    """
    piece = _piece(stream)
    if piece.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise SourceError("--files-from: the list is in UTF-16", hint="write it as UTF-8")
    piece = piece.removeprefix(codecs.BOM_UTF8)
    separator = b"\0" if is_null or b"\0" in piece else b"\n"
    rest = b""
    while piece:
        *whole, rest = (rest + piece).split(separator)
        yield from _kept(whole, separator)
        piece = _piece(stream)
    yield from _kept([rest], separator)


def _piece(stream: BinaryIO) -> bytes:
    read = getattr(stream, "read1", stream.read)  # what a pipe has by now, without waiting for more
    piece: bytes = read(_PIECE)
    return piece


def _kept(lines: list[bytes], separator: bytes) -> Iterator[bytes]:
    for line in lines:
        entry = line.removesuffix(b"\r") if separator == b"\n" else line
        if entry.strip():
            yield entry
