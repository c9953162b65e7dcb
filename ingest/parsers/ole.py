"""What Office 97-2003 files say of themselves."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

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


def summary(path: Path) -> dict[str, MetadataValue]:
    """Title, author and dates; nothing where that part of the file is damaged."""
    import olefile

    try:
        with olefile.OleFileIO(path) as ole:
            found = ole.get_metadata()
    except (OSError, ValueError, IndexError):
        return {}
    return properties(_pairs(found))


def _pairs(found: Any) -> Iterator[tuple[str, object]]:
    codepage = f"cp{(getattr(found, 'codepage', None) or 0) & 0xFFFF}"
    encoding = {"cp65001": "utf-8", "cp1200": "utf-16-le"}.get(codepage, codepage)
    for name, ours in _NAMES.items():
        value = getattr(found, name, None)
        if isinstance(value, bytes):
            yield ours, _decoded(value, encoding)
        elif isinstance(value, datetime) and value.year > 1980:  # the zero of its calendar is 1601
            yield ours, value


def _decoded(value: bytes, encoding: str) -> str:
    try:
        return value.decode(encoding, "replace").rstrip("\0")
    except LookupError:
        return value.decode("cp1252", "replace").rstrip("\0")
