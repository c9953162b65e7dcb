"""Elasticsearch, by its own client: what it says in its own way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import elasticsearch
import msgspec
from elastic_transport import BaseNode, JsonSerializer, NodeConfig, RequestsHttpNode
from elasticsearch import Elasticsearch

from retrievers import plugins
from retrievers.errors import ConfigError, ServerRefused
from retrievers.servers import fusing
from retrievers.servers.connecting import Address, encoded, refusal, unreachable
from retrievers.servers.dialect import Json
from retrievers.servers.mapping import chosen

_DEFAULT_PORT: Final = 9200
_MOST_CANDIDATES: Final = 10_000

_VECTORS: Final[Mapping[str, Json]] = {
    name: {"type": name} for name in ("hnsw", "int8_hnsw", "int4_hnsw", "bbq_hnsw", "bbq_disk")
}
"""Ways to keep vectors: whole, or in eight, four or one bits a dimension beside the exact ones."""


class _Json(JsonSerializer):
    """JSON by msgspec, several times as fast as the client's own."""

    def json_loads(self, data: bytes) -> Any:
        """What a text says."""
        return msgspec.json.decode(data)

    def json_dumps(self, data: Any) -> bytes:
        """The text of a body."""
        return msgspec.json.encode(data)


class ElasticsearchDialect:
    """A connected Elasticsearch (8.14 and newer, 9.x)."""

    name = "elasticsearch"

    def __init__(self, address: Address) -> None:
        self.place = address.place
        if address.aws is not None:
            raise ConfigError("Amazon's service is no Elasticsearch", hint="write opensearch:// in the URL")
        scheme = "https" if address.tls else "http"
        options: dict[str, Any] = {"headers": address.headers or None}
        if address.tls:
            options |= {"verify_certs": address.verify, "ssl_show_warn": False, "ca_certs": address.ca_file or None}
            options |= {"client_cert": address.client_certificate or None, "client_key": address.client_key or None}
        hosts = [f"{scheme}://{_bracketed(host)}:{port or _DEFAULT_PORT}" for host, port in address.hosts]
        if address.proxy:
            options["node_class"] = _node_behind(address.proxy)
        if address.sniff:
            options |= {"sniff_on_start": True, "sniff_on_node_failure": True}
        self._client = Elasticsearch(
            hosts=hosts,
            basic_auth=address.basic,
            request_timeout=address.timeout_seconds,
            max_retries=2,
            retry_on_timeout=len(hosts) > 1,  # by another node
            http_compress=address.compress,
            serializers={_Json.mimetype: _Json()},
            connections_per_node=address.connections,
            **{name: value for name, value in options.items() if value is not None},
        )

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        lines: Sequence[bytes] | None = None,
    ) -> Json:
        """One request."""
        data: Any = encoded(lines) if lines is not None else body
        headers = {"accept": _media_type("json")}
        if data is not None:
            headers["content-type"] = _media_type("x-ndjson" if lines is not None else "json")
        try:
            answer = self._client.perform_request(method, path, params=params, body=data, headers=headers)
        except elasticsearch.NotFoundError as error:
            if method in ("GET", "DELETE"):
                return {}
            raise refusal(self.place, 404, error.body) from None
        except elasticsearch.UnsupportedProductError:
            raise ServerRefused(
                f"what answers at {self.place} is no search server of that kind: it is no Elasticsearch",
                hint="check host, port and proxy; an OpenSearch is asked by opensearch://…",
            ) from None
        except elasticsearch.ApiError as error:
            raise refusal(self.place, error.status_code, error.body) from None
        except (elasticsearch.ConnectionError, elasticsearch.TransportError) as error:
            raise unreachable(self.place, error) from None
        found = answer.body
        if not isinstance(found, Mapping):
            raise refusal(self.place, 200, None)
        return dict(found)

    def vector_field(self, dimensions: int, kind: str = "") -> Json:
        """By default a graph over vectors of one byte a dimension, the exact ones kept beside it."""
        field = {"type": "dense_vector", "dims": dimensions, "index": True, "similarity": "cosine"}
        return {**field, "index_options": chosen(_VECTORS, kind or "int8_hnsw", "Elasticsearch")}

    def index_settings(self) -> Json:
        """Nothing beside the defaults."""
        return {}

    def nearest(self, vector: Sequence[float], count: int, condition: Json, *, field: str = "vector") -> Json:
        """A kNN search with the filter inside."""
        candidates = min(max(count + count // 2, 100), _MOST_CANDIDATES)
        search = {"field": field, "query_vector": list(vector), "k": count, "num_candidates": candidates}
        return {"size": count, "knn": {**search, "filter": condition}}

    def mixing(self, legs: Sequence[Json], fusion: str, size: int) -> Json:
        """A `linear` retriever, or one of reciprocal ranks; both need a licence beyond the basic one."""
        retrievers = [{"knn": leg["knn"]} if "knn" in leg else {"standard": {"query": leg["query"]}} for leg in legs]
        mix: Json = {"rrf": {"retrievers": retrievers, "rank_constant": fusing.RANK_CONSTANT}}
        if fusion == fusing.BY_SERVER:
            weighted = [
                {"retriever": retriever, "weight": weight, "normalizer": "minmax"}
                for retriever, weight in zip(retrievers, fusing.WEIGHTS, strict=True)
            ]
            mix = {"linear": {"retrievers": weighted}}
        ((name, made),) = mix.items()
        return {"size": size, "retriever": {name: {**made, "rank_window_size": size}}}

    def with_vectors(self, body: Json) -> Json:
        """As fields: newer versions leave them out of the source."""
        return {**body, "_source": False, "fields": ["vector"]}

    def vector_in(self, row: Json) -> Sequence[float]:
        """Of a row of such a search."""
        vector: Sequence[float] = row["fields"]["vector"]
        return vector

    def open_point_in_time(self, index: str, keep_alive: str, *, routing: str = "") -> str:
        """Its id."""
        params = {"keep_alive": keep_alive, **({"routing": routing} if routing else {})}
        return str(self.request("POST", f"/{index}/_pit", params=params)["id"])

    def close_point_in_time(self, point: str) -> None:
        """Let go of it."""
        self.request("DELETE", "/_pit", body={"id": point})

    def close(self) -> None:
        """Let go of all connections."""
        self._client.close()


def _node_behind(proxy: str) -> type[BaseNode]:
    """A node that is reached through a proxy.

    Raises:
        ConfigError: the library that speaks to proxies is not installed.
    """
    plugins.require("requests", extra="elasticsearch", purpose="a proxy before Elasticsearch")

    class NodeBehindProxy(RequestsHttpNode):
        def __init__(self, config: NodeConfig) -> None:
            super().__init__(config)
            self.session.proxies = {"http": proxy, "https": proxy}

    return NodeBehindProxy


def _media_type(kind: str) -> str:
    """Of version 8, which servers of 8 and 9 understand: what a client says by itself is its own version."""
    return f"application/vnd.elasticsearch+{kind}; compatible-with=8"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
