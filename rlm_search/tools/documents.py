"""Reading: a whole document, some of its pages, or a span of its text."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from retrievers.protocols import RetrieverProtocol
from retrievers.types import Page
from rlm_search.documents import Documents
from rlm_search.run import Run, ToolError, telling
from rlm_search.trace.events import DocumentRead

Document: TypeAlias = dict[str, Any]
Pages: TypeAlias = dict[str, Any]
Span: TypeAlias = dict[str, Any]
PageNumbers: TypeAlias = int | str | list[int] | None

MAX_CHARACTERS = 400_000
"""Of text that one call returns; the rest is read with the next."""
MAX_PAGES = 100

_RANGE = re.compile(r"\s*(\d+)\s*(?:[-–:]\s*(\d+)\s*)?")  # noqa: RUF001 -- an en dash is how people write ranges


class DocumentTools:
    """The functions that read documents. Each read is traced and becomes evidence."""

    def __init__(self, run: Run, retriever: RetrieverProtocol) -> None:
        self._run = run
        self._documents = run.documents or Documents(retriever)

    def functions(self) -> list[Callable[..., Any]]:
        """All of them: `Documents` makes up for what a retriever cannot do."""
        return [self.es_get, self.es_read]

    def es_get(self, doc_id: str, pages: int | str | list[int] | None = None) -> Document | Pages:
        """Read a document (.content, .page_count, .metadata), or pages of it: 3, "3-5" or [3, 4] (each has .text)."""
        self._run.budget.check()
        if pages is not None and pages != []:  # the pages of a hit in a document without pages
            return self._pages(doc_id, pages)
        started = time.monotonic()
        with telling("es_get", found=doc_id), self._run.trying("read", doc_id=doc_id):
            document = self._documents.whole(doc_id)
        total = len(document.content)
        end = min(total, MAX_CHARACTERS)
        pages_read = list(range(1, len(document.pages) + 1)) if end == total else []
        self._record(doc_id, 0, document.content[:end], pages_read, started)
        self._run.evidence.add(doc_id, 0, end, title=document.title, source=document.source)
        return {
            "__type__": "Document",
            "doc_id": doc_id,
            "title": document.title,
            "source": document.source,
            "content": document.content[:end],
            "characters": total,
            "page_count": len(document.pages),
            "language": document.language,
            "metadata": dict(document.metadata),
            "note": "" if end == total else read_on(doc_id, end, total, len(document.pages)),
        }

    def es_read(self, doc_id: str, start: int, end: int) -> Span:
        """Read the text of a document between two offsets (.text, .pages); hits have start and end."""
        self._run.budget.check()
        if not 0 <= start < end:
            raise ToolError(f"es_read: start must be at least 0 and below end, not {start} and {end}")
        if end - start > MAX_CHARACTERS:
            raise ToolError(f"es_read: at most {MAX_CHARACTERS:,} characters at once, not {end - start:,}")
        started = time.monotonic()
        with telling("es_read", found=doc_id), self._run.trying("read", doc_id=doc_id):
            span = self._documents.span(doc_id, start, end)
        if not span.text:
            raise ToolError(f"es_read: {doc_id!r} ends before {start:,}")
        self._record(doc_id, span.start, span.text, list(span.pages), started)
        return {
            "__type__": "Page",
            "doc_id": doc_id,
            "start": span.start,
            "end": span.end,
            "pages": list(span.pages),
            "text": span.text,
        }

    def _pages(self, doc_id: str, wanted: int | str | list[int]) -> Pages:
        started = time.monotonic()
        ranges = _ranges(wanted)
        found: list[Page] = []
        with telling("es_get", found=doc_id):
            with self._run.trying("read", doc_id=doc_id):
                for first, last in ranges:
                    found += self._documents.pages(doc_id, first, last)
            if not found:
                raise ToolError(self._no_pages(doc_id, wanted))
        if sum(len(page.text) for page in found) > MAX_CHARACTERS:
            raise ToolError(f"es_get: these pages have more than {MAX_CHARACTERS:,} characters; ask for fewer")
        for page in found:
            self._record(doc_id, page.start, page.text, [page.number], started)
        return {"__type__": "Pages", "items": [page_row(page) for page in found]}

    def _no_pages(self, doc_id: str, wanted: int | str | list[int]) -> str:
        number = len(self._documents.whole(doc_id).pages)
        if not number:
            return (
                f"es_get: {doc_id!r} has no pages; read it with es_get({doc_id!r}) or es_read({doc_id!r}, start, end)"
            )
        return f"es_get: {doc_id!r} has pages 1 to {number}, not {wanted!r}"

    def _record(self, doc_id: str, start: int, text: str, pages: list[int], started: float) -> None:
        seconds, end = time.monotonic() - started, start + len(text)
        self._run.read(DocumentRead(doc_id=doc_id, start=start, end=end, pages=pages, seconds=seconds), text)


def page_row(page: Page) -> dict[str, Any]:
    """A page as data for the REPL."""
    return {
        "doc_id": page.doc_id,
        "number": page.number,
        "label": page.label,
        "start": page.start,
        "end": page.end,
        "text": page.text,
    }


def _ranges(wanted: int | str | list[int]) -> Sequence[tuple[int, int]]:
    """`3`, `"3-5"`, `"3, 7-9"` or `[3, 4]` as ranges, both ends included."""
    numbers = [wanted] if isinstance(wanted, int) else wanted
    if isinstance(numbers, str):
        matches = [_RANGE.fullmatch(part) for part in numbers.split(",")]
        ranges = [(int(m[1]), int(m[2] or m[1])) for m in matches if m]
        is_clear = len(ranges) == len(matches)
    else:
        ranges = [(n, n) for n in numbers]
        is_clear = bool(ranges)
    if not is_clear or any(not 1 <= first <= last for first, last in ranges):
        raise ToolError(f'pages must be a number, a range "3-5" or a list [3, 4] counting from 1, not {wanted!r}')
    if sum(last - first + 1 for first, last in ranges) > MAX_PAGES:
        raise ToolError(f"es_get: at most {MAX_PAGES} pages at once")
    return ranges


def read_on(doc_id: str, end: int, total: int, pages: int) -> str:
    """How to go on reading a document that was given in part."""
    by_page = f" or es_get({doc_id!r}, pages='10-12') of 1 to {pages}" if pages else ""
    return (
        f"content holds the first {end:,} of {total:,} characters; "
        f"read on with es_read({doc_id!r}, {end}, {min(2 * end, total)}){by_page}"
    )
