"""The fields that documents can be filtered by: their types, and the values a document has in them.

A field has one type in the whole index: that of most documents, whatever their order. Each value keeps its own form
beside it, and a filter asks for every form that it can be read as; so a value that does not fit is found as well.
Numbers are IEEE doubles; a date compares as seconds since 1970 UTC.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, TypeAlias

from retrievers.types import Document, FieldType, MetadataValue

Comparable: TypeAlias = str | float | bool
"""What a value is compared as: keywords `str`, numbers and dates `float`, booleans `bool`."""

Types: TypeAlias = tuple[FieldType, ...]
"""The type of a field, then the other types that values in it can be read as."""

FieldTypes: TypeAlias = Mapping[str, FieldType | Types]
"""Every field of an index. A single type says that all values are of it."""

Form: TypeAlias = Literal["number", "numeral", "date", "boolean", "flag", "keyword"]
"""What a value looks like: a numeral is a string that reads as a number, a flag the string `true` or `false`."""

FORMS_OF: Final[Mapping[FieldType, frozenset[Form]]] = {
    "keyword": frozenset({"keyword", "numeral", "flag", "date"}),
    "number": frozenset({"number", "numeral"}),
    "date": frozenset({"date"}),
    "boolean": frozenset({"boolean", "flag"}),
}
"""The forms that are no conflict with a field's type: every string can be a keyword."""

BUILT_IN: Mapping[str, FieldType] = {
    "doc_id": "keyword",
    "source": "keyword",
    "title": "keyword",
    "language": "keyword",
    "media_type": "keyword",
    "duplicate_of": "keyword",
    "pages": "number",
}
"""Fields that every document has by itself; metadata of the same name does not hide them."""

_NUMERAL = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?", re.ASCII)

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
    metadata = {name: value for name, value in document.metadata.items() if name != "duplicate_of"}
    return {**metadata, **{name: value for name, value in own.items() if value not in ("", [])}}


def type_of(value: Any) -> FieldType | None:
    """The type that a value alone would give its field; None for what cannot be filtered by (nested, empty)."""
    forms = forms_of(value)
    return types_among(dict.fromkeys(forms, 1))[0] if forms else None


def forms_of(value: Any) -> frozenset[Form]:
    """The forms that the values of a document in a field have; none for what cannot be filtered by."""
    return frozenset(form for item in items_of(value) if (form := _form(item)) is not None)


def items_of(value: Any) -> tuple[Any, ...]:
    """A field's values: those of a list, or the one."""
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def types_among(documents: Mapping[Form, int]) -> Types:
    """The types of a field in an index, from the number of documents that have values of each form in it.

    The first is that of most documents, a keyword where none leads. A numeral counts as a number where numbers are
    in the field, and a flag as a boolean where booleans are; else they are keywords that can also be read so.
    """
    numbers, booleans = documents.get("number", 0), documents.get("boolean", 0)
    numerals, flags = documents.get("numeral", 0), documents.get("flag", 0)
    votes: dict[FieldType, int] = {
        "keyword": documents.get("keyword", 0) + (0 if numbers else numerals) + (0 if booleans else flags),
        "number": numbers and numbers + numerals,
        "date": documents.get("date", 0),
        "boolean": booleans and booleans + flags,
    }
    first = max(votes, key=lambda kind: votes[kind])  # of equals the first: a keyword
    readable = {**votes, "number": numbers + numerals, "boolean": booleans + flags}
    return (first, *(kind for kind in votes if kind != first and readable[kind]))


def _form(item: Any) -> Form | None:
    if isinstance(item, bool):
        return "boolean"
    if isinstance(item, str):
        return _form_of_text(item)
    return "number" if number(item) is not None else None


def _form_of_text(text: str) -> Form:
    if text in ("true", "false"):
        return "flag"
    if instant(text) is not None:
        return "date"
    return "keyword" if _numeral(text) is None else "numeral"


def comparables(value: Any, kind: FieldType) -> tuple[Comparable, ...]:
    """The values of a document in a field, read as this type; none where they cannot be."""
    return tuple(_readings(items_of(value), kind))


def _readings(items: tuple[Any, ...], kind: FieldType) -> Iterator[Comparable]:
    for item in items:
        reading = _comparable(item, kind)
        if reading is not None:
            yield reading


def _comparable(item: Any, kind: FieldType) -> Comparable | None:
    match kind:
        case "keyword":
            return keyword(item)
        case "boolean":
            return item if isinstance(item, bool) else {"true": True, "false": False}.get(str(item))
        case "date":
            return instant(item) if isinstance(item, str) else None
        case "number":
            return _numeral(item) if isinstance(item, str) else number(item)


def keyword(item: Any) -> str | None:
    """A value as a keyword: its text, as JSON writes it; None for what has no text to compare."""
    if isinstance(item, str):
        return item
    if isinstance(item, bool):
        return "true" if item else "false"
    value = number(item)
    if value is None:
        return None
    return str(int(item)) if isinstance(item, int) or (value.is_integer() and abs(value) < 1e15) else repr(value)


def _numeral(text: str) -> float | None:
    """The number that a text writes; with a zero in front, as in a postal code, it is none."""
    return number(float(text)) if _NUMERAL.fullmatch(text) else None


def number(value: object) -> float | None:
    """A finite number as a double, or None; zero has no sign, since engines that go by bits tell two apart."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        result = float(value)
    except OverflowError:
        return None
    return result + 0.0 if math.isfinite(result) else None


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
