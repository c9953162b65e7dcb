"""The types of an index's fields, counted in what one commit holds, and the conflicts among their values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, Literal

from tantivy import Query, Schema, Searcher

from retrievers.embedded.catalogue import KEYWORDS_ONLY, form_tag
from retrievers.embedded.records import FieldRecord
from retrievers.fields import FORMS_OF, Form, Types, types_among

_NEEDS_COLUMN: Final[tuple[Literal["number", "date"], ...]] = ("number", "date")


class CountedTypes(Mapping[str, Types]):
    """Fields and their types, the first that of most documents; counted when asked for, and remembered.

    Args:
        fields: the catalogue.
        schema: of the index.
        searcher: over the commit. No callable of a snapshot, which would keep itself and its files alive.
    """

    def __init__(self, fields: Mapping[str, FieldRecord], schema: Schema, searcher: Searcher) -> None:
        self._fields = fields
        self._schema = schema
        self._searcher = searcher
        self._found: dict[str, Types] = {}

    def __getitem__(self, name: str) -> Types:
        if name not in self._found:
            self._found[name] = self._types(name, self._fields[name])
        return self._found[name]

    def __contains__(self, name: object) -> bool:
        return name in self._fields

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def _types(self, name: str, field: FieldRecord) -> Types:
        if name in KEYWORDS_ONLY:
            return ("keyword",)
        counts: dict[Form, int] = dict.fromkeys(field.forms, 1)
        if len(field.forms) > 1:  # most fields have one form only, and nothing to count
            counts = {form: self._count(form_tag(field, form)) for form in field.forms}
        types = types_among(counts)
        kept = tuple(each for each in types if each not in _NEEDS_COLUMN or getattr(field, each) >= 0)
        return kept if kept == types else ("keyword", *(each for each in kept if each != "keyword"))

    def _count(self, tag: str) -> int:
        query = Query.term_query(self._schema, "tag", tag, "basic")
        return int(self._searcher.search(query, 1, count=True).count)  # type: ignore[attr-defined]  # not in its stubs


def conflicting(field: FieldRecord, types: Types) -> list[str]:
    """The tags of documents whose values in a field are not of its type."""
    fitting = FORMS_OF[types[0]] | frozenset(form for form in _NEEDS_COLUMN if getattr(field, form) < 0)
    return [form_tag(field, form) for form in field.forms if form not in fitting]
