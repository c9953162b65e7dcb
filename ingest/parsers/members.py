"""What archives of all kinds have in common."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ingest.errors import ParseError, UnsupportedFormat
from ingest.types import Enclosed


def is_hidden(name: str) -> bool:
    """Left out, as in folders: names that begin with a dot, and what macOS adds to archives."""
    parts = [part for part in name.split("/") if part not in ("", ".", "..")]
    return any(part.startswith(".") or part == "__MACOSX" for part in parts)


def left_out(name: str) -> Enclosed:
    """A member that is counted and not read."""
    return Enclosed(name=name, open=io.BytesIO, is_left_out=True)


@contextmanager
def needs_archives(name: str) -> Iterator[None]:
    """Around the import of a library of the extra `archives`.

    Raises:
        UnsupportedFormat: it is not installed.
    """
    try:
        yield
    except ImportError as error:
        hint = "pip install 'rlm-search[archives]', then `ingest retry --kind unsupported`"
        raise UnsupportedFormat(f"{name} files are read with the extra `archives`", hint=hint) from error


def readable(content: Any, damages: tuple[type[Exception], ...], most: int = 0, why: str = "") -> io.BufferedReader:
    """A stream whose damages are failures of one file, and which ends with one after `most` bytes (0 is no limit).

    Args:
        content: closed with it.
        damages: what reading it raises where it is damaged.
        most: bytes that may be read.
        why: what is said of more.
    """
    return io.BufferedReader(_Checked(content, damages, most, why), 1 << 16)


class _Checked(io.RawIOBase):
    def __init__(self, content: Any, damages: tuple[type[Exception], ...], most: int, why: str) -> None:
        self._content, self._damages, self._most, self._why = content, damages, most, why
        self._count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        try:
            piece = self._content.read(len(view))
        except self._damages as error:
            raise ParseError(f"it is damaged: {error}") from error
        self._count += len(piece)
        if self._most and self._count > self._most:
            raise ParseError(self._why, kind="too-large")
        view[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        if not self.closed:
            self._content.close()
        super().close()
