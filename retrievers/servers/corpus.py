"""Count, list and describe the documents of an index on a server."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from retrievers.embedded.documents import WRITTEN, beside_column
from retrievers.embedded.querying import take_apart
from retrievers.fields import FORMS_OF, Form, Types
from retrievers.filters import Exists, types_in
from retrievers.marks import FIELD
from retrievers.servers import asking
from retrievers.servers.dialect import Dialect, Json
from retrievers.servers.looking import Seen
from retrievers.servers.rows import WIDE, form_name, wide_term
from retrievers.servers.showing import shown_metadata
from retrievers.types import CorpusDescription, DocumentSummary, Facet, FieldInfo

BATCH: Final = 1_000
"""Rows a request."""

MOST_VALUES: Final = 10_000
"""Values of a field that are looked through."""

_EXAMPLES: Final = 5
_EXAMPLE_VALUES: Final = 500
_FORMS: Final[tuple[Form, ...]] = ("number", "numeral", "date", "boolean", "flag", "keyword")
_TERMS: Final = 60_000
"""Editions that a condition can name: a server's limit is 65,536."""


class ServerCorpus:
    """The documents of an index that hold the conditions."""

    def __init__(
        self, dialect: Dialect, index: str, seen: Seen, conditions: Sequence[Json], *, is_held: bool = False
    ) -> None:
        self._dialect, self._index, self._seen = dialect, index, seen
        self._conditions = list(conditions)
        self._is_held = is_held  # a filter must hold: marks of near-duplicates are not told

    def count(self, query: str) -> int:
        """How many documents match."""
        found = self._dialect.request("POST", f"/{self._index}/_count", body={"query": self._heads(query)})
        return int(found["count"])

    def facets(self, field: str, query: str, top_k: int) -> Sequence[Facet]:
        """The most frequent values of a field."""
        types_in(field, self._seen.types)
        (values,) = self._values([field], self._heads(query), MOST_VALUES).values()
        return values.facets[: max(top_k, 0)]

    def scan(self, query: str, after: str, limit: int | None) -> Iterator[DocumentSummary]:
        """Matching documents by id."""
        heads = self._heads(query)  # now, not at the first `next`: a wrong filter is told at once
        return self._scan(heads, after, limit)

    def describe(self) -> CorpusDescription:
        """What the index holds."""
        heads = self._heads("")
        body = {"query": heads, "size": 0, "aggs": {"chunks": {"sum": {"field": "chunks"}}}, "track_total_hits": True}
        answer = self._dialect.request("POST", f"/{self._index}/_search", body=body)
        values = self._values(
            [name for name in self._seen.types if not self._is_held or name != FIELD], heads, _EXAMPLE_VALUES
        )
        infos = [self._info(name, found) for name, found in values.items()]
        return CorpusDescription(
            documents=answer["hits"]["total"]["value"],
            chunks=int(answer["aggregations"]["chunks"]["value"]),
            vectors=self._seen.vectors,
            embedder=self._seen.embedder,
            fields=tuple(info for info in infos if info.documents),
            languages=tuple(self.facets("language", "", 50)),
        )

    def _heads(self, query: str) -> Json:
        """The heads of the documents that hold all words and phrases of a query."""
        question = take_apart(query, self._seen.held)
        conditions = [asking.HEADS, *self._conditions]
        found: set[str] | None = None
        for wanted in asking.each(question, self._seen.held):
            found = self._holding(wanted, found)
            if not found:
                return asking.NOTHING
        if query.strip() and question.is_empty:
            return asking.NOTHING
        if found is None:
            return asking.all_of(conditions)
        ids = sorted(found)
        named = [{"terms": {"edition": ids[at : at + _TERMS]}} for at in range(0, len(ids), _TERMS)]
        return asking.all_of([*conditions, {"bool": {"should": named, "minimum_should_match": 1}}])

    def _holding(self, wanted: Json, among: set[str] | None) -> set[str]:
        """The editions of documents with a unit that holds a word, of those that held the words before."""
        query = asking.all_of([asking.UNITS, wanted, *self._conditions])
        source = {"composite": {"size": MOST_VALUES, "sources": [{"edition": {"terms": {"field": "edition"}}}]}}
        found: set[str] = set()
        while True:
            body = {"query": query, "size": 0, "track_total_hits": False, "aggs": {"ids": source}}
            answer = self._dialect.request("POST", f"/{self._index}/_search", body=body)["aggregations"]["ids"]
            ids = {bucket["key"]["edition"] for bucket in answer["buckets"]}
            found |= ids if among is None else ids & among
            if "after_key" not in answer:
                return found
            source["composite"]["after"] = answer["after_key"]

    def _scan(self, heads: Json, after: str, limit: int | None) -> Iterator[DocumentSummary]:
        left = limit
        point = self._dialect.open_point_in_time(self._index, "5m")
        try:
            while left is None or left > 0:
                rows, point = self._batch(heads, after, BATCH if left is None else min(left, BATCH), point)
                for row in rows:
                    yield _summary(row["_source"], is_held=self._is_held)
                if not rows:
                    return
                after = rows[-1]["sort"][0]
                left = None if left is None else left - len(rows)
        finally:
            self._dialect.close_point_in_time(point)

    def _batch(self, heads: Json, after: str, size: int, point: str) -> tuple[list[Json], str]:
        body: Json = {
            "query": heads,
            "size": size,
            "sort": [{"doc_id": "asc"}],
            "_source": ["doc_id", "hit", "summary", "language"],
            "track_total_hits": False,
            "pit": {"id": point, "keep_alive": "5m"},
        }
        if after:
            body["search_after"] = [after]
        answer = self._dialect.request("POST", "/_search", body=body)
        return answer["hits"]["hits"], answer.get("pit_id", point)

    # --- values -----------------------------------------------------------------------------------------------------

    def _values(self, names: Sequence[str], heads: Json, most: int) -> dict[str, _Values]:
        """The values of fields, counted in one request."""
        aggs: Json = {}
        for number, name in enumerate(names):
            kind = self._seen.types[name][0]
            texts, own = asking.path_of(name, "keyword"), asking.path_of(name, kind)
            aggs[f"has{number}"] = {"filter": asking.condition(Exists(name), self._seen.wide)}
            aggs[f"texts{number}"] = {"terms": {"field": texts, "size": most}}
            if name in self._seen.wide:
                only = re.escape(wide_term(name, "")) + "(.|\n)*"
                aggs[f"texts{number}"] = {"terms": {"field": "wide", "include": only, "size": most}}
            if own != texts:
                aggs[f"own{number}"] = {"terms": {"field": own, "size": most}}
                aggs[f"least{number}"], aggs[f"most{number}"] = {"min": {"field": own}}, {"max": {"field": own}}
            wrong = [form_name(name, form) for form in _FORMS if form not in FORMS_OF[kind]]
            aggs[f"conflicts{number}"] = {"filter": {"terms": {"forms": wrong}}}
        body = {"query": heads, "size": 0, "track_total_hits": False, "aggs": aggs}
        answer = self._dialect.request("POST", f"/{self._index}/_search", body=body)["aggregations"]
        return {name: _counted(answer, number, self._seen.types[name]) for number, name in enumerate(names)}

    def _info(self, name: str, found: _Values) -> FieldInfo:
        types = self._seen.types[name]
        return FieldInfo(
            name=name,
            type=types[0],
            documents=found.documents,
            examples=tuple(facet.value for facet in found.facets[:_EXAMPLES]),
            distinct=len(found.facets) if len(found.facets) < _EXAMPLE_VALUES else None,
            lowest=found.lowest,
            highest=found.highest,
            also=types[1:],
            conflicts=found.conflicts,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Values:
    """What documents have in a field."""

    documents: int
    conflicts: int
    facets: list[Facet]
    lowest: str | int | float | None
    highest: str | int | float | None


def _counted(answer: Json, number: int, types: Types) -> _Values:
    kind, *others = types
    ends: list[str | int | float | None] = [None, None]
    facets: list[Facet] = []
    if kind in WRITTEN:
        facets = [Facet(value=WRITTEN[kind](b["key"]), count=b["doc_count"]) for b in answer[f"own{number}"]["buckets"]]
        found = (answer[f"least{number}"]["value"], answer[f"most{number}"]["value"])
        ends = [None if value is None else WRITTEN[kind](value) for value in found]
    if not facets or others:
        facets += [
            Facet(value=value, count=bucket["doc_count"])
            for bucket in answer[f"texts{number}"]["buckets"]
            if (value := beside_column(bucket["key"].rpartition(WIDE)[2].partition("\x1f")[0], kind)) is not None
        ]
    return _Values(
        documents=answer[f"has{number}"]["doc_count"],
        conflicts=answer[f"conflicts{number}"]["doc_count"],
        facets=sorted(facets, key=lambda facet: (-facet.count, isinstance(facet.value, str), facet.value)),
        lowest=ends[0],
        highest=ends[1],
    )


def _summary(source: Json, *, is_held: bool) -> DocumentSummary:
    about, summary = source["hit"], source["summary"]
    return DocumentSummary(
        doc_id=source["doc_id"],
        title=about["title"],
        source=about["source"],
        pages=summary["pages"],
        characters=summary["characters"],
        language=source.get("language", ""),
        metadata=shown_metadata(about, is_held=is_held),
    )
