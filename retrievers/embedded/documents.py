"""Read documents from one state of an index: whole, in pieces, counted, listed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from tantivy import Order, Query

from retrievers.embedded.catalogue import presence_tag, value_prefix
from retrievers.embedded.filtering import all_of, beyond
from retrievers.embedded.records import FieldRecord
from retrievers.embedded.snapshot import Address, Snapshot
from retrievers.errors import DocumentNotFound
from retrievers.fields import date_text
from retrievers.filters import type_in
from retrievers.protocols import FilterLike
from retrievers.types import (
    CorpusDescription,
    DocumentSummary,
    Facet,
    FieldInfo,
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
    """Documents of one snapshot."""

    def __init__(self, now: Snapshot) -> None:
        self._now = now

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
            metadata=unit.metadata,
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
        type_in(field, self._now.types)
        heads = self._heads(query, filters)
        values = self._values(self._now.state.fields[field], heads)
        return sorted(values, key=lambda facet: (-facet.count, facet.value))[: max(top_k, 0)]

    def scan(self, query: str, filters: FilterLike, after: str, limit: int | None) -> Iterator[DocumentSummary]:
        """Matching documents by id."""
        heads = self._heads(query, filters)  # now, not at the first `next`: a wrong filter is told at once
        return self._scan(heads, after, limit)

    def describe(self, embedder: str) -> CorpusDescription:
        """What the index holds."""
        now = self._now
        heads = now.heads(None)
        chunks = now.searcher.aggregate(heads, {"sum": {"sum": {"field": "chunks"}}})["sum"]["value"]
        infos = [self._info(name, field, heads) for name, field in now.state.fields.items()]
        return CorpusDescription(
            documents=now.documents,
            chunks=int(chunks or 0),
            vectors=now.vectors.live_count,
            embedder=embedder,
            fields=tuple(info for info in infos if info.documents),
            languages=tuple(self.facets("language", "", None, 50)) if "language" in now.types else (),
        )

    def _head(self, doc_id: str) -> tuple[int, Address]:
        found = self._now.head(doc_id)
        if found is None:
            raise DocumentNotFound(f"no document `{doc_id}` in the index", hint="ids come with the results of a search")
        return found

    def _heads(self, query: str, filters: FilterLike) -> Query:
        return self._now.heads(self._now.resolved(filters), self._now.question(query))

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
                    metadata=unit.metadata,
                )
            if not batch:
                return
            after = batch[-1][0]
            left = None if left is None else left - len(batch)

    def _ids_after(self, heads: Query, after: str) -> list[tuple[str, Address]]:
        """The next documents in order of id; empty at the end."""
        if after:
            later = beyond(after[:_AFTER])
            heads = all_of([heads, Query.regex_query(self._now.schema, "doc_id", later)])
        size = SCAN_BATCH
        while True:
            found = self._now.searcher.search(heads, size, count=False, order_by_field="doc_id", order=Order.Asc).hits
            beyond_it = [(doc_id, address) for doc_id, address in found if doc_id > after]
            if beyond_it or len(found) < size:
                return beyond_it
            size *= 4

    def _values(self, field: FieldRecord, heads: Query, most: int | None = None) -> list[Facet]:
        if field.slot >= 0:
            return self._numbers(field, heads, most)
        prefix = value_prefix(field)
        terms = self._now.searcher.terms_with_prefix("tag", prefix, heads, most)
        texts = [(term[len(prefix) :].partition("\x1f")[0], count) for term, count in terms]
        if field.type == "boolean":
            return [Facet(value=text == "true", count=count) for text, count in texts]
        return [Facet(value=text, count=count) for text, count in texts]

    def _numbers(self, field: FieldRecord, heads: Query, most: int | None) -> list[Facet]:
        asked = {"values": {"terms": {"field": f"n{field.slot}", "size": most or 60_000}}}
        buckets = self._now.searcher.aggregate(heads, asked)["values"]["buckets"]
        if field.type == "date":
            return [Facet(value=date_text(bucket["key"]), count=bucket["doc_count"]) for bucket in buckets]
        return [Facet(value=_number(bucket["key"]), count=bucket["doc_count"]) for bucket in buckets]

    def _info(self, name: str, field: FieldRecord, heads: Query) -> FieldInfo:
        present = all_of([heads, self._now.queries.tagged(presence_tag(field))])
        values = self._values(field, heads, _EXAMPLE_VALUES)
        values.sort(key=lambda facet: (-facet.count, facet.value))
        examples = tuple(facet.value for facet in values[:_EXAMPLES])
        return FieldInfo(name=name, type=field.type, documents=self._now.count(present), examples=examples)


def _number(value: float) -> int | float:
    return int(value) if float(value).is_integer() else value
