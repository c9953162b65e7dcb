"""Read documents from an index on a server: whole, by span or by page."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from retrievers.embedded.exporting import chunks_of
from retrievers.embedded.records import HeadRecord
from retrievers.errors import DocumentNotFound, EngineUnavailable
from retrievers.servers import asking
from retrievers.servers.dialect import Dialect, Json
from retrievers.servers.looking import Seen
from retrievers.servers.rows import record_of, routing_of
from retrievers.servers.searching import rows_of, search_together
from retrievers.servers.showing import shown_metadata, text_of
from retrievers.types import Document, Heading, IndexedDocument, Page, RetrievedDocument, Span, pages_of

BATCH: Final = 1_000
"""Rows a request."""

_TRIES: Final = 3
_SHOWN: Final = ["kind", "head", "hit", "hash", "edition", "summary", "doc_id", "record", *asking.TEXT]
_WITHOUT_TEXT: Final = [name for name in _SHOWN if name not in asking.TEXT]
_RECORDS: Final[Json] = {"term": {"kind": "record"}}
_IN_ORDER: Final = [{"kind": "asc"}, {"unit": "asc"}]


class ServerDocuments:
    """Documents of an index, those that hold the conditions."""

    def __init__(
        self, dialect: Dialect, index: str, seen: Seen, conditions: Sequence[Json], *, is_held: bool = False
    ) -> None:
        self._dialect, self._index, self._seen = dialect, index, seen
        self._conditions = list(conditions)
        self._is_held = is_held

    def get(self, doc_id: str) -> RetrievedDocument:
        """The whole document."""
        head, record, text = self._whole(doc_id)
        about = head["hit"]
        return RetrievedDocument(
            doc_id=doc_id,
            content=text,
            title=about["title"],
            source=about["source"],
            pages=tuple(record.pages),
            page_labels=tuple(record.labels),
            headings=tuple(Heading(title=h.title, level=h.level, start=h.start) for h in record.headings),
            sources=tuple(record.sources),
            language=record.language,
            media_type=record.media_type,
            metadata=shown_metadata(about, is_held=self._is_held),
        )

    def restored(self, doc_id: str) -> IndexedDocument:
        """A document as it was given to the writer, without vectors."""
        return self._restored(doc_id)[0]

    def _restored(self, doc_id: str) -> tuple[IndexedDocument, str]:
        """As `restored`, and the edition."""
        head, record, text = self._whole(doc_id)
        about = head["hit"]
        document = Document(
            id=doc_id,
            source=about["source"],
            title=about["title"],
            text=text,
            media_type=record.media_type,
            content_hash=head["hash"],
            pages=tuple(record.pages),
            page_labels=tuple(record.labels),
            headings=tuple(Heading(title=h.title, level=h.level, start=h.start) for h in record.headings),
            language=record.language,
            sources=tuple(record.sources),
            metadata=about["metadata"],
            furniture=tuple(record.furniture),
        )
        return IndexedDocument(document=document, chunks=chunks_of(doc_id, text, record)), head["edition"]

    def exported(self, doc_id: str) -> IndexedDocument:
        """A document as it was given to the writer, with its vectors where they are all there."""
        item, edition = self._restored(doc_id)
        if not item.chunks or not self._seen.dimensions:
            return item
        query = asking.all_of([{"term": {"doc_id": doc_id}}, asking.VECTORS, {"term": {"edition": edition}}])
        body = {"query": query, "size": BATCH, "sort": [{"ordinal": "asc"}], "track_total_hits": False}
        (rows,) = self._found(doc_id, self._dialect.with_vectors(body))
        if len(rows) != len(item.chunks):
            return item
        return replace(item, vectors=np.array([self._dialect.vector_in(row) for row in rows], np.float32))

    def read(self, doc_id: str, start: int, end: int) -> Span:
        """A piece of the text."""
        for _ in range(_TRIES):
            head, record = self.head(doc_id)
            first = min(max(start, 0), record.length)
            last = min(max(end, first), record.length)
            text = self._text(head, record, first, last)
            if text is not None:
                return Span(doc_id=doc_id, start=first, end=last, text=text, pages=pages_of(record.pages, first, last))
        raise self._changing(doc_id)

    def read_pages(self, doc_id: str, first: int, last: int) -> Sequence[Page]:
        """Some pages."""
        for _ in range(_TRIES):
            head, record = self.head(doc_id)
            low, high = max(first, 1), min(last, len(record.pages))
            if low > high:
                return []
            bounds = [0, *record.pages[1:], record.length]
            text = self._text(head, record, bounds[low - 1], bounds[high])
            if text is not None:
                return [_page(doc_id, number, record, bounds, text, bounds[low - 1]) for number in range(low, high + 1)]
        raise self._changing(doc_id)

    # --- rows -------------------------------------------------------------------------------------------------------

    def head(self, doc_id: str) -> tuple[Json, HeadRecord]:
        """The head row of a document, and its record."""
        wanted = {"bool": {"should": [asking.HEADS, _RECORDS], "minimum_should_match": 1}}
        for _ in range(_TRIES):
            head, pieces, _ = _sorted_out(self._rows(doc_id, wanted, _WITHOUT_TEXT))
            if head is not None and len(pieces) == head["summary"]["records"]:
                return head, record_of(pieces)
        raise self._changing(doc_id)

    def _whole(self, doc_id: str) -> tuple[Json, HeadRecord, str]:
        wanted = {"bool": {"must_not": [asking.VECTORS]}}
        for _ in range(_TRIES):
            head, pieces, texts = _sorted_out(self._rows(doc_id, wanted, _SHOWN))
            if head is not None and (len(pieces), len(texts)) == (head["summary"]["records"], head["summary"]["units"]):
                return head, record_of(pieces), "".join(texts)
        raise self._changing(doc_id)

    def _text(self, head: Json, record: HeadRecord, start: int, end: int) -> str | None:
        """A piece of the text of one version of a document; None if another has taken its place."""
        if start >= end:
            return ""
        first = max(bisect_right(record.starts, start) - 1, 0)
        last = max(bisect_right(record.starts, end - 1) - 1, first)
        units = {"range": {"unit": {"gte": first, "lte": last}}}
        wanted = asking.all_of([asking.UNITS, units, {"term": {"edition": head["edition"]}}])
        texts = [text_of(row) for row in self._rows(head["doc_id"], wanted, asking.TEXT)]
        if len(texts) != last - first + 1:
            return None
        return "".join(texts)[start - record.starts[first] : end - record.starts[first]]

    def _rows(self, doc_id: str, wanted: Json, shown: Sequence[str]) -> list[Json]:
        """Rows of a document in order, as they are at one moment; it has to pass the conditions by its head.

        Raises:
            DocumentNotFound: there is none, or it does not pass.
        """
        own = {"term": {"doc_id": doc_id}}
        body = {"query": asking.all_of([own, wanted]), "size": BATCH, "sort": _IN_ORDER, "_source": list(shown)}
        body["track_total_hits"] = False
        passing = {"query": asking.all_of([own, asking.HEADS, *self._conditions]), "size": 1, "_source": False}
        rows, passed = self._found(doc_id, body, passing)
        if not passed:
            raise DocumentNotFound(f"no document `{doc_id}` in the index", hint="ids come with the results of a search")
        return [row["_source"] for row in rows]

    def _found(self, doc_id: str, body: Json, *others: Json) -> list[list[Json]]:
        """The rows of several searches in one request; of the first all, however many."""
        answers = search_together(self._dialect, self._index, [body, *others], routing=routing_of(doc_id))
        rows, *further = map(rows_of, answers)
        if len(rows) == BATCH:  # there are more: all of them, from the beginning, at one moment
            rows = list(self._all_rows(doc_id, body))
        return [rows, *further]

    def _all_rows(self, doc_id: str, body: Json) -> Iterator[Json]:
        """The rows that a search for the rows of a document finds, however many, by a point in time."""
        point = self._dialect.open_point_in_time(self._index, "2m", routing=routing_of(doc_id))
        body = dict(body)
        try:
            while True:
                body["pit"] = {"id": point, "keep_alive": "2m"}
                rows = rows_of(self._dialect.request("POST", "/_search", body=body))
                yield from rows
                if len(rows) < BATCH:
                    return
                body["search_after"] = rows[-1]["sort"]
        finally:
            self._dialect.close_point_in_time(point)

    def _changing(self, doc_id: str) -> EngineUnavailable:
        return EngineUnavailable(f"the document `{doc_id}` is being replaced", hint="try again")


def _sorted_out(rows: Sequence[Json]) -> tuple[Json | None, list[str], list[str]]:
    """The head among rows of a document, and of its edition the pieces of the record and the texts of the units."""
    head = next((row for row in rows if row.get("head")), None)
    if head is None:
        return None, [], []
    own = [row for row in rows if row["edition"] == head["edition"]]
    pieces = [row["record"] for row in own if row["kind"] == "record"]
    return head, pieces, [text_of(row) for row in own if row["kind"] == "unit"]


def _page(doc_id: str, number: int, record: HeadRecord, bounds: Sequence[int], text: str, offset: int) -> Page:
    start, end = bounds[number - 1], bounds[number]
    label = record.labels[number - 1] if record.labels else ""
    return Page(
        doc_id=doc_id, number=number, label=label, start=start, end=end, text=text[start - offset : end - offset]
    )
