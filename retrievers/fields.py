"""The fields that documents can be filtered by: their types, and the values a document has in them.

A field has one type in the whole index: that of the first value seen. A value of another type stays in the
document's metadata and cannot be filtered by. Numbers are IEEE doubles; a date compares as seconds since 1970 UTC.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from retrievers.types import Document, FieldType, MetadataValue

Comparable: TypeAlias = str | float | bool
"""What a value is compared as: keywords `str`, numbers and dates `float`, booleans `bool`."""

BUILT_IN: Mapping[str, FieldType] = {
    "doc_id": "keyword",
    "source": "keyword",
    "title": "keyword",
    "language": "keyword",
    "media_type": "keyword",
    "pages": "number",
}
"""Fields that every document has by itself; metadata of the same name does not hide them."""

_DATE = re.compile(
    r"(?P<year>\d{4})(-(?P<month>\d{2})(-(?P<day>\d{2})"
    r"([T ]\d{2}:\d{2}(?P<second>:\d{2}(?P<fraction>\.\d{1,6})?)?(Z|[+-]\d{2}:?\d{2})?)?)?)?",
    re.ASCII,
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def fields_of(document: Document) -> dict[str, MetadataValue]:
    """What a document can be filtered by: its metadata and the built-in fields."""
    sources = document.sources or (document.source,)
    own: dict[str, MetadataValue] = {
        "doc_id": document.id,
        "source": [source for source in sources if source],
        "title": document.title,
        "language": document.language,
        "media_type": document.media_type,
    }
    if document.pages:
        own["pages"] = len(document.pages)
    return {**document.metadata, **{name: value for name, value in own.items() if value not in ("", [])}}


def type_of(value: Any) -> FieldType | None:
    """The type that a value would give its field; None for what cannot be filtered by (nested or empty values)."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "date" if instant(value) is not None else "keyword"
    if isinstance(value, list | tuple) and value and all(isinstance(item, str) for item in value):
        return "date" if all(instant(item) is not None for item in value) else "keyword"
    return None


def comparables(value: Any, kind: FieldType) -> tuple[Comparable, ...]:
    """The values of a document in a field of this type; none where they are of another type."""
    items = tuple(value) if isinstance(value, list | tuple) else (value,)
    found = [_comparable(item, kind) for item in items]
    return tuple(item for item in found if item is not None)


def _comparable(item: Any, kind: FieldType) -> Comparable | None:
    match kind:
        case "keyword":
            return item if isinstance(item, str) else None
        case "boolean":
            return item if isinstance(item, bool) else None
        case "date":
            return instant(item) if isinstance(item, str) else None
        case "number":
            return None if isinstance(item, bool) else number(item)


def number(value: object) -> float | None:
    """A finite number as a double, or None."""
    if not isinstance(value, int | float):
        return None
    try:
        result = float(value)
    except OverflowError:
        return None
    return result if math.isfinite(result) else None


def instant(text: str) -> float | None:
    """Seconds since 1970 of a whole date (`2019-03-01`, `2019-03-01T12:00:00Z`), or None; without a zone it is UTC."""
    if len(text) < 10 or not text[:4].isdigit():  # most strings leave here
        return None
    bounds = interval(text)
    return bounds[0] if bounds else None


def interval(text: str) -> tuple[float, float] | None:
    """First and last instant of what a date means at its precision (`2019` is a year), or None if it is no date.

    The last instant belongs to it: one microsecond before the next year, month, day, minute or second begins.
    """
    parts = _DATE.fullmatch(text)
    if parts is None:
        return None
    padded = text + "-01-01"[(len(text) - 4) :] if len(text) < 10 else text
    try:
        begin = datetime.fromisoformat(padded)
        begin = begin if begin.tzinfo else begin.replace(tzinfo=UTC)
    except ValueError:
        return None
    first = _seconds(begin)
    return first, max(first, _seconds(_last(begin, parts)))


def _last(begin: datetime, parts: re.Match[str]) -> datetime:
    try:
        return _next(begin, parts) - timedelta(microseconds=1)
    except (ValueError, OverflowError):  # the end of the calendar
        return datetime.max.replace(tzinfo=UTC)


def _next(begin: datetime, parts: re.Match[str]) -> datetime:
    if parts["month"] is None:
        return datetime(begin.year + 1, 1, 1, tzinfo=UTC)
    if parts["day"] is None:
        return (begin.replace(day=28) + timedelta(days=4)).replace(day=1)
    if parts["fraction"] is not None:
        return begin + timedelta(microseconds=1)
    if parts["second"] is not None:
        return begin + timedelta(seconds=1)
    return begin + (timedelta(minutes=1) if len(parts[0]) > 10 else timedelta(days=1))


def _seconds(moment: datetime) -> float:
    return (moment - _EPOCH) / timedelta(seconds=1)


def date_text(seconds: float) -> str:
    """The ISO 8601 text of an instant: a date where it is midnight UTC, else with the time."""
    try:
        moment = _EPOCH + timedelta(seconds=seconds)
    except OverflowError:  # rounded beyond the end of the calendar
        moment = datetime.max.replace(tzinfo=UTC)
    if moment.timetz().replace(tzinfo=None) == datetime.min.time():
        return moment.date().isoformat()
    return moment.isoformat().replace("+00:00", "Z")
