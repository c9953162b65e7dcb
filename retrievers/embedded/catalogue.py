"""The catalogue of fields as an index grows, and what a document's values become: tags and number columns.

A keyword or boolean is a tag `CODE=value`, the presence of any value a tag `?CODE`; numbers and dates go to a column
of their own, since only columns know ranges.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

from retrievers.embedded.records import FieldRecord
from retrievers.embedded.schema import NUMBER_SLOTS
from retrievers.fields import BUILT_IN, Comparable, comparables, type_of
from retrievers.types import FieldType

LONGEST_KEYWORD: Final = 1_000
"""Characters; of a longer one the beginning and a digest are indexed: equality and prefixes still work."""


@dataclass(frozen=True, slots=True)
class Values:
    """What a document is filtered by: tags, and numbers by column."""

    tags: list[str]
    numbers: list[tuple[str, float]]


class Catalogue:
    """Fields and their types, growing as documents bring new ones. The first value decides the type.

    Attributes:
        warnings: what could not be made filterable, one sentence a field.
    """

    def __init__(self, fields: Mapping[str, FieldRecord]) -> None:
        self._fields = dict(fields)
        self.warnings: dict[str, str] = {}
        for name, kind in BUILT_IN.items():
            self._field(name, kind)

    @property
    def fields(self) -> dict[str, FieldRecord]:
        """A copy, to be stored."""
        return dict(self._fields)

    def values(self, fields: Mapping[str, Any]) -> Values:
        """Tags and numbers of a document; fields that are new enter the catalogue."""
        found = Values([], [])
        for name, value in fields.items():
            field = self._fields.get(name) or self._field(str(name), type_of(value))
            if field is not None:
                self._add(found, str(name), field, value)
        return found

    def _add(self, found: Values, name: str, field: FieldRecord, value: Any) -> None:
        values = (value,) if field.type == "keyword" and isinstance(value, str) else comparables(value, field.type)
        if not values and type_of(value) is not None:
            self.warnings.setdefault(name, f"field `{name}` is a {field.type}: other values of it cannot be filtered")
        if not values:
            return
        found.tags.append(presence_tag(field))
        for each in values:
            if field.slot >= 0 and isinstance(each, float):
                found.numbers.append((f"n{field.slot}", each))
            else:
                found.tags.append(value_tag(field, each))

    def _field(self, name: str, kind: FieldType | None) -> FieldRecord | None:
        if name in self._fields or kind is None:
            return self._fields.get(name)
        slot = -1
        if kind in ("number", "date"):
            slot = 1 + max((field.slot for field in self._fields.values()), default=-1)
            if slot >= NUMBER_SLOTS:
                self.warnings.setdefault(
                    name, f"field `{name}` cannot be filtered: an index has {NUMBER_SLOTS} number and date fields"
                )
                return None
        self._fields[name] = FieldRecord(code=len(self._fields), type=kind, slot=slot)
        return self._fields[name]


def presence_tag(field: FieldRecord) -> str:
    """The tag of documents that have a value in the field."""
    return f"?{field.code}"


def value_tag(field: FieldRecord, value: Comparable) -> str:
    """The tag of documents that have this keyword or boolean."""
    return value_prefix(field) + keyword_term(value)


def value_prefix(field: FieldRecord) -> str:
    """What the tags of all values of a field begin with."""
    return f"{field.code}="


def keyword_term(value: Comparable) -> str:
    """A keyword or boolean as it stands in the index."""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    if len(text) <= LONGEST_KEYWORD:
        return text
    return f"{text[:LONGEST_KEYWORD]}\x1f{blake2b(text.encode(), digest_size=8).hexdigest()}"
