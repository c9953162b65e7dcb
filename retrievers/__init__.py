"""What an index is and how it is searched: types, filters, protocols and the engines behind them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

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


def __getattr__(name: str) -> Any:
    """Imported on use: a command that prints its help need not load an engine."""
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PUBLIC[name]}"), name)
