"""Searching: by words, by meaning, by both; one hit a document, or hits in one document."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any, TypeAlias

from retrievers.errors import FilterError
from retrievers.normalise import as_hits
from retrievers.protocols import RetrieverProtocol
from retrievers.types import Hit
from rlm_search.documents import Documents
from rlm_search.run import Run, ToolError, plain_filters
from rlm_search.tools.recording import MAX_TOP_K, Found, Hits, as_row, checked_top_k, recorded, seen

_Search: TypeAlias = Callable[..., Sequence[Hit]]


class SearchTools:
    """The `es_*` functions that search. Each call is charged, checked, traced, and becomes evidence."""

    def __init__(self, run: Run, retriever: RetrieverProtocol) -> None:
        self._run = run
        self._retriever = retriever
        self._documents = run.documents or Documents(retriever)

    def functions(self) -> list[Callable[..., Any]]:
        """Those that the retriever can serve."""
        always = [self.es_hybrid_search, self.es_search, self.es_vector_search]
        able = [call for call in always if hasattr(self._retriever, call.__name__.removeprefix("es_"))]
        return [*able, self.es_hybrid_search_in_doc, self.es_hybrid_doc_search]

    def es_search(
        self, query: str, top_k: int = 10, filters: dict[str, Any] | None = None, deduplicate_by_doc: bool = False
    ) -> Hits:
        """Search by words (BM25); "quoted phrases" stay together."""
        return self._search("es_search", self._retriever.search, query, top_k, filters, deduplicate_by_doc)

    def es_vector_search(
        self, query: str, top_k: int = 10, filters: dict[str, Any] | None = None, deduplicate_by_doc: bool = False
    ) -> Hits:
        """Search by meaning; good where the documents use other words than you."""
        search = self._retriever.vector_search
        return self._search("es_vector_search", search, query, top_k, filters, deduplicate_by_doc)

    def es_hybrid_search(
        self, query: str, top_k: int = 10, filters: dict[str, Any] | None = None, deduplicate_by_doc: bool = False
    ) -> Hits:
        """Search by words and meaning together: the best first try."""
        return self._search("es_hybrid_search", self._hybrid, query, top_k, filters, deduplicate_by_doc)

    def es_hybrid_doc_search(
        self,
        query: str,
        top_k: int = 10,
        candidate_pages: int | None = None,
        filters: dict[str, Any] | None = None,
    ) -> Hits:
        """Search for documents: the best hit of each, with .hit_count and .matched_page_numbers."""
        wanted = checked_top_k(top_k)
        depth = min(max(candidate_pages or MAX_TOP_K, wanted), MAX_TOP_K)
        return self._by_document("es_hybrid_doc_search", self._hybrid, query, wanted, depth, filters)

    def es_hybrid_search_in_doc(
        self, logical_doc_id: str, query: str, top_k: int = 5, filters: dict[str, Any] | None = None
    ) -> Hits:
        """Search within one document."""
        wanted = checked_top_k(top_k)
        _refuse_empty("es_hybrid_search_in_doc", query)
        named = {**(plain_filters(filters) or {}), "doc_id": logical_doc_id}
        with recorded(self._run, "es_hybrid_search_in_doc", query, named, wanted, found=logical_doc_id) as found:
            with self._run.trying("search"):
                found.take(self._in_document(logical_doc_id, query, wanted, named))
            if not found.hits:
                self._documents.whole(logical_doc_id)  # a document that is not there is told
        return self._given(found.hits)

    @property
    def _hybrid(self) -> _Search:
        """By both; by words where the retriever can do nothing else."""
        return getattr(self._retriever, "hybrid_search", self._retriever.search)

    def _in_document(self, doc_id: str, query: str, top_k: int, named: dict[str, Any]) -> list[Hit]:
        """By a filter; where the retriever knows no such field, the hits of the document among as many as it gives."""
        try:
            hits = self._asked(self._hybrid, query, top_k, named)
        except FilterError as error:
            rest = {name: value for name, value in named.items() if name != "doc_id"} or None
            try:
                hits = self._asked(self._hybrid, query, MAX_TOP_K, rest)
            except FilterError:
                raise error from None  # it is not the field `doc_id` that is unknown
        return [hit for hit in hits if doc_id in (hit.doc_id, hit.metadata.get("doc_id"))][:top_k]

    def _search(
        self, name: str, search: _Search, query: str, top_k: int, filters: dict[str, Any] | None, by_document: bool
    ) -> Hits:
        wanted = checked_top_k(top_k)
        if by_document:
            return self._by_document(name, search, query, wanted, MAX_TOP_K, filters)
        return self._given(self._searched(name, search, query, wanted, filters).hits)

    def _by_document(
        self, name: str, search: _Search, query: str, top_k: int, depth: int, filters: dict[str, Any] | None
    ) -> Hits:
        groups: dict[str, list[Hit]] = {}
        for hit in self._searched(name, search, query, depth, filters).hits:
            groups.setdefault(_document_of(hit), []).append(hit)
        best = list(groups.values())[:top_k]
        given = self._given([hits[0] for hits in best])
        for row, hits in zip(given["items"], best, strict=True):
            pages = dict.fromkeys(page for hit in hits for page in hit.pages)
            row |= {"hit_count": len(hits), "matched_page_numbers": sorted(pages)}
        return given

    def _searched(self, name: str, search: _Search, query: str, top_k: int, filters: dict[str, Any] | None) -> Found:
        _refuse_empty(name, query)
        with recorded(self._run, name, query, filters, top_k) as found, self._run.trying("search"):
            found.take(self._asked(search, query, top_k, plain_filters(filters)))
        return found

    @staticmethod
    def _asked(search: _Search, query: str, top_k: int, filters: dict[str, Any] | None) -> list[Hit]:
        return as_hits(islice(search(query, top_k=top_k, filters=filters), top_k))

    def _given(self, hits: Sequence[Hit]) -> Hits:
        seen(self._run, hits)
        return {"__type__": "Hits", "items": [as_row(hit) for hit in hits]}


def _refuse_empty(name: str, query: str) -> None:
    if not query.strip():
        raise ToolError(f"{name}: the query is empty")


def _document_of(hit: Hit) -> str:
    """The document of a hit; in an index of pyrlm-runtime, whose documents are pages, its field `doc_id`."""
    return str(hit.metadata.get("doc_id") or hit.doc_id)
