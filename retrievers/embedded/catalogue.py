"""The catalogue of fields as an index grows, and what a document's values become: tags and columns.

Every value is a tag `CODE=text`, the presence of any a tag `?CODE`; numbers and dates go to columns of their own as
well, since only columns know ranges. What forms a document's values have is told by tags `?CODE:form` of its head
row: counted, they are the type of the field, whatever came first and whatever has gone since.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Final, Literal

from msgspec.structs import replace

from retrievers.arguments import whole
from retrievers.embedded.records import FieldRecord
from retrievers.embedded.schema import NUMBER_SLOTS
from retrievers.fields import BUILT_IN, Form, comparables, forms_of, items_of, keyword
from retrievers.filters import ORDERED_BY
from retrievers.types import FieldType

LONGEST_KEYWORD: Final = ORDERED_BY
"""Characters; of a longer one the beginning and a digest are indexed: equality and prefixes still work."""

LONGER: Final = "\x1f"
"""Between the beginning of such a keyword and its digest."""

KEYWORDS_ONLY: Final = frozenset(name for name, kind in BUILT_IN.items() if kind == "keyword")
"""Fields that are no numbers or dates, whatever their values look like."""

_COLUMNS: Final[tuple[tuple[Literal["number", "date"], frozenset[Form]], ...]] = (
    ("number", frozenset({"number", "numeral"})),
    ("date", frozenset({"date"})),
)


@dataclass(frozen=True, slots=True)
class Values:
    """What a document is filtered by: tags of all its rows, tags of its head row, and numbers by column."""

    tags: dict[str, None] = field(default_factory=dict)
    forms: list[str] = field(default_factory=list)
    numbers: list[tuple[str, float]] = field(default_factory=list)


class Catalogue:
    """Fields and the forms of their values, growing as documents bring new ones.

    Attributes:
        warnings: what could not be made filterable, one sentence a field.
        touched: fields that documents had values in since the catalogue was opened.
    """

    def __init__(self, fields: Mapping[str, FieldRecord]) -> None:
        self._fields = dict(fields)
        self._slots = 1 + max((max(each.number, each.date) for each in fields.values()), default=-1)
        self.warnings: dict[str, str] = {}
        self.touched: set[str] = set()
        for name in BUILT_IN:
            self._fields.setdefault(name, FieldRecord(code=len(self._fields)))

    @property
    def fields(self) -> dict[str, FieldRecord]:
        """A copy, to be stored."""
        return dict(self._fields)

    def values(self, fields: Mapping[str, Any]) -> Values:
        """Tags and numbers of a document; fields and forms that are new enter the catalogue."""
        found = Values()
        for name, value in fields.items():
            forms = forms_of(value)
            if forms:
                self._add(found, whole(str(name)), value, frozenset({"keyword"}) if name in KEYWORDS_ONLY else forms)
        return found

    def _add(self, found: Values, name: str, value: Any, forms: frozenset[Form]) -> None:
        self.touched.add(name)
        field = self._field(name, forms)
        found.tags[presence_tag(field)] = None
        found.forms.extend(form_tag(field, form) for form in forms)
        for item in items_of(value):
            text = keyword(item)
            if text is not None:
                found.tags[value_tag(field, text)] = None
        for kind, _ in _COLUMNS:
            slot = getattr(field, kind)
            if slot >= 0:
                found.numbers.extend((column(slot), float(each)) for each in comparables(value, kind))

    def _field(self, name: str, forms: frozenset[Form]) -> FieldRecord:
        """The field, with room for values of these forms."""
        known = self._fields.get(name) or FieldRecord(code=len(self._fields))
        if name not in self._fields or not forms.issubset(known.forms):
            known = replace(known, forms=tuple(sorted({*known.forms, *forms})))
            for kind, wanted in _COLUMNS:
                if forms & wanted and getattr(known, kind) < 0:
                    known = replace(known, **{kind: self._slot(name, kind)})
            self._fields[name] = known
        return known

    def _slot(self, name: str, kind: FieldType) -> int:
        if self._slots >= NUMBER_SLOTS:
            self.warnings.setdefault(
                name,
                f"field `{name}` cannot be filtered as a {kind}, only by its text: an index has "
                f"{NUMBER_SLOTS} number and date fields",
            )
            return -1
        self._slots += 1
        return self._slots - 1


def column(slot: int) -> str:
    """The name of a column of numbers."""
    return f"n{slot}"


def presence_tag(field: FieldRecord) -> str:
    """The tag of documents that have a value in the field."""
    return f"?{field.code}"


def form_tag(field: FieldRecord, form: Form) -> str:
    """The tag of the head rows of documents that have a value of this form in the field."""
    return f"?{field.code}:{form}"


def value_tag(field: FieldRecord, text: str) -> str:
    """The tag of documents that have this value."""
    return value_prefix(field) + keyword_term(text)


def value_prefix(field: FieldRecord) -> str:
    """What the tags of all values of a field begin with."""
    return f"{field.code}="


def keyword_term(text: str) -> str:
    """A value as it stands in the index."""
    if len(text) <= LONGEST_KEYWORD:
        return text
    return f"{text[:LONGEST_KEYWORD]}{LONGER}{blake2b(text.encode(), digest_size=8).hexdigest()}"
