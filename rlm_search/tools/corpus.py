"""The corpus as a whole: counting, facets, lists of documents, and what the index holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

from retrievers.protocols import Counts, Describes, Facets, RetrieverProtocol, Scans
from retrievers.types import FieldInfo
from rlm_search.run import Run, ToolError, plain_filters, telling
from rlm_search.tools.recording import Record, Table, checked_top_k, recorded, table

MAX_LISTED = 1_000
MAX_IDS = 100_000


class CorpusTools:
    """The functions that tell of all documents, or of all that match. Each is charged, checked and traced."""

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
        able = [call for kind, call in optional if isinstance(self._retriever, kind)]
        lists = isinstance(self._retriever, Scans) or callable(getattr(self._retriever, "list_logical_doc_ids", None))
        return [*able, *([self.es_list_logical_doc_ids] if lists else [])]

    def es_count(self, query: str = "", filters: dict[str, Any] | None = None) -> int:
        """Count the documents that match the filters and hold all words of the query."""
        assert isinstance(self._retriever, Counts)
        with recorded(self._run, "es_count", query, filters) as found:
            found.number = self._retriever.count(query, filters=plain_filters(filters))
        return found.number

    def es_facets(self, field: str, query: str = "", filters: dict[str, Any] | None = None, top_k: int = 20) -> Table:
        """Count documents by the values of a field, most frequent first."""
        assert isinstance(self._retriever, Facets)
        with recorded(self._run, "es_facets", query or field, filters, top_k) as found:
            facets = self._retriever.facets(
                field, query=query, filters=plain_filters(filters), top_k=checked_top_k(top_k)
            )
            found.number = len(facets)
        return table([{"value": facet.value, "count": facet.count} for facet in facets])

    def es_scan(
        self, query: str = "", filters: dict[str, Any] | None = None, limit: int = 100, after: str = ""
    ) -> Table:
        """List all matching documents in order of doc_id, a page at a time: go on with after=last doc_id."""
        assert isinstance(self._retriever, Scans)
        if not 1 <= limit <= MAX_LISTED:
            raise ToolError(f"es_scan: limit must lie between 1 and {MAX_LISTED:,}, not {limit}")
        with recorded(self._run, "es_scan", query, filters, limit) as found:
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
        return table(rows)

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
            "fields": table([_field(each) for each in about.fields]),
        }

    def es_list_logical_doc_ids(self, max_docs: int = 10_000) -> list[str]:
        """List the ids of all documents, in order; es_scan tells more of each."""
        if not 1 <= max_docs <= MAX_IDS:
            raise ToolError(f"es_list_logical_doc_ids: max_docs must lie between 1 and {MAX_IDS:,}, not {max_docs}")
        with recorded(self._run, "es_list_logical_doc_ids", "", None, max_docs) as found:
            ids = list(islice(self._ids(max_docs), max_docs))
            found.number = len(ids)
        return ids

    def _ids(self, limit: int) -> Iterator[str]:
        if isinstance(self._retriever, Scans):
            return (document.doc_id for document in self._retriever.scan(limit=limit))
        listed: Iterable[Any] = self._retriever.list_logical_doc_ids(max_docs=limit)  # type: ignore[attr-defined]  # a retriever made for pyrlm-runtime
        return iter(sorted(map(str, listed)))


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
