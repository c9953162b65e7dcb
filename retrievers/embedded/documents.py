"""Read documents from one state of an index: whole, in pieces, counted, listed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from tantivy import Order, Query

from retrievers.embedded.catalogue import column, presence_tag, value_prefix
from retrievers.embedded.field_types import conflicting
from retrievers.embedded.filtering import all_of as both
from retrievers.embedded.filtering import beyond
from retrievers.embedded.records import FieldRecord, UnitRecord
from retrievers.embedded.snapshot import Address, Snapshot
from retrievers.errors import DocumentNotFound
from retrievers.fields import comparables, date_text
from retrievers.filters import Eq, Filter, all_of, types_in
from retrievers.marks import FIELD, asked_for, tellable
from retrievers.protocols import FilterLike
from retrievers.types import (
    CorpusDescription,
    DocumentSummary,
    Facet,
    FieldInfo,
    FieldType,
    Heading,
    Page,
    RetrievedDocument,
    Span,
    pages_of,
)

SCAN_BATCH: Final = 5_000
"""Documents listed a step."""

_AFTER: Final = 40
"""Characters of an id that a scan's starting point is sought by; ids that agree in these are compared one by one."""

_EXAMPLES: Final = 5
_EXAMPLE_VALUES: Final = 500
"""Values of a field that are looked through for frequent examples."""


class DocumentReader:
    """Documents of one snapshot, those that pass a filter that must hold."""

    def __init__(self, now: Snapshot, must: Filter | None = None) -> None:
        self._now = now
        self._must = must

    def get(self, doc_id: str) -> RetrievedDocument:
        """The whole document."""
        doc_no, address = self._head(doc_id)
        head = self._now.head_record(address)
        unit, _ = self._now.unit(address)
        return RetrievedDocument(
            doc_id=doc_id,
            content=self._now.text(doc_no, head, 0, head.length),
            title=unit.title,
            source=unit.source,
            pages=tuple(head.pages),
            page_labels=tuple(head.labels),
            headings=tuple(Heading(title=h.title, level=h.level, start=h.start) for h in head.headings),
            sources=tuple(head.sources),
            language=head.language,
            media_type=head.media_type,
            metadata=self._told(unit),
        )

    def read(self, doc_id: str, start: int, end: int) -> Span:
        """A piece of the text."""
        doc_no, address = self._head(doc_id)
        head = self._now.head_record(address)
        start = min(max(start, 0), head.length)
        end = min(max(end, start), head.length)
        text = self._now.text(doc_no, head, start, end) if end > start else ""
        return Span(doc_id=doc_id, start=start, end=end, text=text, pages=pages_of(head.pages, start, end))

    def read_pages(self, doc_id: str, first: int, last: int) -> Sequence[Page]:
        """Some pages."""
        doc_no, address = self._head(doc_id)
        head = self._now.head_record(address)
        first, last = max(first, 1), min(last, len(head.pages))
        if first > last:
            return []
        bounds = [0, *head.pages[1:], head.length]
        offset, end = bounds[first - 1], bounds[last]
        text = self._now.text(doc_no, head, offset, end)
        return [
            Page(
                doc_id=doc_id,
                number=number,
                label=head.labels[number - 1] if head.labels else "",
                start=bounds[number - 1],
                end=bounds[number],
                text=text[bounds[number - 1] - offset : bounds[number] - offset],
            )
            for number in range(first, last + 1)
        ]

    def count(self, query: str, filters: FilterLike) -> int:
        """How many documents match."""
        return self._now.count(self._heads(query, filters))

    def facets(self, field: str, query: str, filters: FilterLike, top_k: int) -> Sequence[Facet]:
        """The most frequent values of a field."""
        types_in(tellable(self._must, field), self._now.types)
        values = self._values(field, self._heads(query, filters))
        return values[: max(top_k, 0)]

    def scan(self, query: str, filters: FilterLike, after: str, limit: int | None) -> Iterator[DocumentSummary]:
        """Matching documents by id."""
        heads = self._heads(query, filters)  # now, not at the first `next`: a wrong filter is told at once
        return self._scan(heads, after, limit)

    def describe(self, embedder: str) -> CorpusDescription:
        """What the index holds."""
        now = self._now
        must = now.resolved(self._must)
        heads = now.heads(must)
        rows = now.rows(must)
        chunks = now.searcher.aggregate(heads, {"sum": {"sum": {"field": "chunks"}}})["sum"]["value"]
        named = {name: field for name, field in now.state.fields.items() if self._must is None or name != FIELD}
        infos = [self._info(name, field, heads) for name, field in named.items()]
        return CorpusDescription(
            documents=now.count(heads),
            chunks=int(chunks or 0),
            vectors=now.vectors.live_count if rows is None else len(rows),
            embedder=embedder,
            fields=tuple(info for info in infos if info.documents),
            languages=tuple(self.facets("language", "", None, 50)) if "language" in now.types else (),
        )

    def _head(self, doc_id: str) -> tuple[int, Address]:
        found = self._now.head(doc_id)
        if found is None or not self._passes(doc_id):
            raise DocumentNotFound(f"no document `{doc_id}` in the index", hint="ids come with the results of a search")
        return found

    def _passes(self, doc_id: str) -> bool:
        if self._must is None:
            return True
        return self._now.count(self._now.heads(self._now.resolved(all_of(self._must, Eq("doc_id", doc_id))))) > 0

    def _heads(self, query: str, filters: FilterLike) -> Query:
        return self._now.heads(self._now.resolved(asked_for(self._must, filters)), self._now.question(query))

    def _told(self, unit: UnitRecord) -> Mapping[str, Any]:
        return unit.told if self._must is None else unit.metadata

    def _scan(self, heads: Query, after: str, limit: int | None) -> Iterator[DocumentSummary]:
        now, left = self._now, limit
        while left is None or left > 0:
            batch = self._ids_after(heads, after)
            for doc_id, address in batch[:left]:
                unit, _ = now.unit(address)
                head = now.head_record(address)
                yield DocumentSummary(
                    doc_id=doc_id,
                    title=unit.title,
                    source=unit.source,
                    pages=len(head.pages),
                    characters=head.length,
                    language=head.language,
                    metadata=self._told(unit),
                )
            if not batch:
                return
            after = batch[-1][0]
            left = None if left is None else left - len(batch)

    def _ids_after(self, heads: Query, after: str) -> list[tuple[str, Address]]:
        """The next documents in order of id; empty at the end."""
        if after:
            later = beyond(after[:_AFTER])
            heads = both([heads, Query.regex_query(self._now.schema, "doc_id", later)])
        size = SCAN_BATCH
        while True:
            found = self._now.searcher.search(heads, size, count=False, order_by_field="doc_id", order=Order.Asc).hits
            beyond_it = [(doc_id, address) for doc_id, address in found if doc_id > after]
            if beyond_it or len(found) < size:
                return beyond_it
            size *= 4

    def _values(self, name: str, heads: Query, most: int | None = None) -> list[Facet]:
        """Values and counts, most frequent first: those of the field's type, and of others their text."""
        kind, *others = self._now.types[name]
        field = self._now.state.fields[name]
        found: list[Facet] = []
        if kind in WRITTEN:
            counted = self._column(_slot(field, kind), heads, most)
            found = [Facet(value=WRITTEN[kind](value), count=count) for value, count in counted]
        if not found or others:
            found += [
                Facet(value=value, count=count)
                for text, count in self._texts(field, heads, most)
                if (value := beside_column(text, kind)) is not None
            ]
        return sorted(found, key=lambda facet: (-facet.count, isinstance(facet.value, str), facet.value))

    def _texts(self, field: FieldRecord, heads: Query, most: int | None) -> list[tuple[str, int]]:
        prefix = value_prefix(field)
        terms = self._now.searcher.terms_with_prefix("tag", prefix, heads, most)
        return [(term[len(prefix) :].partition("\x1f")[0], count) for term, count in terms]

    def _column(self, slot: int, heads: Query, most: int | None) -> list[tuple[float, int]]:
        asked = {"values": {"terms": {"field": column(slot), "size": most or 60_000}}}
        buckets = self._now.searcher.aggregate(heads, asked)["values"]["buckets"]
        return [(bucket["key"], bucket["doc_count"]) for bucket in buckets]

    def _extremes(self, field: FieldRecord, kind: FieldType, heads: Query) -> tuple[str | int | float | None, ...]:
        """The lowest and the highest number or date."""
        if kind not in WRITTEN:
            return None, None
        name = column(_slot(field, kind))
        found = self._now.searcher.aggregate(heads, {end: {end: {"field": name}} for end in ("min", "max")})
        ends = (found["min"]["value"], found["max"]["value"])
        return tuple(None if value is None else WRITTEN[kind](value) for value in ends)

    def _info(self, name: str, field: FieldRecord, heads: Query) -> FieldInfo:
        present = both([heads, self._now.queries.tagged(presence_tag(field))])
        types = self._now.types[name]
        values = self._values(name, heads, _EXAMPLE_VALUES)
        lowest, highest = self._extremes(field, types[0], heads)
        return FieldInfo(
            name=name,
            type=types[0],
            documents=self._now.count(present),
            examples=tuple(facet.value for facet in values[:_EXAMPLES]),
            distinct=len(values) if len(values) < _EXAMPLE_VALUES else None,
            lowest=lowest,
            highest=highest,
            also=types[1:],
            conflicts=self._now.count(both([heads, conflicts(self._now, name)])),
        )


def conflicts(now: Snapshot, name: str) -> Query:
    """The head rows of documents whose values in a field are not of its type."""
    tags = conflicting(now.state.fields[name], now.types[name])
    return Query.term_set_query(now.schema, "tag", tags) if tags else Query.empty_query()


def conflict(now: Snapshot, name: str) -> str:
    """What to tell of a field with values that are not of its type; "" where there are none."""
    offending = conflicts(now, name)
    count = now.count(offending)
    if not count:
        return ""
    first = now.searcher.search(offending, 1, count=False, order_by_field="doc_id", order=Order.Asc).hits[0][1]
    unit, _ = now.unit(first)
    return (
        f"field `{name}` is a {now.types[name][0]}, and not so in {count:,} document{'s' if count > 1 else ''} "
        f"(first {unit.source}: {_shown(unit.metadata.get(name))}); equality finds them all the same"
    )


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def beside_column(text: str, kind: FieldType) -> str | bool | None:
    """A value by its text; None for one that the column of its type tells."""
    if kind == "keyword":
        return text
    read = comparables(text, kind)
    if not read:
        return text
    return read[0] if isinstance(read[0], bool) else None


def _number(value: float) -> int | float:
    return int(value) if float(value).is_integer() else value


def _slot(field: FieldRecord, kind: FieldType) -> int:
    return field.number if kind == "number" else field.date


WRITTEN: Final[Mapping[FieldType, Callable[[float], str | int | float]]] = {"number": _number, "date": date_text}
"""How values of a column are shown, by type."""
