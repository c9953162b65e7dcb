"""What a document says of itself, under the same names in every format.

`title`, `author` (one, or several), `created` and `modified` (ISO 8601), `language`, `subject`, `keywords` and more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime

from retrievers.types import MetadataValue

_NAMES = ("title", "author", "created", "modified", "language", "subject", "keywords", "description", "publisher")
_DATES = ("created", "modified")
_ISO = re.compile(r"\d{4}-\d\d-\d\d")
_SPACES = re.compile(r"\s+")
_SEVERAL = re.compile(r"\s*;\s*")


def properties(pairs: Iterable[tuple[str, object]]) -> dict[str, MetadataValue]:
    """The properties among these names and values; a name that comes twice has several values, a date only one."""
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        text = _text(name, value)
        if name in _NAMES and text and text not in values.setdefault(name, []):
            values[name].append(text)
    return {name: _value(name, found) for name, found in values.items() if found}


def authors(text: str) -> MetadataValue:
    """One author, or several where they are parted by semicolons."""
    names = tuple(filter(None, _SEVERAL.split(text.strip())))
    return names if len(names) > 1 else "".join(names)


def _text(name: str, value: object) -> str:
    if isinstance(value, datetime):
        return iso(value)
    text = _SPACES.sub(" ", str(value)).strip()
    if name in _DATES:
        date = _ISO.match(text)
        return date[0] if date else ""
    return text


def iso(moment: datetime) -> str:
    """A date as ISO 8601, a time of day in UTC where its zone is known."""
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC)
    return f"{moment:%Y-%m-%d}"


def _value(name: str, found: list[str]) -> MetadataValue:
    if name == "author":
        return authors(";".join(found))
    if name in _DATES or name == "title":
        return found[0]
    return found[0] if len(found) == 1 else "; ".join(found)
