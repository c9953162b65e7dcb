"""Reading as pyrlm-runtime calls it: the text of a document, pages with their neighbours, as records or as text."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

from retrievers.protocols import RetrieverProtocol
from retrievers.types import Page
from rlm_search.documents import Documents
from rlm_search.run import Run, ToolError, telling
from rlm_search.tools.documents import MAX_CHARACTERS, MAX_PAGES, Pages, page_row, read_on
from rlm_search.trace.events import DocumentRead


class PageTools:
    """Page numbers count from 1, pages come in their order, and each read is traced and becomes evidence."""

    def __init__(self, run: Run, retriever: RetrieverProtocol) -> None:
        self._run = run
        self._documents = run.documents or Documents(retriever)

    def functions(self) -> list[Callable[..., Any]]:
        """All of them: `Documents` makes up for what a retriever cannot do."""
        return [self.es_get_text, self.es_get_pages, self.es_get_pages_text]

    def es_get_text(self, doc_id: str) -> str:
        """Read the text of a document; of a long one the beginning, and how to read on."""
        self._run.budget.check()
        started = time.monotonic()
        with telling("es_get_text", found=doc_id), self._run.trying("read", doc_id=doc_id):
            document = self._documents.whole(doc_id)
        total = len(document.content)
        end = min(total, MAX_CHARACTERS)
        self._record(doc_id, 0, document.content[:end], [], started)
        self._run.evidence.add(doc_id, 0, end, title=document.title, source=document.source)
        told = f"\n[{read_on(doc_id, end, total, len(document.pages))}]".replace("content holds", "these are")
        return document.content[:end] + (told if end < total else "")

    def es_get_pages(
        self, logical_doc_id: str, pages: list[int] | None = None, radius: int = 0, max_pages: int = 20
    ) -> Pages:
        """Read pages and their neighbours up to `radius`, in order; without `pages` the first ones."""
        found, left_out = self._read("es_get_pages", logical_doc_id, pages, radius, max_pages)
        return {"__type__": "Pages", "items": [page_row(page) for page in found], "note": left_out}

    def es_get_pages_text(
        self, logical_doc_id: str, pages: list[int] | None = None, radius: int = 0, max_pages: int = 20
    ) -> str:
        """Read pages as one text, each below a line `<!-- Page 3 -->`."""
        found, left_out = self._read("es_get_pages_text", logical_doc_id, pages, radius, max_pages)
        return as_text(found) + (f"\n\n[{left_out}]" if left_out else "")

    def _read(
        self, function: str, doc_id: str, pages: list[int] | None, radius: int, max_pages: int
    ) -> tuple[list[Page], str]:
        """The pages that exist of those that are wanted, and word of those that are too many."""
        self._run.budget.check()
        if not 1 <= max_pages <= MAX_PAGES:
            raise ToolError(f"{function}: max_pages must lie between 1 and {MAX_PAGES}, not {max_pages}")
        wanted = with_neighbours(function, pages, radius, max_pages)
        started = time.monotonic()
        with telling(function, found=doc_id):
            with self._run.trying("read", doc_id=doc_id):
                found = [
                    page
                    for first, last in in_ranges(wanted[:max_pages])
                    for page in self._documents.pages(doc_id, first, last)
                ]
            if not found:
                raise ToolError(self._no_pages(function, doc_id, wanted))
        if sum(len(page.text) for page in found) > MAX_CHARACTERS:
            raise ToolError(f"{function}: these pages have more than {MAX_CHARACTERS:,} characters; ask for fewer")
        for page in found:
            self._record(doc_id, page.start, page.text, [page.number], started)
        rest = wanted[max_pages:]
        return found, f"page {rest[0]} and {len(rest) - 1} more were left out (max_pages={max_pages})" if rest else ""

    def _no_pages(self, function: str, doc_id: str, wanted: Sequence[int]) -> str:
        number = len(self._documents.whole(doc_id).pages)
        if number:
            return f"{function}: {doc_id!r} has pages 1 to {number}, none of {wanted[0]} to {wanted[-1]}"
        return f"{function}: {doc_id!r} has no pages; read it with es_get_text({doc_id!r}) or es_read"

    def _record(self, doc_id: str, start: int, text: str, pages: list[int], started: float) -> None:
        seconds, end = time.monotonic() - started, start + len(text)
        self._run.read(DocumentRead(doc_id=doc_id, start=start, end=end, pages=pages, seconds=seconds), text)


def as_text(pages: Sequence[Page]) -> str:
    """Pages as one text, each below a line with its number."""
    return "\n\n".join(f"<!-- Page {page.number} -->\n{page.text}" for page in pages)


def with_neighbours(function: str, pages: Sequence[int] | None, radius: int, max_pages: int) -> list[int]:
    """The numbers that are wanted, in order; the first pages where none are named."""
    if not pages:
        return list(range(1, max_pages + 1))
    if radius < 0 or radius > MAX_PAGES:
        raise ToolError(f"{function}: radius must lie between 0 and {MAX_PAGES}, not {radius}")
    if min(pages) < 1 or len(pages) > 10_000:
        raise ToolError(f"{function}: pages must be a list of numbers that count from 1, not {str(pages)[:80]}")
    return sorted({n for page in pages for n in range(max(page - radius, 1), page + radius + 1)})


def in_ranges(numbers: Sequence[int]) -> list[tuple[int, int]]:
    """Ascending numbers as ranges without gaps."""
    grouped = [list(group) for _, group in groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0])]
    return [(group[0][1], group[-1][1]) for group in grouped]
