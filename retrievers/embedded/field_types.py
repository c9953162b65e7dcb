"""The types of an index's fields, counted in what one commit holds, and the conflicts among their values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final, Literal

from retrievers.embedded.catalogue import KEYWORDS_ONLY, form_tag
from retrievers.embedded.records import FieldRecord
from retrievers.fields import FORMS_OF, Form, Types, types_among

_NEEDS_COLUMN: Final[tuple[Literal["number", "date"], ...]] = ("number", "date")


class CountedTypes(Mapping[str, Types]):
    """Fields and their types, the first that of most documents; counted when asked for, and remembered.

    Args:
        fields: the catalogue.
        count: how many documents have a tag on their head row.
    """

    def __init__(self, fields: Mapping[str, FieldRecord], count: Callable[[str], int]) -> None:
        self._fields = fields
        self._count = count
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


def conflicting(field: FieldRecord, types: Types) -> list[str]:
    """The tags of documents whose values in a field are not of its type."""
    fitting = FORMS_OF[types[0]] | frozenset(form for form in _NEEDS_COLUMN if getattr(field, form) < 0)
    return [form_tag(field, form) for form in field.forms if form not in fitting]
