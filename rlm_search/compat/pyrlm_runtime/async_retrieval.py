"""`AsyncElasticsearchRetriever`: the same index to be awaited, each call on a thread of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Self

from retrievers.protocols import FilterLike
from retrievers.types import Hit, RetrievedDocument
from rlm_search.compat.pyrlm_runtime.retrieval import ElasticsearchRetriever


class AsyncElasticsearchRetriever:
    """Takes the arguments of `ElasticsearchRetriever`; use as an async context manager, or `close` it.

    For programs of your own: an `RLM` takes the other one.
    """

    def __init__(self, host: str, api_key: str, index: str, *args: Any, **kwargs: Any) -> None:
        self._inner = ElasticsearchRetriever(host, api_key, index, *args, **kwargs)

    async def search(self, query: str, *, top_k: int = 10, filters: FilterLike = None) -> Sequence[Hit]:
        """By words."""
        return await asyncio.to_thread(self._inner.search, query, top_k=top_k, filters=filters)

    async def vector_search(self, query: str, *, top_k: int = 10, filters: FilterLike = None) -> Sequence[Hit]:
        """By meaning."""
        return await asyncio.to_thread(self._inner.vector_search, query, top_k=top_k, filters=filters)

    async def hybrid_search(self, query: str, *, top_k: int = 10, filters: FilterLike = None) -> Sequence[Hit]:
        """By both."""
        return await asyncio.to_thread(self._inner.hybrid_search, query, top_k=top_k, filters=filters)

    async def get(self, doc_id: str) -> RetrievedDocument:
        """A document."""
        return await asyncio.to_thread(self._inner.get, doc_id)

    async def get_pages(self, logical_doc_id: str, **options: Any) -> list[dict[str, Any]]:
        """Pages; takes the options of the other one."""
        return await asyncio.to_thread(self._inner.get_pages, logical_doc_id, **options)

    async def get_pages_text(self, logical_doc_id: str, **options: Any) -> str:
        """The same as one text."""
        return await asyncio.to_thread(self._inner.get_pages_text, logical_doc_id, **options)

    async def get_logical_document(self, logical_doc_id: str, *, max_pages: int = 2_000) -> dict[str, Any]:
        """A document as a dict."""
        return await asyncio.to_thread(self._inner.get_logical_document, logical_doc_id, max_pages=max_pages)

    def clear_cache(self) -> None:
        """There is none."""

    async def close(self) -> None:
        """Let go of the connections."""
        await asyncio.to_thread(self._inner.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()
