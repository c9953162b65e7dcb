"""What a document is called: its id, its title, and what its file's name says."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from ingest import titles
from ingest.types import Parsed, SourceFile
from retrievers.types import MetadataValue

_SLUG_LENGTH = 80
_HASH_DIGITS = 8
_NOT_IN_SLUGS = re.compile(r"[^\w.]+")
_BETWEEN_WORDS = re.compile(r"[\s_\-.+~,;#]+")


def document_id(name: str, content_hash: str) -> str:
    """A readable id: a slug of the file's name and the beginning of the content's hash (`3M_2018_10K-4f2a9c1e`)."""
    stem = unicodedata.normalize("NFC", PurePosixPath(name).stem)
    slug = _NOT_IN_SLUGS.sub("-", stem)[:_SLUG_LENGTH].strip("-.")
    return f"{slug or 'document'}-{content_hash[:_HASH_DIGITS]}"


def title_of(parsed: Parsed, name: str) -> str:
    """What the content calls itself, else its first heading, else the words of the file's name."""
    return titles.title_of(parsed, name_words(name), name)


def name_words(name: str) -> str:
    """A file's name as words, without its extension: `3M_2018_10K.pdf` is `3M 2018 10K`."""
    path = PurePosixPath(name)
    return _BETWEEN_WORDS.sub(" ", path.stem).strip() or path.name


def file_metadata(file: SourceFile) -> dict[str, MetadataValue]:
    """What can be filtered by for every file.

    `path` (its source), `name`, `extension` (lower case, no dot), `folder` under the root, `folders` (that folder and
    all around it), `size` in bytes, `modified` (to the second, in UTC).
    """
    path = PurePosixPath(urlsplit(file.source).path.lstrip("/") if "://" in file.source else file.source)
    folders = [str(folder) for folder in path.parents if str(folder) not in (".", "/")]
    known: dict[str, MetadataValue] = {
        "path": file.source,
        "name": path.name,
        "extension": path.suffix.lower().lstrip("."),
        "folder": folders[0] if folders else "",
        "folders": tuple(reversed(folders)),
        "modified": _moment(file.mtime_ns),
    }
    return {key: value for key, value in known.items() if value} | {"size": file.size}


def _moment(mtime_ns: int) -> str:
    try:
        moment = datetime.fromtimestamp(mtime_ns // 10**9, UTC) if mtime_ns else None
    except (OverflowError, ValueError, OSError):  # a clock that went mad
        return ""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ") if moment else ""


_LONGEST_VALUE = 8_000
_INT64 = 1 << 63
_SURROGATES = re.compile("[\ud800-\udfff]")
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1f\x7f]")


def storable(text: str) -> str:
    """The text without what no UTF-8 can hold and no reader wants, at the same length: offsets stay where they are."""
    if not text.isascii():
        text = _SURROGATES.sub("\ufffd", text)
    return _CONTROLS.sub(" ", text)


def storable_metadata(metadata: Mapping[str, MetadataValue]) -> dict[str, MetadataValue]:
    """The metadata that an index can hold: no empty values, numbers within 64 bits, strings of a sane length."""
    kept: dict[str, MetadataValue] = {}
    for key, value in metadata.items():
        clean = _storable_value(value)
        if clean not in ("", (), None) and storable(key).strip():
            kept[storable(key).strip()] = clean
    return kept


def _storable_value(value: MetadataValue) -> MetadataValue:
    match value:
        case bool():
            return value
        case int():
            return value if -_INT64 <= value < _INT64 else str(value)
        case float():
            return value if value - value == 0 else ""  # neither nan nor infinite
        case str():
            return storable(value).strip()[:_LONGEST_VALUE]
        case _:
            return tuple(storable(item).strip()[:_LONGEST_VALUE] for item in value if item.strip())
