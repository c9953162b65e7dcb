"""`ElasticsearchRetriever`: an index in pyrlm-runtime's layout, asked by our retriever for indexes of others."""

from __future__ import annotations

from functools import partial
from urllib.parse import urlsplit

from retrievers.errors import ConfigError
from retrievers.protocols import RetrieverProtocol
from retrievers.settings import EmbedderSettings, RetrieverSettings, ServerSettings
from rlm_search.compat.settings import environment_with
from rlm_search.models.settings import key

__all__ = ["ElasticsearchRetriever", "RetrieverProtocol"]


def ElasticsearchRetriever(  # noqa: N802  # pyrlm-runtime's name
    host: str,
    api_key: str,
    index: str,
    *,
    content_field: str = "content",
    vector_field: str = "embedding",
    embedding_model: str | None = None,
    embedding_api_key: str | None = None,
    embedding_base_url: str = "https://api.openai.com/v1",
    es_proxy: str | None = None,
    verify_certs: bool = True,
) -> RetrieverProtocol:
    """The index, opened. Without `embedding_model` it is searched by words alone.

    Raises:
        ConfigError: a missing extra, or no such index.
        EngineUnavailable: the server does not answer.
    """
    from retrievers.embedders.openai import open_openai
    from retrievers.servers.opening import open_server_retriever

    parts = urlsplit(host)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ConfigError("the host of Elasticsearch is no http:// or https:// address")
    scheme = "elasticsearch+https" if parts.scheme == "https" else "elasticsearch+http"
    port = parts.port or (443 if parts.scheme == "https" else 9200)
    fields = {"text": content_field} | ({"vector": vector_field} if embedding_model else {"vector": ""})
    embedder = partial(
        open_openai,
        embedding_model or "",
        EmbedderSettings(base_url=embedding_base_url),
        embedding_api_key or key("OPENAI_API_KEY"),
    )
    return open_server_retriever(
        f"{scheme}://{parts.hostname}:{port}/{index}",
        embedder=(lambda _: embedder()) if embedding_model else None,
        settings=ServerSettings(proxy=es_proxy or "", verify=verify_certs),
        asked=RetrieverSettings(preset="pyrlm-runtime", fields=fields),
        environment=environment_with({"ELASTICSEARCH_API_KEY": api_key} if api_key else {}),
    )
