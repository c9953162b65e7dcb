"""The seams: what a retriever, a writer and an embedder must offer, and what a retriever may offer beyond.

A custom retriever implements `RetrieverProtocol` (four methods) and nothing else. What goes beyond them is a
capability: a small protocol of its own, offered to the model only where the retriever has it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

from retrievers.filters import Filter
from retrievers.types import (
    CorpusDescription,
    DocumentSummary,
    Facet,
    Hit,
    IndexedDocument,
    LedgerEntry,
    Matrix,
    Page,
    RetrievedDocument,
    Span,
    Vector,
)

FilterLike: TypeAlias = Filter | Mapping[str, Any] | None
"""A filter, its dict form (`{"year": {"gte": 2019}}`), or None for everything."""


@runtime_checkable
class RetrieverProtocol(Protocol):
    """What it takes to be asked questions. Must be safe to call from several threads at once.

    The three searches return at most `top_k` hits, best first. Results may be `Hit`s or mappings with at least
    `doc_id`; `retrievers.normalise` makes one of the other.

    Raises:
        FilterError: the filter names an unknown field or operator.
        EngineUnavailable: transient trouble.
        DocumentNotFound: by `get`, for an id that is not there.
    """

    def search(self, query: str, *, top_k: int = 10, filters: FilterLike = None) -> Sequence[Hit]:
        """By words (BM25)."""
        ...

    def vector_search(self, query: str, *, top_k: int = 10, filters: FilterLike = None) -> Sequence[Hit]:
        """By meaning (nearest vectors)."""
        ...

    def hybrid_search(self, query: str, *, top_k: int = 10, filters: FilterLike = None) -> Sequence[Hit]:
        """By both, fused."""
        ...

    def get(self, doc_id: str) -> RetrievedDocument:
        """The whole document."""
        ...


@runtime_checkable
class Counts(Protocol):
    """Counts documents."""

    def count(self, query: str = "", *, filters: FilterLike = None) -> int:
        """How many documents match the filter and, where a query is given, hold all of its words and phrases."""
        ...


@runtime_checkable
class Facets(Protocol):
    """Counts documents by the values of a field."""

    def facets(self, field: str, *, query: str = "", filters: FilterLike = None, top_k: int = 20) -> Sequence[Facet]:
        """The most frequent values, most frequent first, ties by value."""
        ...


@runtime_checkable
class Scans(Protocol):
    """Walks over all documents."""

    def scan(
        self, *, query: str = "", filters: FilterLike = None, after: str = "", limit: int | None = None
    ) -> Iterator[DocumentSummary]:
        """Every matching document once, ordered by id, beginning behind the id `after`."""
        ...


@runtime_checkable
class ReadsSpans(Protocol):
    """Reads a piece of a document without loading the rest."""

    def read(self, doc_id: str, start: int, end: int) -> Span:
        """The text between two offsets, cut to the document's length."""
        ...


@runtime_checkable
class ReadsPages(Protocol):
    """Reads pages of a document without loading the rest."""

    def read_pages(self, doc_id: str, first: int, last: int) -> Sequence[Page]:
        """The pages `first` to `last`, 1-based, both included, those that exist; none for a document without pages."""
        ...


@runtime_checkable
class Describes(Protocol):
    """Tells what the index holds."""

    def describe(self) -> CorpusDescription:
        """Counts, fields with types and examples, languages, embedder."""
        ...


@runtime_checkable
class Exports(Protocol):
    """Gives documents out as they were written, for another index: the one way on which vectors leave an index."""

    def export(self, *, after: str = "") -> Iterator[IndexedDocument]:
        """Every document once, ordered by id, beginning behind the id `after`; vectors where it has them."""
        ...

    def embedder(self) -> tuple[str, int]:
        """Name and dimensions of the embedder that the index was built with, ("", 0) without vectors."""
        ...


class IndexWriter(Protocol):
    """What it takes to be ingested into. One writer at a time; not shared between threads."""

    def replace(self, documents: Sequence[IndexedDocument], *, removing: Sequence[str] = ()) -> None:
        """Add documents, each in place of any with its id, and drop those in `removing`, in the same commit.

        Readers see the old or the new, never a mixture. Repeating it is harmless.
        """
        ...

    def set_vectors(self, document_id: str, content_hash: str, vectors: Matrix) -> None:
        """Give a document its vectors, row i for chunk i; dropped in silence if the document has changed since."""
        ...

    def missing_vectors(self) -> Iterator[str]:
        """Ids of documents whose text is in the index and whose vectors are not."""
        ...

    def chunks_of(self, document_id: str) -> IndexedDocument | None:
        """A document as it was given to `replace`, without vectors; None if it is not there."""
        ...

    def holds(self, document_id: str) -> str:
        """The content hash of the document with this id, or "" if it is not in the index."""
        ...

    def delete(self, document_ids: Sequence[str]) -> None:
        """Drop documents; unknown ids are ignored."""
        ...

    def flush(self) -> None:
        """Make everything so far durable and searchable: after it returns, a crash loses nothing."""
        ...

    def close(self) -> None:
        """Flush, let go of the lock and of all files."""
        ...


@runtime_checkable
class Refuses(Protocol):
    """A writer whose engine may refuse single documents, while it takes the others."""

    def take_refused(self) -> Mapping[str, str]:
        """Documents that a flush could not write since the last call, and why; nothing of them is in the index."""
        ...


@runtime_checkable
class HasLedger(Protocol):
    """An index in which things are written down beside its documents; for another index that they are copied to."""

    def ledger_ends(self) -> Mapping[str, int]:
        """Number of the last entry of each author."""
        ...

    def read_ledger(self, known: Mapping[str, int]) -> Iterator[LedgerEntry]:
        """The entries in order, behind the number that is known of each author."""
        ...


@runtime_checkable
class KeepsLedger(HasLedger, Protocol):
    """A writer of an index that keeps a ledger: by it another machine knows what was read into the index."""

    @property
    def is_empty(self) -> bool:
        """The index holds no document."""
        ...

    def write_ledger(self, entries: Sequence[LedgerEntry], *, anew: bool = False) -> None:
        """Write entries down, which become true with the next flush, as documents do.

        Args:
            entries: numbered by their author.
            anew: they stand in place of all that are there.
        """
        ...


@runtime_checkable
class Publishes(Protocol):
    """A writer that was opened to rebuild an index: what it writes is not seen before it says so."""

    def publish(self) -> None:
        """Flush, and let readers see the new version in place of the old one, in one step."""
        ...


@runtime_checkable
class MarksDuplicates(Protocol):
    """A writer of an index that shows one document of those that say the same."""

    def mark_duplicates(self, originals: Mapping[str, str]) -> None:
        """Mark documents as near-duplicates of others, or with "" of none; text and vectors stay.

        Unknown ids are ignored. Marked documents have the field `duplicate_of`; searches leave them out where they
        would find the original.
        """
        ...


class Embedder(Protocol):
    """Texts to vectors of unit length. Safe to call from several threads at once."""

    @property
    def name(self) -> str:
        """Identity, stored in the index: another name means vectors that cannot be compared."""
        ...

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        ...

    @property
    def languages(self) -> frozenset[str] | None:
        """ISO 639-1 codes of the languages it knows; None for all."""
        ...

    def embed_documents(self, texts: Sequence[str]) -> Matrix:
        """One row a text, in order."""
        ...

    def embed_query(self, text: str) -> Vector:
        """The vector to compare documents with."""
        ...
