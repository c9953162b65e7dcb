"""What an index is and how it is searched: types, filters, protocols and the engines behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrievers.lazy import lazily

if TYPE_CHECKING:
    from retrievers.errors import RetrieverError
    from retrievers.protocols import RetrieverProtocol
    from retrievers.registry import open_embedder, open_retriever, open_writer
    from retrievers.types import Chunk, Document, Hit, IndexedDocument, RetrievedDocument

_PUBLIC = {
    "Chunk": "types",
    "Document": "types",
    "Hit": "types",
    "IndexedDocument": "types",
    "RetrievedDocument": "types",
    "RetrieverError": "errors",
    "RetrieverProtocol": "protocols",
    "open_embedder": "registry",
    "open_retriever": "registry",
    "open_writer": "registry",
}

__all__ = [
    "Chunk",
    "Document",
    "Hit",
    "IndexedDocument",
    "RetrievedDocument",
    "RetrieverError",
    "RetrieverProtocol",
    "open_embedder",
    "open_retriever",
    "open_writer",
]

__getattr__ = lazily(__name__, _PUBLIC)
