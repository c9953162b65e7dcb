"""Searching: by words, by meaning, by both; counting, facets, lists of documents, and what the index holds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeAlias

from retrievers.normalise import as_hits
from retrievers.protocols import Counts, Describes, Facets, RetrieverProtocol, Scans
from retrievers.types import FieldInfo, Hit
from rlm_search.run import Run, ToolError, plain_filters, telling
from rlm_search.trace.events import Searched

Hits: TypeAlias = dict[str, Any]
"""A list of hits in the REPL: `doc_id chunk_id preview score start end pages title source metadata` each."""
Table: TypeAlias = dict[str, Any]
"""A list of records in the REPL."""
Record: TypeAlias = dict[str, Any]

MAX_TOP_K = 200
MAX_LISTED = 1_000
MAX_QUERY_CHARACTERS = 2_000
_Search: TypeAlias = Callable[..., Sequence[Hit]]


class SearchTools:
    """The `es_*` functions that look into the index. Each call is charged, checked, traced, and becomes evidence."""

    def __init__(self, run: Run, retriever: RetrieverProtocol) -> None:
        self._run = run
        self._retriever = retriever

    def functions(self) -> list[Callable[..., Any]]:
        """Those that the retriever can serve."""
        optional: list[tuple[type, Callable[..., Any]]] = [
            (Counts, self.es_count),
            (Facets, self.es_facets),
            (Scans, self.es_scan),
            (Describes, self.es_schema),
        ]
        always = [self.es_hybrid_search, self.es_search, self.es_vector_search]
        always = [call for call in always if hasattr(self._retriever, call.__name__.removeprefix("es_"))]
        return [*always, *(call for kind, call in optional if isinstance(self._retriever, kind))]

    def es_search(self, query: str, top_k: int = 10, filters: dict[str, Any] | None = None) -> Hits:
        """Search by words (BM25); "quoted phrases" stay together."""
        return self._search("es_search", self._retriever.search, query, top_k, filters)

    def es_vector_search(self, query: str, top_k: int = 10, filters: dict[str, Any] | None = None) -> Hits:
        """Search by meaning; good where the documents use other words than you."""
        return self._search("es_vector_search", self._retriever.vector_search, query, top_k, filters)

    def es_hybrid_search(self, query: str, top_k: int = 10, filters: dict[str, Any] | None = None) -> Hits:
        """Search by words and meaning together: the best first try."""
        return self._search("es_hybrid_search", self._retriever.hybrid_search, query, top_k, filters)

    def es_count(self, query: str = "", filters: dict[str, Any] | None = None) -> int:
        """Count the documents that match the filters and hold all words of the query."""
        assert isinstance(self._retriever, Counts)
        with _recorded(self._run, "es_count", query, filters) as found:
            found.number = self._retriever.count(query, filters=plain_filters(filters))
        return found.number

    def es_facets(self, field: str, query: str = "", filters: dict[str, Any] | None = None, top_k: int = 20) -> Table:
        """Count documents by the values of a field, most frequent first."""
        assert isinstance(self._retriever, Facets)
        with _recorded(self._run, "es_facets", query or field, filters, top_k) as found:
            facets = self._retriever.facets(
                field, query=query, filters=plain_filters(filters), top_k=_checked_top_k(top_k)
            )
            found.number = len(facets)
        return _table([{"value": facet.value, "count": facet.count} for facet in facets])

    def es_scan(
        self, query: str = "", filters: dict[str, Any] | None = None, limit: int = 100, after: str = ""
    ) -> Table:
        """List all matching documents in order of doc_id, a page at a time: go on with after=last doc_id."""
        assert isinstance(self._retriever, Scans)
        if not 1 <= limit <= MAX_LISTED:
            raise ToolError(f"es_scan: limit must lie between 1 and {MAX_LISTED:,}, not {limit}")
        with _recorded(self._run, "es_scan", query, filters, limit) as found:
            documents = self._retriever.scan(query=query, filters=plain_filters(filters), after=after, limit=limit)
            rows = [
                {
                    "doc_id": d.doc_id,
                    "title": d.title,
                    "source": d.source,
                    "pages": d.pages,
                    "characters": d.characters,
                    "language": d.language,
                    "metadata": dict(d.metadata),
                }
                for d in islice(documents, limit)
            ]
            found.number = len(rows)
        return _table(rows)

    def es_schema(self) -> Record:
        """What the index holds: numbers of documents and chunks, languages, and the fields that filters may name."""
        assert isinstance(self._retriever, Describes)
        with telling("es_schema"):
            about = self._retriever.describe()
        return {
            "__type__": "Record",
            "documents": about.documents,
            "chunks": about.chunks,
            "vectors": about.vectors,
            "languages": {str(facet.value): facet.count for facet in about.languages},
            "fields": _table([_field(each) for each in about.fields]),
        }

    def _search(self, name: str, search: _Search, query: str, top_k: int, filters: dict[str, Any] | None) -> Hits:
        if not query.strip():
            raise ToolError(f"{name}: the query is empty")
        with _recorded(self._run, name, query, filters, _checked_top_k(top_k)) as found:
            with self._run.trying("search"):
                hits = as_hits(islice(search(query, top_k=top_k, filters=plain_filters(filters)), top_k))
            found.hits, found.number = hits, len(hits)
        for hit in hits:
            self._run.evidence.add(hit.doc_id, hit.start, hit.end, title=hit.title, source=hit.source)
        return {"__type__": "Hits", "items": [as_row(hit) for hit in hits]}


def _field(field: FieldInfo) -> Record:
    """A field as a row; what it does not have is left out, so that most rows are short."""
    row: Record = {"name": field.name, "type": field.type, "documents": field.documents}
    if field.lowest is not None:
        row |= {"lowest": field.lowest, "highest": field.highest}
    if field.distinct is not None:
        row["distinct"] = field.distinct
    if field.conflicts:
        row |= {"conflicts": field.conflicts, "also": list(field.also)}
    return {**row, "examples": list(field.examples)}


@dataclass(slots=True)
class _Found:
    """What a search has come to, filled in while it is recorded."""

    number: int = 0
    hits: Sequence[Hit] = ()


@contextmanager
def _recorded(run: Run, function: str, query: str, filters: dict[str, Any] | None, top_k: int = 0) -> Iterator[_Found]:
    """One search from its charge to its event, failed ones too."""
    if len(query) > MAX_QUERY_CHARACTERS:
        raise ToolError(f"{function}: the query has {len(query):,} characters; at most {MAX_QUERY_CHARACTERS:,}")
    filters = plain_filters(filters)
    run.budget.search()
    found, error, started = _Found(), "", time.monotonic()
    try:
        with telling(function):
            yield found
    except Exception as failure:
        error = type(failure).__name__
        raise
    finally:
        event = Searched(
            function=function,
            query=query,
            filters=filters,
            top_k=top_k,
            hits=[_event_row(hit) for hit in found.hits],
            seconds=time.monotonic() - started,
            error=error,
        )
        run.searched(event, found.number)


def _event_row(hit: Hit) -> dict[str, Any]:
    return {"doc_id": hit.doc_id, "pages": list(hit.pages), "score": hit.score, "start": hit.start, "end": hit.end}


def as_row(hit: Hit) -> dict[str, Any]:
    """A hit as data for the REPL."""
    return {
        "doc_id": hit.doc_id,
        "chunk_id": hit.chunk_id,
        "preview": hit.preview,
        "score": hit.score,
        "start": hit.start,
        "end": hit.end,
        "pages": list(hit.pages),
        "title": hit.title,
        "source": hit.source,
        "metadata": dict(hit.metadata),
    }


def _table(rows: list[dict[str, Any]]) -> Table:
    return {"__type__": "Table", "items": rows}


def _checked_top_k(top_k: int) -> int:
    if not 1 <= top_k <= MAX_TOP_K:
        raise ToolError(f"top_k must lie between 1 and {MAX_TOP_K}, not {top_k}")
    return top_k
