"""The document tools of pyrlm-runtime, over the index: list, look up, read pages, tables, search; within a policy."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from threading import Lock
from typing import Any

from retrievers.errors import DocumentNotFound, FilterError
from retrievers.normalise import as_hits
from retrievers.protocols import RetrieverProtocol, Scans
from retrievers.types import Page, RetrievedDocument
from rlm_search.documents import Documents
from rlm_search.run import Run, ToolError, telling
from rlm_search.tables import as_markdown, tables_in
from rlm_search.tools.pages import as_text
from rlm_search.tools.recording import Record, Table, checked_top_k, recorded, table
from rlm_search.trace.events import DocumentRead

_LISTED = 50
_LISTED_PAGES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentPolicy:
    """How much of the documents one run may read by these tools.

    Raises:
        ValueError: a limit below 1.
    """

    max_pdfs_per_query: int = 20
    max_pages_per_pdf: int = 50
    max_total_pages: int = 100
    max_table_extractions: int = 30

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` is {getattr(self, name)}: at least 1")


class _Used:
    """What one run has read; a page that was read before costs nothing."""

    def __init__(self, policy: DocumentPolicy) -> None:
        self._policy = policy
        self._lock = Lock()
        self._pages: dict[str, set[int]] = {}
        self._tables: set[tuple[str, int, int]] = set()

    def pages(self, doc_id: str, numbers: Iterable[int]) -> None:
        """Charge pages, all or none. Raises ToolError where they are too many."""
        policy = self._policy
        with self._lock:
            known = self._pages.get(doc_id, set())
            new = {*numbers} - known
            if doc_id not in self._pages and len(self._pages) >= policy.max_pdfs_per_query:
                raise ToolError(f"at most {policy.max_pdfs_per_query} documents may be opened; all are")
            if len(known) + len(new) > policy.max_pages_per_pdf:
                raise ToolError(f"at most {policy.max_pages_per_pdf} pages of a document may be read, {len(known)} are")
            total = sum(map(len, self._pages.values()))
            if total + len(new) > policy.max_total_pages:
                raise ToolError(f"at most {policy.max_total_pages} pages may be read in all, and {total} are")
            self._pages[doc_id] = known | new

    def table(self, doc_id: str, page: int, number: int) -> None:
        """Charge a table. Raises ToolError where it is one too many."""
        with self._lock:
            if len({*self._tables, (doc_id, page, number)}) > self._policy.max_table_extractions:
                raise ToolError(f"at most {self._policy.max_table_extractions} tables may be taken out; all are")
            self._tables.add((doc_id, page, number))


class PdfTools:
    """Functions over the documents of the index that have pages. Pages count from 1; a path or an id names a document.

    Args:
        run: what they belong to.
        retriever: what they ask.
        policy: how much they may read.
    """

    def __init__(self, run: Run, retriever: RetrieverProtocol, policy: DocumentPolicy) -> None:
        self._run = run
        self._retriever = retriever
        self._documents = run.documents or Documents(retriever)
        self._used = _Used(policy)

    def functions(self) -> list[Callable[..., Any]]:
        """All of them; listing without a query needs a retriever that can."""
        return [
            self.list_pdfs,
            self.get_pdf_info,
            self.read_pdf_pages,
            self.extract_table,
            self.search_in_pdf,
            self.search_corpus,
            self.search_corpus_structured,
            self.resolve_doc_path,
        ]

    def list_pdfs(self, query: str | None = None) -> str:
        """List the documents with pages, or those that a query finds: title, pages, path and id, as text."""
        if query:
            return _listing(f"Documents found for {query!r}", self._found("list_pdfs", query, 20))
        if not isinstance(self._retriever, Scans):
            raise ToolError("list_pdfs: this index cannot list its documents; give a query")
        with recorded(self._run, "list_pdfs", "", None) as found:
            paged = (d for d in self._retriever.scan() if d.pages)
            rows = [
                {"title": d.title, "path": d.source, "doc_id": d.doc_id, "num_pages": d.pages}
                for d in islice(paged, _LISTED + 1)
            ]
            found.number = len(rows)
        more = "\n… and more; list_pdfs(query) narrows it" if len(rows) > _LISTED else ""
        return _listing("Documents", rows[:_LISTED]) + more

    def get_pdf_info(self, path_or_id: str) -> str:
        """Tell of a document: title, path, pages, language, and of each page its length, tables and headings."""
        document = self._document("get_pdf_info", path_or_id)
        head = [
            f"## {document.title}",
            f"- path: {document.source}",
            f"- id: {document.doc_id}",
            f"- pages: {len(document.pages)}",
            f"- language: {document.language or 'unknown'}",
            f"- summary: {' '.join(document.content[:400].split())[:300]}",
            "",
            "### Pages:",
        ]
        pages = [_page_line(document, number) for number in range(1, len(document.pages) + 1)[:_LISTED_PAGES]]
        self._run.evidence.add(document.doc_id, 0, min(400, len(document.content)))
        more = len(document.pages) - len(pages)
        return "\n".join([*head, *pages, *([f"  … and {more} more"] if more else [])])

    def read_pdf_pages(self, path: str, pages: list[int] | None = None, max_chars: int = 16_000) -> str:
        """Read pages (from 1) as text below lines `<!-- Page 3 -->`; without `pages` the first three."""
        if max_chars < 1:
            raise ToolError("read_pdf_pages: max_chars must be at least 1")
        document = self._document("read_pdf_pages", path)
        wanted = sorted(set(pages)) if pages else [*range(1, min(3, len(document.pages)) + 1)]
        text = as_text([self._page("read_pdf_pages", document, number) for number in self._charged(document, wanted)])
        rest = len(text) - max_chars
        return text if rest <= 0 else f"{text[:max_chars]}\n\n[… {rest:,} more characters; read fewer pages]"

    def extract_table(self, path: str, page: int, table_num: int = 0) -> str:
        """Take a table out of a page (from 1) as Markdown; `table_num` 0 is the first on it."""
        document = self._document("extract_table", path)
        self._charged(document, [page])
        found = tables_in(self._page("extract_table", document, page).text)
        if not 0 <= table_num < len(found):
            raise ToolError(f"extract_table: page {page} has {len(found)} tables, counted from 0, not {table_num}")
        self._used.table(document.doc_id, page, table_num)
        return as_markdown(found[table_num])

    def search_in_pdf(self, path: str, query: str, top_k: int = 5) -> str:
        """Search within a document: the pages that match with a passage of each, as text."""
        document = self._document("search_in_pdf", path)
        rows = self._found("search_in_pdf", query, checked_top_k(top_k), document.doc_id)
        if not rows:
            return f"Nothing in {document.title} matches {query!r}."
        lines = [f"{query!r} in {document.title}: {len(rows)} passages"]
        return "\n".join([*lines, *(f"--- Page {row['page'] or '?'} ---\n…{row['summary']}…" for row in rows)])

    def search_corpus(self, query: str, top_k: int = 10) -> str:
        """Search all documents: title, pages, path and best passage of each, as text."""
        return _listing(f"Results for {query!r}", self._found("search_corpus", query, checked_top_k(top_k)))

    def search_corpus_structured(self, query: str, top_k: int = 10) -> Table:
        """Search all documents: rows of title, path, doc_id, page, summary."""
        return table(self._found("search_corpus_structured", query, checked_top_k(top_k)))

    def resolve_doc_path(self, query_or_title: str) -> str:
        """Find the path of a document by its path, id or title."""
        try:
            return _path(self._document("resolve_doc_path", query_or_title))
        except ToolError:
            rows = self._found("resolve_doc_path", query_or_title, 1)
            if not rows:
                raise
            return str(rows[0]["path"] or rows[0]["doc_id"])

    def _found(self, function: str, query: str, top_k: int, doc_id: str = "") -> list[Record]:
        """The best hit of each document, or the hits in one."""
        if not query.strip():
            raise ToolError(f"{function}: the query is empty")
        search = getattr(self._retriever, "hybrid_search", self._retriever.search)
        with recorded(self._run, function, query, {"doc_id": doc_id} if doc_id else None, top_k) as found:
            with self._run.trying("search"):
                try:
                    hits = as_hits(search(query, top_k=200, filters={"doc_id": doc_id} if doc_id else None))
                except FilterError:
                    hits = as_hits(search(query, top_k=200, filters=None))
            own = [hit for hit in hits if hit.doc_id == doc_id] if doc_id else _first_of_each(hits)
            found.take(own[:top_k])
        self._run.saw(found.hits)
        return [
            {
                "title": hit.title,
                "path": hit.source,
                "doc_id": hit.doc_id,
                "page": hit.pages[0] if hit.pages else None,
                "summary": hit.preview,
            }
            for hit in found.hits
        ]

    def _document(self, function: str, path_or_id: str) -> RetrievedDocument:
        """The document of an id, or of a path."""
        self._run.budget.check()
        with telling(function, found=path_or_id):
            try:
                return self._documents.whole(path_or_id)
            except DocumentNotFound:
                doc_id = self._of_path(path_or_id)
                if not doc_id:
                    raise
            return self._documents.whole(doc_id)

    def _of_path(self, path: str) -> str:
        if not isinstance(self._retriever, Scans):
            return ""
        try:
            return next((d.doc_id for d in self._retriever.scan(filters={"source": path}, limit=1)), "")
        except FilterError:  # it knows no such field
            return next((d.doc_id for d in self._retriever.scan() if d.source == path), "")

    def _charged(self, document: RetrievedDocument, numbers: Sequence[int]) -> Sequence[int]:
        last = len(document.pages)
        if not last:
            raise ToolError(f"{_path(document)!r} has no pages; read it with es_get({document.doc_id!r})")
        if wrong := [number for number in numbers if not 1 <= number <= last]:
            raise ToolError(f"{_path(document)!r} has pages 1 to {last}, counted from 1, not {wrong[0]}")
        self._used.pages(document.doc_id, numbers)
        return numbers

    def _page(self, function: str, document: RetrievedDocument, number: int) -> Page:
        started = time.monotonic()
        with telling(function, found=document.doc_id), self._run.trying("read", doc_id=document.doc_id):
            [page] = self._documents.pages(document.doc_id, number, number)
        seconds = time.monotonic() - started
        self._run.read(
            DocumentRead(doc_id=page.doc_id, start=page.start, end=page.end, pages=[number], seconds=seconds), page.text
        )
        self._run.evidence.add(page.doc_id, page.start, page.end, title=document.title, source=document.source)
        return page


def _first_of_each(hits: Iterable[Any]) -> list[Any]:
    first: dict[str, Any] = {}
    for hit in hits:
        first.setdefault(hit.doc_id, hit)
    return list(first.values())


def _listing(head: str, rows: Sequence[Record]) -> str:
    if not rows:
        return f"{head}: none."
    lines = [f"{head} ({len(rows)}):"]
    for number, row in enumerate(rows, 1):
        pages = f" ({row['num_pages']} pages)" if row.get("num_pages") else ""
        summary = [f"   {row['summary'][:150]}"] if row.get("summary") else []
        lines += [f"{number}. {row['title']}{pages}", *summary, f"   path: {row['path']}", f"   id: {row['doc_id']}"]
    return "\n".join(lines)


def _page_line(document: RetrievedDocument, number: int) -> str:
    starts = (*document.pages, len(document.content))
    start, end = starts[number - 1], starts[number]
    headings = [heading.title for heading in document.headings if start <= heading.start < end][:3]
    tables = len(tables_in(document.content[start:end]))
    return f"  Page {number}: {end - start:,} characters, {tables} tables, headings: [{', '.join(headings)}]"


def _path(document: RetrievedDocument) -> str:
    return document.source or document.doc_id
