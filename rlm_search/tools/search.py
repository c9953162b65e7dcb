"""Searching: by words, by meaning, by both; one hit a document, or hits in one document."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeAlias

from retrievers.errors import FilterError
from retrievers.normalise import as_hits
from retrievers.protocols import RetrieverProtocol
from retrievers.rerankers import Reranker
from retrievers.types import Hit
from rlm_search.documents import Documents
from rlm_search.run import Run, ToolError, plain_filters
from rlm_search.tools.ranking import CANDIDATES, Ranking, fused, reranked
from rlm_search.tools.recording import MAX_TOP_K, Found, Hits, as_row, checked_top_k, recorded

_Search: TypeAlias = Callable[..., Sequence[Hit]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Results:
    """What was found for a query, before it is put in its last order."""

    query: str
    hits: Sequence[Hit]
    top_k: int
    reranker: Reranker | None


class SearchTools:
    """The `es_*` functions that search. Each call is charged, checked, traced, and becomes evidence."""

    def __init__(self, run: Run, retriever: RetrieverProtocol, ranking: Ranking) -> None:
        self._run = run
        self._retriever = retriever
        self._ranking = ranking
        self._documents = run.documents or Documents(retriever)

    def functions(self) -> list[Callable[..., Any]]:
        """Those that the retriever can serve."""
        always = [self.es_hybrid_search, self.es_search, self.es_vector_search]
        able = [call for call in always if hasattr(self._retriever, call.__name__.removeprefix("es_"))]
        return [*able, self.es_hybrid_search_in_doc, self.es_hybrid_doc_search]

    def es_search(
        self,
        query: str,
        top_k: int = 10,
        filters: dict[str, Any] | None = None,
        deduplicate_by_doc: bool = False,
        rerank: bool | str = False,
        multi_query: bool | int = 0,
    ) -> Hits:
        """Search by words (BM25); "quoted phrases" stay together."""
        return self._best(
            "es_search", self._retriever.search, query, top_k, filters, deduplicate_by_doc, rerank, multi_query
        )

    def es_vector_search(
        self,
        query: str,
        top_k: int = 10,
        filters: dict[str, Any] | None = None,
        deduplicate_by_doc: bool = False,
        rerank: bool | str = False,
        multi_query: bool | int = 0,
    ) -> Hits:
        """Search by meaning; good where the documents use other words than you."""
        return self._best(
            "es_vector_search",
            self._retriever.vector_search,
            query,
            top_k,
            filters,
            deduplicate_by_doc,
            rerank,
            multi_query,
        )

    def es_hybrid_search(
        self,
        query: str,
        top_k: int = 10,
        filters: dict[str, Any] | None = None,
        deduplicate_by_doc: bool = False,
        rerank: bool | str = False,
        multi_query: bool | int = 0,
    ) -> Hits:
        """Search by words and meaning: the best first try. rerank=True, multi_query=True find more, by sub-calls."""
        return self._best(
            "es_hybrid_search", self._hybrid, query, top_k, filters, deduplicate_by_doc, rerank, multi_query
        )

    def es_hybrid_doc_search(
        self,
        query: str,
        top_k: int = 10,
        candidate_pages: int | None = None,
        filters: dict[str, Any] | None = None,
    ) -> Hits:
        """Search for documents: the best hit of each, with .hit_count and .matched_page_numbers."""
        depth = min(max(candidate_pages or MAX_TOP_K, 1), MAX_TOP_K)
        asked = self._ask("es_hybrid_doc_search", self._hybrid, query, top_k, filters, depth=depth)
        return self._given_best(asked, by_document=True)

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

    def _best(
        self,
        name: str,
        search: _Search,
        query: str,
        top_k: int,
        filters: dict[str, Any] | None,
        by_document: bool,
        rerank: bool | str,
        multi_query: bool | int,
    ) -> Hits:
        """What each of the three searches does, with a search of its own."""
        depth = _depth(top_k, by_document, rerank)
        asked = self._ask(name, search, query, top_k, filters, multi_query, rerank, depth)
        return self._given_best(asked, by_document=by_document)

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

    def _ask(
        self,
        name: str,
        search: _Search,
        query: str,
        top_k: int,
        filters: dict[str, Any] | None,
        multi_query: bool | int = 0,
        rerank: bool | str = False,
        depth: int = MAX_TOP_K,
    ) -> _Results:
        """The hits of a query, or of it and its rewrites; as many as reranking and grouping need."""
        wanted = checked_top_k(top_k)
        _refuse_empty(name, query)
        reranker = self._ranking.reranker(name, rerank)
        queries = self._ranking.queries(name, query, multi_query)
        found = [self._searched(name, search, each, max(depth, wanted), filters).hits for each in queries]
        return _Results(query=query, hits=fused(found), top_k=wanted, reranker=reranker)

    def _given_best(self, results: _Results, *, by_document: bool) -> Hits:
        """The best of the results in their last order; of each document the best, where that is wanted."""
        groups: dict[Any, list[Hit]] = {}
        for number, hit in enumerate(results.hits):
            groups.setdefault(_document_of(hit) if by_document else number, []).append(hit)
        best = [hits[0] for hits in groups.values()]
        if results.reranker is not None:
            best = reranked(results.reranker, results.query, best[: max(CANDIDATES, results.top_k)], results.top_k)
        given = self._given(best[: results.top_k])
        for row in given["items"] if by_document else ():
            hits = groups[str(row["metadata"].get("doc_id") or row["doc_id"])]
            pages = {page for hit in hits for page in hit.pages}
            row |= {"hit_count": len(hits), "matched_page_numbers": sorted(pages)}
        return given

    def _searched(self, name: str, search: _Search, query: str, top_k: int, filters: dict[str, Any] | None) -> Found:
        with recorded(self._run, name, query, filters, top_k) as found, self._run.trying("search"):
            found.take(self._asked(search, query, top_k, plain_filters(filters)))
        return found

    @staticmethod
    def _asked(search: _Search, query: str, top_k: int, filters: dict[str, Any] | None) -> list[Hit]:
        return as_hits(islice(search(query, top_k=top_k, filters=filters), top_k))

    def _given(self, hits: Sequence[Hit]) -> Hits:
        self._run.saw(hits)
        return {"__type__": "Hits", "items": [as_row(hit) for hit in hits]}


def _refuse_empty(name: str, query: str) -> None:
    if not query.strip():
        raise ToolError(f"{name}: the query is empty")


def _depth(top_k: int, by_document: bool, rerank: bool | str) -> int:
    """How many hits to ask for, so that enough documents are among them, or enough that may be better."""
    return MAX_TOP_K if by_document else max(CANDIDATES if rerank else 0, top_k)


def _document_of(hit: Hit) -> str:
    """The document of a hit; in an index of pyrlm-runtime, whose documents are pages, its field `doc_id`."""
    return str(hit.metadata.get("doc_id") or hit.doc_id)
