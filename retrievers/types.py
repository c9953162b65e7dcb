"""The values that travel between parsing, indexing and searching: documents, chunks, hits, pages, spans.

Offsets count Unicode code points of `Document.text`, half-open; page numbers are 1-based everywhere.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from retrievers.furniture import without

if TYPE_CHECKING:  # a third of what importing this would cost
    import numpy as np
    import numpy.typing as npt

Matrix: TypeAlias = "npt.NDArray[np.float32]"
"""Vectors of several texts: n x dimensions."""
Vector: TypeAlias = "npt.NDArray[np.float32]"
"""The vector of one text: dimensions."""

MetadataValue: TypeAlias = str | int | float | bool | Sequence[str]
Metadata: TypeAlias = Mapping[str, MetadataValue]
FieldType: TypeAlias = Literal["keyword", "number", "date", "boolean"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """One entry of a document's outline: its title, its depth (1 is the top) and where it stands in the text."""

    title: str
    level: int
    start: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One document as parsed: its whole text, where its pages begin, and what is known about it.

    Attributes:
        id: stable identity; see `docs/decisions/0006-identity-of-documents.md`.
        source: path of its first source under the given root (or `file.jsonl#record`).
        sources: every path with the same content; the first is `source`.
        pages: start offset of each page, ascending, the first 0; empty for a document without pages.
        page_labels: the printed label of each page (`iv`, `A-3`), empty or as long as `pages`.
        headings: the outline, in order of `start`.
        language: ISO 639-1 code such as `en`, or "" where unknown.
        metadata: what can be filtered and counted; dates are ISO 8601 strings.
        furniture: spans of the text, ascending, that are neither indexed nor embedded: headers, footers and page
            numbers that were on a page before.
    """

    id: str
    source: str
    title: str
    text: str
    media_type: str
    content_hash: str
    pages: tuple[int, ...] = ()
    page_labels: tuple[str, ...] = ()
    headings: tuple[Heading, ...] = ()
    language: str = ""
    sources: tuple[str, ...] = ()
    metadata: Metadata = field(default_factory=dict)
    furniture: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """A span of a document, sized for the embedder: `text == document.text[start:end]`, always.

    `context` is what a reader of the chunk alone would lack: the title and the heading path. It goes before the text
    where the chunk is embedded and indexed, and never into `text`. `furniture` is the part of the document's that lies
    in the chunk, in offsets of the document.
    """

    id: str
    document_id: str
    ordinal: int
    start: int
    end: int
    text: str
    context: str = ""
    metadata: Metadata = field(default_factory=dict)
    furniture: tuple[tuple[int, int], ...] = ()

    @property
    def embedding_text(self) -> str:
        """What is given to the embedder: context and text, without furniture."""
        text = without(self.text, self.furniture, self.start)
        return f"{self.context}\n{text}" if self.context else text


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedDocument:
    """A document ready to be written: its chunks in order, and their vectors (row i for chunk i) or None for later.

    `sketch` is for whoever compares documents before they are written; an index does not keep it.
    """

    document: Document
    chunks: Sequence[Chunk]
    vectors: Matrix | None = None
    sketch: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """Something written down in an index beside its documents; an index does not look into it.

    Attributes:
        author: who wrote it.
        number: counts the entries of its author, from 1.
        body: what it says.
    """

    author: str
    number: int
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Record(Mapping[str, Any]):
    """A frozen value that also reads as a mapping: `hit["doc_id"]` as well as `hit.doc_id`."""

    def __getitem__(self, key: str) -> Any:
        if key in self:
            return getattr(self, key)
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        return iter(f.name for f in fields(self))

    def __len__(self) -> int:
        return len(fields(self))

    def __contains__(self, key: object) -> bool:
        return any(f.name == key for f in fields(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit(_Record):
    """One result: a page of a document that has pages, else a chunk, with the span of its best passage.

    Attributes:
        chunk_id: id of the result itself, unique in the index (`doc_id#p12` for a page, `doc_id#c3` for a chunk).
        preview: the passage that matches: `document.text[start:end]` with whitespace folded.
        score: higher is better; comparable within one result list only.
        start: where the passage begins in the document's text.
        end: where it ends.
        pages: the pages that the span touches, ascending; empty without pages.
        source: path of the document under the root that it was ingested from.
    """

    doc_id: str
    chunk_id: str = ""
    preview: str = ""
    score: float = 0.0
    start: int = 0
    end: int = 0
    pages: tuple[int, ...] = ()
    title: str = ""
    source: str = ""
    metadata: Metadata = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrievedDocument(_Record):
    """A whole document as the index holds it. `pages` are start offsets into `content`, empty without pages."""

    doc_id: str
    content: str
    title: str = ""
    source: str = ""
    pages: tuple[int, ...] = ()
    page_labels: tuple[str, ...] = ()
    headings: tuple[Heading, ...] = ()
    sources: tuple[str, ...] = ()
    language: str = ""
    media_type: str = ""
    metadata: Metadata = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span(_Record):
    """A piece of a document's text: `text == document.text[start:end]`, and the pages it touches."""

    doc_id: str
    start: int
    end: int
    text: str
    pages: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(_Record):
    """One page: 1-based `number`, printed `label` ("" if none), and its span of the document's text."""

    doc_id: str
    number: int
    label: str
    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentSummary(_Record):
    """A document without its text: what `scan` yields. `pages` is their number, 0 without pages."""

    doc_id: str
    title: str = ""
    source: str = ""
    pages: int = 0
    characters: int = 0
    language: str = ""
    metadata: Metadata = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facet(_Record):
    """A value of a field and the number of documents that have it."""

    value: str | int | float | bool
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldInfo(_Record):
    """A field that can be filtered.

    Attributes:
        type: what values of most documents are.
        documents: how many have a value in it.
        examples: some of its values, the most frequent first.
        distinct: how many different values it has; None where they are too many to be counted.
        lowest: of a number or date the lowest value, else None.
        highest: likewise.
        also: other types that values in it can be read as.
        conflicts: how many documents have a value that is not of the type; equality finds it all the same.
    """

    name: str
    type: FieldType
    documents: int
    examples: tuple[str | int | float | bool, ...] = ()
    distinct: int | None = None
    lowest: str | int | float | None = None
    highest: str | int | float | None = None
    also: tuple[FieldType, ...] = ()
    conflicts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusDescription(_Record):
    """What an index holds, told before the first search. `vectors` of `chunks` can be found by meaning."""

    documents: int
    chunks: int
    vectors: int
    embedder: str = ""
    fields: tuple[FieldInfo, ...] = ()
    languages: tuple[Facet, ...] = ()


def pages_of(starts: Sequence[int], start: int, end: int) -> tuple[int, ...]:
    """The 1-based numbers of the pages that the span touches; `starts` as in `Document.pages`."""
    if not starts:
        return ()
    first = max(bisect_right(starts, start), 1)
    last = max(bisect_right(starts, max(start, end - 1)), first)
    return tuple(range(first, last + 1))
