"""Open an index on a server, from its URL, the settings and the credentials in the environment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from retrievers import plugins
from retrievers.protocols import Embedder
from retrievers.servers import fusing
from retrievers.servers.connecting import Address, in_cloud, parse_url, refuse_others
from retrievers.servers.dialect import Dialect
from retrievers.servers.foreign import ForeignRetriever
from retrievers.servers.foreign_fields import ForeignFields
from retrievers.servers.looking import look
from retrievers.servers.retriever import ServerRetriever
from retrievers.servers.versions import Versions
from retrievers.servers.writer import ServerWriter
from retrievers.settings import RetrieverSettings, ServerSettings, secret

_PACKAGES: Final = {"opensearch": "opensearchpy", "elasticsearch": "elasticsearch"}
_SHIPPED: Final = {384: "minilm"}
"""Embedders that are at hand by the length of their vectors."""
_TITLES: Final = {"opensearch": "OpenSearch", "elasticsearch": "Elasticsearch"}


def open_server_retriever(
    url: str,
    *,
    embedder: Callable[[str], Embedder | None] | None,
    settings: ServerSettings,
    asked: RetrieverSettings | None = None,
    environment: Mapping[str, str] | None = None,
) -> ServerRetriever | ForeignRetriever:
    """An index on a server, for asking: one of ours or, where `asked` names its fields, one that we did not make.

    Raises:
        ConfigError: a missing extra, wrong credentials, or no such index.
        EngineUnavailable: the server does not answer.
    """
    asked = asked or RetrieverSettings()
    fusion = fusing.checked(settings.fusion)
    address = address_of(url, settings, environment)
    dialect = connect(address)
    try:
        if asked.fields or asked.preset:
            return _foreign(dialect, address.index, asked, embedder, fusion)
        return ServerRetriever(dialect, address.index, embedder=embedder, must=asked.must, fusion=fusion)
    except BaseException:
        dialect.close()
        raise


def _foreign(
    dialect: Dialect,
    index: str,
    asked: RetrieverSettings,
    embedder: Callable[[str], Embedder | None] | None,
    fusion: str,
) -> ForeignRetriever:
    fields = ForeignFields.of(asked.fields, asked.preset)

    def by_dimensions(dimensions: int) -> Embedder | None:
        """The one that is configured or, for vectors of its length, the one that ships."""
        return embedder(_SHIPPED.get(dimensions, "")) if embedder else None

    chosen = by_dimensions if embedder and fields.vector else None
    return ForeignRetriever(dialect, index, fields, embedder=chosen, must=asked.must, fusion=fusion)


def open_server_writer(
    url: str, *, embedder: Embedder | None, settings: ServerSettings, rebuild: bool = False
) -> ServerWriter:
    """An index on a server, for writing; made where there is none.

    Raises:
        ConfigError: a missing extra, or wrong credentials.
        IndexMismatch: it was built with another embedder, or by a newer version.
        EngineUnavailable: the server does not answer.
    """
    address = address_of(url, settings)
    dialect = connect(address)
    try:
        return ServerWriter(
            dialect,
            address.index,
            embedder_name=embedder.name if embedder else "",
            dimensions=embedder.dimensions if embedder else 0,
            shards=settings.shards,
            replicas=settings.replicas,
            refresh_seconds=settings.refresh_seconds,
            vectors=settings.vectors,
            rebuild=rebuild,
        )
    except BaseException:
        dialect.close()
        raise


def open_versions(url: str, settings: ServerSettings) -> Versions:
    """The versions of an index on a server; close it by using it as a context.

    Raises:
        ConfigError: a missing extra, or wrong credentials.
    """
    address = address_of(url, settings)
    return Versions(connect(address), address.index)


def recorded(url: str, settings: ServerSettings) -> tuple[str, int]:
    """Name and dimensions of the embedder that an index was built with, ("", 0) without vectors.

    Raises:
        ConfigError: there is no such index.
        EngineUnavailable: the server does not answer.
    """
    address = address_of(url, settings)
    dialect = connect(address)
    try:
        seen = look(dialect, address.index)
    finally:
        dialect.close()
    return seen.embedder, seen.dimensions


def connect(address: Address) -> Dialect:
    """The server at an address.

    Raises:
        ConfigError: its client library is not installed.
    """
    engine = address.engine
    plugins.require(_PACKAGES[engine], extra=engine, purpose=_TITLES[engine])
    if engine == "opensearch":
        from retrievers.servers.opensearch import OpenSearchDialect

        return OpenSearchDialect(address)
    from retrievers.servers.elasticsearch import ElasticsearchDialect

    return ElasticsearchDialect(address)


def address_of(url: str, settings: ServerSettings, environment: Mapping[str, str] | None = None) -> Address:
    """Where a URL leads, with all that the settings and the environment say about the way.

    Raises:
        ConfigError: the URL cannot be read, holds credentials, or names an index that may not be opened.
    """
    address = parse_url(in_cloud(url, settings.cloud_id))
    refuse_others(address, settings.allowed)
    prefix = address.engine.upper()
    user = secret(f"{prefix}_USER", environment) or settings.user
    password = secret(f"{prefix}_PASSWORD", environment)
    headers = _authorisation(prefix, environment)
    return replace(
        address,
        basic=(user, password) if user and password and not headers else None,
        headers=headers,
        verify=settings.verify,
        ca_file=settings.ca_file,
        client_certificate=settings.client_certificate,
        client_key=settings.client_key,
        aws=(settings.aws_region, settings.aws_service) if settings.aws_region else None,
        proxy=settings.proxy,
        sniff=settings.sniff,
        timeout_seconds=settings.timeout_seconds,
        connections=settings.connections,
        compress=settings.compress,
    )


def _authorisation(prefix: str, environment: Mapping[str, str] | None) -> Mapping[str, str]:
    if key := secret(f"{prefix}_API_KEY", environment):
        return {"authorization": f"ApiKey {key}"}
    if token := secret(f"{prefix}_TOKEN", environment):
        return {"authorization": f"Bearer {token}"}
    return {}
