"""OLE files, as Office 97-2003 and Outlook write them: opened, and what they say of themselves."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from ingest.errors import ParseError
from ingest.parsers.properties import properties
from retrievers.types import MetadataValue

_NAMES = {
    "title": "title",
    "author": "author",
    "create_time": "created",
    "last_saved_time": "modified",
    "subject": "subject",
    "keywords": "keywords",
    "comments": "description",
}
_FIRST_YEAR = 1980  # the zero of its calendar is 1601
_ENCODINGS = {65001: "utf-8", 1200: "utf-16-le", 0: "cp1252"}


@contextmanager
def opened_ole(path: Path) -> Iterator[Any]:
    """The OLE file at `path`.

    Raises:
        ParseError: it is damaged, or what is read of it is.
    """
    import olefile

    try:
        with olefile.OleFileIO(path) as ole:
            yield ole
    except (OSError, ValueError, IndexError, struct.error) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise ParseError(f"its OLE container is damaged: {error}") from error


def summary(path: Path) -> dict[str, MetadataValue]:
    """Title, author and dates; nothing where that part of the file is damaged."""
    try:
        with opened_ole(path) as ole:
            return properties_of(ole)
    except ParseError:
        return {}


def properties_of(ole: Any) -> dict[str, MetadataValue]:
    """Title, author and dates of an open file."""
    try:
        return properties(_pairs(ole.get_metadata()))
    except (ValueError, IndexError, struct.error, TypeError):
        return {}


def _pairs(found: Any) -> Iterator[tuple[str, object]]:
    code_page = (getattr(found, "codepage", None) or 0) & 0xFFFF
    for name, ours in _NAMES.items():
        value = getattr(found, name, None)
        if isinstance(value, bytes):
            yield ours, _decoded(value, _ENCODINGS.get(code_page, f"cp{code_page}"))
        elif isinstance(value, datetime) and value.year > _FIRST_YEAR:
            yield ours, value


def _decoded(value: bytes, encoding: str) -> str:
    try:
        return value.decode(encoding, "replace").rstrip("\0")
    except LookupError:
        return value.decode("cp1252", "replace").rstrip("\0")
