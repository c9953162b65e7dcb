"""From a resolved filter to a tantivy query over rows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, assert_never

import tantivy
from tantivy import FieldType, Occur, Query

from retrievers.embedded.catalogue import (
    LONGEST_KEYWORD,
    column,
    presence_tag,
    value_prefix,
    value_tag,
)
from retrievers.embedded.records import FieldRecord
from retrievers.fields import keyword
from retrievers.filters import And, Eq, Exists, Filter, In, Leaf, Not, Or, Prefix, Range, Scalar, ordered, within

_SPECIAL: Final = re.compile(r"([\\.+*?()|\[\]{}^$#&\-~])")
"""What means something in tantivy's regular expressions. To escape anything else is an error there."""
LONGEST_PATTERN: Final = 60
"""Characters; tantivy refuses regular expressions of more than 1,000 states."""

ANYTHING: Final = r"[\s\S]*"
"""The regular expression for the rest of a term."""


class FilterBuilder:
    """Translates filters over one state of an index."""

    def __init__(self, schema: tantivy.Schema, searcher: tantivy.Searcher, fields: Mapping[str, FieldRecord]) -> None:
        self._schema = schema
        self._searcher = searcher
        self._fields = fields

    def query(self, resolved: Filter) -> Query:
        """The rows of documents that pass a filter, as `retrievers.filters.resolve` gives it."""
        match resolved:
            case And(parts):
                return all_of([self.query(part) for part in parts])
            case Or(parts):
                return Query.boolean_query([(Occur.Should, self.query(part)) for part in parts])
            case Not(inner):
                return Query.boolean_query([(Occur.Must, Query.all_query()), (Occur.MustNot, self.query(inner))])
            case _:
                return self._leaf(resolved, self._fields[resolved.field])

    def _leaf(self, leaf: Leaf, field: FieldRecord) -> Query:
        match leaf:
            case Eq(_, value):
                return self._equal(field, value)
            case In(_, values):
                return self._one_of(field, values)
            case Range(type="number"):
                return self._numbers(column(field.number), leaf)
            case Range(type="date"):
                return self._numbers(column(field.date), leaf)
            case Range():
                return self._keywords(field, leaf)
            case Exists():
                return self._tagged(presence_tag(field))
            case Prefix(_, prefix):
                return self._beginning(value_prefix(field) + prefix[:LONGEST_KEYWORD])
            case _ as unreachable:
                assert_never(unreachable)

    def _equal(self, field: FieldRecord, value: Scalar) -> Query:
        if isinstance(value, str | bool):
            return self._tagged(value_tag(field, str(keyword(value))))
        return self._numbers(column(field.number), Range(field="", gte=value, lte=value))

    def _one_of(self, field: FieldRecord, values: tuple[Scalar, ...]) -> Query:
        if all(isinstance(value, str) for value in values):
            return self._any_of([value_tag(field, str(value)) for value in values])
        return Query.boolean_query([(Occur.Should, self._equal(field, value)) for value in values])

    def _tagged(self, tag: str) -> Query:
        return Query.term_query(self._schema, "tag", tag, "basic")

    def _any_of(self, tags: list[str]) -> Query:
        return Query.term_set_query(self._schema, "tag", tags) if tags else Query.empty_query()

    def _numbers(self, name: str, bounds: Range) -> Query:
        """One range query takes one lower and one upper bound; of two of a side both must hold, for the same value."""
        lower = max(_sides(bounds.gte, False) + _sides(bounds.gt, True), default=(None, False))
        upper = min(_sides(bounds.lte, True) + _sides(bounds.lt, False), default=(None, True))
        return Query.range_query(
            self._schema,
            name,
            FieldType.Float,
            lower_bound=lower[0],
            upper_bound=upper[0],
            include_lower=not lower[1],
            include_upper=upper[1],
        )

    def _beginning(self, prefix: str) -> Query:
        if len(prefix) <= LONGEST_PATTERN:
            return Query.regex_query(self._schema, "tag", escaped(prefix) + ANYTHING)
        found = [term for term, _ in self._searcher.terms_with_prefix("tag", prefix)]
        return self._any_of(found)

    def _keywords(self, field: FieldRecord, bounds: Range) -> Query:
        """Terms have no ranges: look through the field's values."""
        prefix = value_prefix(field)
        found = [term for term, _ in self._searcher.terms_with_prefix("tag", prefix)]
        inside = [term for term in found if within(bounds, ordered(term[len(prefix) :]))]
        return self._any_of(inside)


def _sides(bound: str | float | None, flag: bool) -> list[tuple[float, bool]]:
    """A bound with a flag that puts the narrower of two equal bounds at the end that is chosen."""
    return [] if bound is None else [(float(bound), flag)]


def all_of(queries: list[Query]) -> Query:
    """The rows that all of them match."""
    return Query.boolean_query([(Occur.Must, query) for query in queries]) if queries else Query.all_query()


def escaped(text: str) -> str:
    """A text as the regular expression for itself."""
    return _SPECIAL.sub(r"\\\1", text)


def beyond(text: str) -> str:
    """A regular expression for every text that comes after this one, by code points.

    tantivy takes 1,000 states: about 48 characters, since what follows is written once and not behind each of them.
    """
    pattern = r"[\s\S]"
    for character in reversed(text):
        code = ord(character) + 1
        code = 0xE000 if 0xD800 <= code <= 0xDFFF else code
        higher = rf"|[\x{{{code:X}}}-\x{{10FFFF}}]" if code <= 0x10FFFF else ""
        pattern = f"(?:{escaped(character)}{pattern}{higher})"
    return pattern + ANYTHING
