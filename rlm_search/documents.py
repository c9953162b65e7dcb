"""Documents of any retriever, read whole, by span or by page, with as little loaded as the retriever allows."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock

from retrievers.foreign import guarded
from retrievers.normalise import as_document
from retrievers.protocols import ReadsPages, ReadsSpans, RetrieverProtocol
from retrievers.types import Page, RetrievedDocument, Span, pages_of

_KEPT_CHARACTERS = 32_000_000
"""Of text of whole documents, in all: some 60 to 128 MB at worst."""


class Documents:
    """Reads through one retriever, keeping the whole documents read last. Safe to use from several threads.

    Raises, in every method:
        DocumentNotFound: no such document.
        RetrieverFailed: a retriever of one's own raised something else.
    """

    def __init__(self, retriever: RetrieverProtocol) -> None:
        self._retriever = retriever
        self._lock = Lock()
        self._kept: OrderedDict[str, RetrievedDocument] = OrderedDict()

    def whole(self, doc_id: str) -> RetrievedDocument:
        """The document with all its text."""
        with self._lock:
            if doc_id in self._kept:
                self._kept.move_to_end(doc_id)
                return self._kept[doc_id]
        with guarded(self._retriever, doc_id=doc_id):
            document = as_document(self._retriever.get(doc_id), doc_id)
        with self._lock:
            self._kept[doc_id] = document
            while len(self._kept) > 1 and sum(len(d.content) for d in self._kept.values()) > _KEPT_CHARACTERS:
                self._kept.popitem(last=False)
        return document

    def span(self, doc_id: str, start: int, end: int) -> Span:
        """The text between two offsets, cut to the document's length, and the pages that it touches."""
        start, end = max(start, 0), max(end, 0)
        if isinstance(self._retriever, ReadsSpans):
            with guarded(self._retriever, doc_id=doc_id):
                return self._retriever.read(doc_id, start, max(end, start))
        document = self.whole(doc_id)
        end = min(end, len(document.content))
        start = min(start, end)
        return Span(
            doc_id=doc_id,
            start=start,
            end=end,
            text=document.content[start:end],
            pages=pages_of(document.pages, start, end),
        )

    def pages(self, doc_id: str, first: int, last: int) -> Sequence[Page]:
        """The pages `first` to `last`, both included, those that exist; none for a document without pages."""
        if isinstance(self._retriever, ReadsPages):
            with guarded(self._retriever, doc_id=doc_id):
                return self._retriever.read_pages(doc_id, first, last)
        document = self.whole(doc_id)
        numbers = range(max(first, 1), min(last, len(document.pages)) + 1)
        return [_page(document, number) for number in numbers]


def _page(document: RetrievedDocument, number: int) -> Page:
    starts = (*document.pages, len(document.content))
    start, end = starts[number - 1], starts[number]
    label = document.page_labels[number - 1] if document.page_labels else ""
    return Page(
        doc_id=document.doc_id, number=number, label=label, start=start, end=end, text=document.content[start:end]
    )
