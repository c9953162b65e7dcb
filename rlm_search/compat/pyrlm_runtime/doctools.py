"""`create_doc_tools`: functions over an index of documents and a reader of pages that are the caller's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any

from rlm_search.compat.pyrlm_runtime.doc_store import (
    DocIndexStoreProtocol,
    DocInfo,
    DocumentCache,
    DocumentPolicy,
    DocumentPolicyError,
    MaxPagesExceeded,
    MaxPDFsExceeded,
    MaxTablesExceeded,
    PageInfo,
    PageReaderProtocol,
)

__all__ = [
    "DEFAULT_LABELS",
    "DocIndexStoreProtocol",
    "DocInfo",
    "DocumentCache",
    "DocumentPolicy",
    "DocumentPolicyError",
    "MaxPDFsExceeded",
    "MaxPagesExceeded",
    "MaxTablesExceeded",
    "PageInfo",
    "PageReaderProtocol",
    "create_doc_tools",
]

DEFAULT_LABELS: Mapping[str, str] = {
    "docs_found_query": "Documents found for '{query}' ({count}):",
    "docs_available": "Documents ({count}):",
    "and_more": "... and {count} more.",
    "doc_not_found": "There is no document '{id}'; list_pdfs() shows those that there are.",
    "pages_label": "pages",
    "tables_label": "tables",
    "truncated": "[...truncated, {count} more chars]",
    "doc_limit": "[DOCUMENT LIMIT]: {error}",
    "table_limit": "[TABLE LIMIT]: {error}",
    "table_not_found": "There is no table {table_num} on page {page}.",
    "not_found_in_cache": "'{query}' is on no page of {title} that was read; read_pdf_pages() reads more.",
    "found_in_doc": "'{query}' in {title}, {count} page(s):",
    "no_results_for": "No documents found for '{query}'.",
}
"""What the functions say; `create_doc_tools(labels=…)` says it otherwise."""

_LISTED = 50
_FIRST = 3


def create_doc_tools(
    index_store: DocIndexStoreProtocol,
    page_reader: PageReaderProtocol,
    cache: DocumentCache,
    policy: DocumentPolicy,
    labels: Mapping[str, str] | None = None,
) -> dict[str, Callable[..., Any]]:
    """The functions by name, for `RLM(doc_tools=…)`. Pages that the model names count from 1.

    What goes wrong is said as text, limits of the policy included; a page that was read before is not charged again.
    """
    tools = _Tools(index_store, page_reader, cache, policy, {**DEFAULT_LABELS, **(labels or {})})
    told = (tools.list_pdfs, tools.get_pdf_info, tools.read_pdf_pages, tools.extract_table, tools.search_in_pdf)
    functions: tuple[Callable[..., Any], ...] = (*told, tools.search_corpus, tools.resolve_doc_path)
    return {
        **{function.__name__: tools.telling(function) for function in functions},
        "search_corpus_structured": tools.search_corpus_structured,
    }


class _Tools:
    def __init__(
        self,
        store: DocIndexStoreProtocol,
        reader: PageReaderProtocol,
        cache: DocumentCache,
        policy: DocumentPolicy,
        labels: Mapping[str, str],
    ) -> None:
        self._store, self._reader, self._cache, self._policy, self._labels = store, reader, cache, policy, labels

    def telling(self, function: Callable[..., str]) -> Callable[..., str]:
        """The function, which says what is wrong in place of raising it."""

        @wraps(function)
        def tell(*args: Any, **kwargs: Any) -> str:
            try:
                return function(*args, **kwargs)
            except MaxTablesExceeded as error:
                return self._say("table_limit", error=error)
            except DocumentPolicyError as error:
                return self._say("doc_limit", error=error)
            except LookupError as error:
                return str(error.args[0])

        return tell

    def list_pdfs(self, query: str | None = None) -> str:
        """List the documents, or those that a query finds: title, pages, tables, path and id, as text."""
        if query:
            found = self._store.search(query, top_k=20)
            return self._listed(self._say("docs_found_query", query=query, count=len(found)), found)
        found = self._store.list_all()
        return self._listed(self._say("docs_available", count=len(found)), found)

    def get_pdf_info(self, path_or_id: str) -> str:
        """Show what is known of a document and of each of its pages."""
        doc = self._document(path_or_id)
        pages = [
            f"  Page {page.page_num + 1}: {page.char_count} chars, {page.table_count} tables, "
            f"headings: [{', '.join(page.headings[:3])}]{f' {list(page.flags)}' if page.flags else ''}"
            for page in doc.pages
        ]
        about = [f"- {name}: {value}" for name, value in _facts(doc).items() if value]
        return "\n".join([f"## {doc.title}", *about, "", "### Pages:", *pages])

    def read_pdf_pages(self, path: str, pages: list[int] | None = None, max_chars: int = 16_000) -> str:
        """Read pages, numbered from 1; the first three where none are named."""
        doc = self._document(path)
        wanted = [number - 1 for number in pages] if pages else list(range(min(_FIRST, doc.num_pages)))
        kept = {page: text for page in wanted if (text := self._cache.get_page(doc.file_hash, page)) is not None}
        new = [page for page in dict.fromkeys(wanted) if page not in kept]
        if new:
            self._policy.check_pdf_open(doc.path)
            self._policy.check_page_read(len(new), doc.path)
            read = self._reader.read_pages(doc.path, new)
            for page in new:
                kept[page] = read.get(page, "")
                if kept[page]:
                    self._cache.set_page(doc.file_hash, page, kept[page], doc.parser_hint)
        text = "\n\n".join(f"<!-- Page {page + 1} -->\n{kept[page]}" for page in wanted)
        more = f"\n\n{self._say('truncated', count=len(text) - max_chars)}" if len(text) > max_chars else ""
        return text[:max_chars] + more

    def extract_table(self, path: str, page: int, table_num: int = 0) -> str:
        """Take out a table of a page as Markdown; pages count from 1, tables of a page from 0."""
        doc = self._document(path)
        kept = self._cache.get_table(doc.file_hash, page - 1, table_num)
        if kept is not None:
            return kept
        self._policy.check_pdf_open(doc.path)
        self._policy.check_table_extraction()
        table = self._reader.extract_table(doc.path, page - 1, table_num)
        if not table:
            return self._say("table_not_found", table_num=table_num, page=page)
        self._cache.set_table(doc.file_hash, page - 1, table_num, table)
        return table

    def search_in_pdf(self, path: str, query: str, top_k: int = 5) -> str:
        """Search the pages of a document that were read, whatever the case of the letters."""
        doc = self._document(path)
        texts = {page.page_num: self._cache.get_page(doc.file_hash, page.page_num) or "" for page in doc.pages}
        found = {page: at for page, text in texts.items() if (at := text.lower().find(query.lower())) >= 0}
        if not found:
            return self._say("not_found_in_cache", query=query, title=doc.title)
        parts = [
            f"--- Page {page + 1} ---\n...{texts[page][max(0, at - 100) : at + 300]}..." for page, at in found.items()
        ]
        return "\n".join([self._say("found_in_doc", query=query, title=doc.title, count=len(found)), *parts[:top_k]])

    def search_corpus(self, query: str, top_k: int = 10) -> str:
        """Search all documents by what is known of them: titles, paths and summaries, as text."""
        found = self._store.search(query, top_k=top_k)
        if not found:
            return self._say("no_results_for", query=query)
        return self._listed(self._say("docs_found_query", query=query, count=len(found)), found)

    def search_corpus_structured(self, query: str, top_k: int = 10) -> list[dict[str, Any]]:
        """The same as data: title, path, doc_id, num_pages, summary."""
        return [
            {"title": d.title, "path": d.path, "doc_id": d.doc_id, "num_pages": d.num_pages, "summary": d.summary[:200]}
            for d in self._store.search(query, top_k=top_k)
        ]

    def resolve_doc_path(self, query_or_title: str) -> str:
        """The path of a document, by path, id, or what finds it first."""
        try:
            return self._document(query_or_title).path
        except LookupError:
            found = self._store.search(query_or_title, top_k=1)
            if not found:
                raise
            return found[0].path

    def _document(self, path_or_id: str) -> DocInfo:
        doc = self._store.get_by_path(path_or_id) or self._store.get(path_or_id)
        if doc is None:
            raise LookupError(self._say("doc_not_found", id=path_or_id))
        return doc

    def _listed(self, head: str, docs: Sequence[DocInfo]) -> str:
        lines = [
            f"{number}. {doc.title} ({doc.num_pages} {self._labels['pages_label']}, "
            f"{sum(page.table_count for page in doc.pages)} {self._labels['tables_label']})\n"
            f"   path: {doc.path}\n   id: {doc.doc_id}"
            for number, doc in enumerate(docs[:_LISTED], 1)
        ]
        more = [self._say("and_more", count=len(docs) - _LISTED)] if len(docs) > _LISTED else []
        return "\n".join([head, *lines, *more])

    def _say(self, label: str, **values: Any) -> str:
        return self._labels[label].format(**values)


def _facts(doc: DocInfo) -> dict[str, Any]:
    return {
        "path": doc.path,
        "id": doc.doc_id,
        "pages": doc.num_pages,
        "size": f"{doc.file_size:,} bytes",
        "language": doc.language,
        "scanned": f"{doc.is_scanned_prob:.0%}",
        "parser hint": doc.parser_hint,
        "summary": doc.summary[:300],
    }
