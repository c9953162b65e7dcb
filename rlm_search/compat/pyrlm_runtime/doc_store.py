"""What pyrlm-runtime's document tools are given: an index of documents, a reader of pages, a cache, a policy."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable


class DocumentPolicyError(RuntimeError):
    """A limit of the policy is reached."""


class MaxPDFsExceeded(DocumentPolicyError):
    """Of documents."""


class MaxPagesExceeded(DocumentPolicyError):
    """Of pages."""


class MaxTablesExceeded(DocumentPolicyError):
    """Of tables."""


@dataclass
class DocumentPolicy:
    """How much may be read, and how much was; `reset` it between runs that are to have it anew. Safe in threads."""

    max_pdfs_per_query: int = 20
    max_pages_per_pdf: int = 50
    max_total_pages: int = 100
    max_table_extractions: int = 30
    pdfs_opened: int = 0
    pages_read: int = 0
    tables_extracted: int = 0
    _opened: dict[str, int] = field(default_factory=dict, init=False, repr=False, compare=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False, compare=False)

    def check_pdf_open(self, path: str) -> None:
        """Count a document the first time that it is opened."""
        with self._lock:
            if path in self._opened:
                return
            if self.pdfs_opened >= self.max_pdfs_per_query:
                raise MaxPDFsExceeded(f"at most {self.max_pdfs_per_query} documents may be opened; all are")
            self.pdfs_opened += 1
            self._opened[path] = 0

    def check_page_read(self, count: int = 1, path: str = "") -> None:
        """Count pages, all or none."""
        with self._lock:
            if self.pages_read + count > self.max_total_pages:
                raise MaxPagesExceeded(f"at most {self.max_total_pages} pages may be read, and {self.pages_read} are")
            if self._opened.get(path, 0) + count > self.max_pages_per_pdf:
                raise MaxPagesExceeded(f"at most {self.max_pages_per_pdf} pages of a document may be read")
            self.pages_read += count
            if path in self._opened:
                self._opened[path] += count

    def check_table_extraction(self) -> None:
        """Count a table."""
        with self._lock:
            if self.tables_extracted >= self.max_table_extractions:
                raise MaxTablesExceeded(f"at most {self.max_table_extractions} tables may be taken out; all are")
            self.tables_extracted += 1

    def get_counters(self) -> dict[str, int]:
        """How much was read."""
        with self._lock:
            return {
                "pdfs_opened": self.pdfs_opened,
                "pages_read": self.pages_read,
                "tables_extracted": self.tables_extracted,
            }

    def reset(self) -> None:
        """Nothing was read."""
        with self._lock:
            self.pdfs_opened = self.pages_read = self.tables_extracted = 0
            self._opened.clear()


@dataclass(kw_only=True)
class PageInfo:
    """What is known of a page; `page_num` counts from 0."""

    page_num: int
    char_count: int = 0
    text_extractable: bool = True
    headings: Sequence[str] = ()
    table_count: int = 0
    flags: Sequence[str] = ()


@dataclass(kw_only=True)
class DocInfo:
    """What is known of a document."""

    doc_id: str
    path: str
    file_hash: str
    file_size: int = 0
    modified_at: str = ""
    title: str = ""
    num_pages: int = 0
    language: str = ""
    is_scanned_prob: float = 0.0
    has_tables_prob: float = 0.0
    parser_hint: str = ""
    summary: str = ""
    pages: Sequence[PageInfo] = ()


@runtime_checkable
class PageReaderProtocol(Protocol):
    """Reads pages and tables; numbers count from 0."""

    def read_pages(self, path: str, pages: list[int]) -> Mapping[int, str]:
        """The texts of pages, by number."""
        ...

    def extract_table(self, path: str, page: int, table_num: int) -> str:
        """A table as Markdown; "" where there is none."""
        ...


@runtime_checkable
class DocIndexStoreProtocol(Protocol):
    """Knows documents."""

    def search(self, query: str, top_k: int = 10) -> list[DocInfo]:
        """Those that a query finds."""
        ...

    def get(self, doc_id: str) -> DocInfo | None:
        """The one with this id."""
        ...

    def get_by_path(self, path: str) -> DocInfo | None:
        """The one with this path."""
        ...

    def list_all(self) -> list[DocInfo]:
        """All of them."""
        ...


class DocumentCache:
    """Pages and tables as files, below the hash of their document, so that a changed document has none."""

    def __init__(self, cache_dir: str | Path = ".rlm_cache/docs") -> None:
        self.root = Path(cache_dir)
        self.root.mkdir(parents=True, exist_ok=True)
        self._hits = self._misses = 0
        self._lock = threading.Lock()

    def get_page(self, file_hash: str, page: int) -> str | None:
        """A page, numbered from 0."""
        return self._read(self._path(file_hash, f"page_{page:03d}"))

    def set_page(self, file_hash: str, page: int, content: str, parser: str) -> None:
        """Keep a page."""
        self._write(self._path(file_hash, f"page_{page:03d}"), content)

    def get_table(self, file_hash: str, page: int, table_num: int) -> str | None:
        """A table."""
        return self._read(self._path(file_hash, f"page_{page:03d}_table_{table_num}"))

    def set_table(self, file_hash: str, page: int, table_num: int, content: str) -> None:
        """Keep a table."""
        self._write(self._path(file_hash, f"page_{page:03d}_table_{table_num}"), content)

    def get_stats(self) -> dict[str, int]:
        """How often it helped, and how much it holds."""
        files = list(self.root.rglob("*.md"))
        with self._lock:
            return {
                "hits": self._hits,
                "misses": self._misses,
                "cached_pages": sum("_table_" not in file.name for file in files),
                "total_size_bytes": sum(file.stat().st_size for file in files),
            }

    def _path(self, file_hash: str, name: str) -> Path:
        if not file_hash.isalnum():
            raise ValueError(f"{file_hash!r} is no hash of a file")
        return self.root / file_hash / f"{name}.md"

    def _read(self, path: Path) -> str | None:
        try:
            text = path.read_text("utf-8")
        except FileNotFoundError:
            text = None
        with self._lock:
            self._hits += text is not None
            self._misses += text is None
        return text

    @staticmethod
    def _write(path: Path, content: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, "utf-8")
