"""`ElasticsearchRetriever`: an index in pyrlm-runtime's layout, asked by our retriever for indexes of others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Protocol
from urllib.parse import urlsplit

from retrievers.errors import ConfigError, DocumentNotFound
from retrievers.lazy import lazily
from retrievers.protocols import FilterLike, RetrieverProtocol
from retrievers.settings import EmbedderSettings, RetrieverSettings, ServerSettings
from retrievers.types import CorpusDescription, DocumentSummary, Facet, Hit, RetrievedDocument
from rlm_search.compat.settings import environment_with
from rlm_search.documents import Documents
from rlm_search.models.settings import key
from rlm_search.tools.pages import in_ranges, with_neighbours

__getattr__ = lazily("rlm_search.compat.pyrlm_runtime", {"AsyncElasticsearchRetriever": "async_retrieval"})
__all__ = ["AsyncRetrieverProtocol", "ElasticsearchRetriever", "RetrieverProtocol"]


class AsyncRetrieverProtocol(Protocol):
    """The four methods, each to be awaited."""

    async def search(self, query: str, *, top_k: int = 10, filters: FilterLike = None) -> Sequence[Hit]:
        """By words."""
        ...

    async def vector_search(self, query: str, *, top_k: int = 10, filters: FilterLike = None) -> Sequence[Hit]:
        """By meaning."""
        ...

    async def hybrid_search(self, query: str, *, top_k: int = 10, filters: FilterLike = None) -> Sequence[Hit]:
        """By both."""
        ...

    async def get(self, doc_id: str) -> Any:
        """A document."""
        ...


class ElasticsearchRetriever:
    """The index, opened. Without `embedding_model` it is searched by words alone. Pages count from 1.

    `preview_length` and the arguments of caches are taken and change nothing: a preview is the passage that was found,
    and nothing is kept that may be stale.

    Raises:
        ConfigError: a missing extra, no such index, or an embedding provider other than `openai`.
        EngineUnavailable: the server does not answer.
    """

    def __init__(
        self,
        host: str,
        api_key: str,
        index: str,
        content_field: str = "content",
        vector_field: str = "embedding",
        *,
        embedding_provider: str = "openai",
        embedding_model: str | None = None,
        embedding_api_key: str | None = None,
        embedding_base_url: str = "https://api.openai.com/v1",
        embedding_ssl_verify: bool = True,
        embedding_api_transport: str = "rest",
        es_proxy: str | None = None,
        verify_certs: bool = True,
        preview_length: int = 500,
        cache_embeddings: bool = True,
        embedding_cache_size: int = 1_024,
        cache_results: bool = False,
        result_cache_size: int = 256,
        result_cache_ttl: int = 300,
    ) -> None:
        from retrievers.embedders.openai import open_openai
        from retrievers.servers.opening import open_server_retriever

        if embedding_provider != "openai":
            raise ConfigError(
                f"no embedding provider {embedding_provider!r} here", hint="openai, or a server of its protocol"
            )
        if not embedding_ssl_verify:
            raise ConfigError(
                "the certificate of the embedding server is always checked", hint="SSL_CERT_FILE names one of your own"
            )
        fields = {"text": content_field} | ({"vector": vector_field} if embedding_model else {"vector": ""})
        embedder = partial(
            open_openai,
            embedding_model or "",
            EmbedderSettings(base_url=embedding_base_url),
            embedding_api_key or key("OPENAI_API_KEY"),
        )
        self.host, self.index = host, index
        self._inner = open_server_retriever(
            _url(host, index),
            embedder=(lambda _: embedder()) if embedding_model else None,
            settings=ServerSettings(proxy=es_proxy or "", verify=verify_certs),
            asked=RetrieverSettings(preset="pyrlm-runtime", fields=fields),
            environment=environment_with({"ELASTICSEARCH_API_KEY": api_key} if api_key else {}),
        )
        self._documents = Documents(self._inner)

    def search(self, query: str, *, top_k: int = 10, filters: FilterLike = None) -> Sequence[Hit]:
        """By words."""
        return self._inner.search(query, top_k=top_k, filters=filters)

    def vector_search(self, query: str, *, top_k: int = 10, filters: FilterLike = None) -> Sequence[Hit]:
        """By meaning."""
        return self._inner.vector_search(query, top_k=top_k, filters=filters)

    def hybrid_search(self, query: str, *, top_k: int = 10, filters: FilterLike = None) -> Sequence[Hit]:
        """By both."""
        return self._inner.hybrid_search(query, top_k=top_k, filters=filters)

    def get(self, doc_id: str) -> RetrievedDocument:
        """A document, all its pages joined."""
        return self._inner.get(doc_id)

    def get_pages(
        self, logical_doc_id: str, *, pages: Sequence[int] | None = None, radius: int = 0, max_pages: int = 20
    ) -> list[dict[str, Any]]:
        """Pages and their neighbours up to `radius`, in order; without `pages` the first ones.

        Raises:
            ValueError: a page below 1.
            DocumentNotFound: there is no such document.
        """
        return [
            {"doc_id": page.doc_id, "page_num": page.number, "content": page.text.rstrip("\n")}
            for first, last in in_ranges(with_neighbours("get_pages", pages, radius, max_pages)[:max_pages])
            for page in self._documents.pages(logical_doc_id, first, last)
        ]

    def get_pages_text(
        self, logical_doc_id: str, *, pages: Sequence[int] | None = None, radius: int = 0, max_pages: int = 20
    ) -> str:
        """The same as one text, each page below a line `<!-- Page 3 -->`."""
        found = self.get_pages(logical_doc_id, pages=pages, radius=radius, max_pages=max_pages)
        return "\n\n".join(f"<!-- Page {page['page_num']} -->\n{page['content']}" for page in found)

    def get_logical_document(self, logical_doc_id: str, *, max_pages: int = 2_000) -> dict[str, Any]:
        """A document as a dict, whole: `max_pages` cuts nothing off.

        Raises:
            KeyError: there is none.
        """
        try:
            found = self._inner.get(logical_doc_id)
        except DocumentNotFound:
            raise KeyError(f"logical document not found: {logical_doc_id}") from None
        return {"doc_id": found.doc_id, "content": found.content, "metadata": dict(found.metadata)}

    def list_logical_doc_ids(self, *, max_docs: int = 10_000) -> list[str]:
        """The ids of all documents, in order."""
        return sorted(summary.doc_id for summary in self._inner.scan(limit=max_docs))

    def count(self, query: str = "", *, filters: FilterLike = None) -> int:
        """How many documents match."""
        return self._inner.count(query, filters=filters)

    def facets(self, field: str, *, query: str = "", filters: FilterLike = None, top_k: int = 20) -> Sequence[Facet]:
        """The values of a field, the most frequent first."""
        return self._inner.facets(field, query=query, filters=filters, top_k=top_k)

    def scan(
        self, *, query: str = "", filters: FilterLike = None, after: str = "", limit: int | None = None
    ) -> Iterator[DocumentSummary]:
        """All documents that match, in the order of their ids."""
        return self._inner.scan(query=query, filters=filters, after=after, limit=limit)

    def describe(self) -> CorpusDescription:
        """What the index holds."""
        return self._inner.describe()

    def clear_cache(self) -> None:
        """There is none."""

    def close(self) -> None:
        """Let go of the connections."""
        self._inner.close()


def _url(host: str, index: str) -> str:
    parts = urlsplit(host)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ConfigError("the host of Elasticsearch is no http:// or https:// address")
    port = parts.port or (443 if parts.scheme == "https" else 9200)
    return f"elasticsearch+{parts.scheme}://{parts.hostname}:{port}/{index}"
