"""OpenSearch, by opensearch-py: what it says in its own way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
import opensearchpy
from opensearchpy import OpenSearch
from opensearchpy.serializer import JSONSerializer

from retrievers import plugins
from retrievers.errors import ConfigError
from retrievers.servers import fusing
from retrievers.servers.connecting import Address, encoded, refusal, unreachable
from retrievers.servers.dialect import Json
from retrievers.servers.mapping import chosen

_DEFAULT_PORT: Final = 9200


def _graph(engine: str, **encoder: Any) -> Json:
    parameters = {"parameters": {"encoder": encoder}} if encoder else {}
    return {"method": {"name": "hnsw", "engine": engine, "space_type": "cosinesimil", **parameters}}


_VECTORS: Final[Mapping[str, Json]] = {
    "lucene": _graph("lucene"),
    "lucene-byte": _graph("lucene", name="sq", parameters={"bits": 7}),
    "faiss": _graph("faiss"),
    "faiss-half": _graph("faiss", name="sq", parameters={"type": "fp16"}),
    "on-disk": {"space_type": "cosinesimil", "mode": "on_disk", "compression_level": "32x"},
}
"""Ways to keep vectors. Those of faiss (`on-disk` is one) need its native library on the nodes."""


class _Json(JSONSerializer):
    """JSON by msgspec, several times as fast as the client's own."""

    def loads(self, s: str) -> Any:
        """What a text says."""
        try:
            return msgspec.json.decode(s)
        except ValueError as error:
            raise opensearchpy.SerializationError("N/A", error) from None

    def dumps(self, data: Any) -> Any:
        """The text of a body; one that is a text already stays."""
        return data if isinstance(data, str | bytes) else msgspec.json.encode(data)


class OpenSearchDialect:
    """A connected OpenSearch (2.19, 3.x)."""

    name = "opensearch"

    def __init__(self, address: Address) -> None:
        self.place = address.place
        hosts = [{"host": host, "port": port or _DEFAULT_PORT} for host, port in address.hosts]
        self._client = OpenSearch(
            hosts=hosts,
            use_ssl=address.tls,
            http_auth=_signer(address) if address.aws else address.basic,
            headers=address.headers or None,
            verify_certs=address.verify,
            ca_certs=address.ca_file or None,
            client_cert=address.client_certificate or None,
            client_key=address.client_key or None,
            ssl_show_warn=False,
            timeout=address.timeout_seconds,
            max_retries=2,
            retry_on_timeout=len(hosts) > 1,  # by another node
            http_compress=address.compress,
            serializer=_Json(),
            pool_maxsize=address.connections,
            **_way(address),
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
        headers = {"content-type": "application/x-ndjson"} if lines is not None else None
        try:
            answer = self._client.transport.perform_request(method, path, params=params, body=data, headers=headers)
        except opensearchpy.NotFoundError as error:
            if method in ("GET", "DELETE"):
                return {}
            raise refusal(self.place, 404, error.info) from None
        except opensearchpy.ConnectionError as error:
            raise unreachable(self.place, error.info if isinstance(error.info, Exception) else error) from None
        except opensearchpy.SerializationError:
            raise refusal(self.place, 200, None) from None
        except opensearchpy.TransportError as error:
            raise refusal(self.place, error.status_code, error.info) from None
        if not isinstance(answer, dict):
            raise refusal(self.place, 200, None)
        return answer

    def vector_field(self, dimensions: int, kind: str = "") -> Json:
        """By default Lucene's graph: filters inside the search, no native library."""
        return {"type": "knn_vector", "dimension": dimensions, **chosen(_VECTORS, kind or "lucene", "OpenSearch")}

    def index_settings(self) -> Json:
        """Vectors kept in the source as they are: derived source has lost them in some versions."""
        return {"knn": True, "knn.derived_source.enabled": False}

    def nearest(self, vector: Sequence[float], count: int, condition: Json, *, field: str = "vector") -> Json:
        """A k-NN query with the filter inside."""
        query = {"vector": list(vector), "k": count, "filter": condition}
        return {"size": count, "query": {"knn": {field: query}}}

    def mixing(self, legs: Sequence[Json], fusion: str, size: int) -> Json:
        """A `hybrid` query, and the pipeline that normalises and combines sent along with it."""
        processor: Json = {
            "score-ranker-processor": {"combination": {"technique": "rrf", "rank_constant": fusing.RANK_CONSTANT}}
        }
        if fusion == fusing.BY_SERVER:
            combination = {"technique": "arithmetic_mean", "parameters": {"weights": list(fusing.WEIGHTS)}}
            normalisation = {"normalization": {"technique": "min_max"}, "combination": combination}
            processor = {"normalization-processor": normalisation}
        return {
            "size": size,
            "query": {"hybrid": {"queries": [leg["query"] for leg in legs]}},
            "search_pipeline": {"phase_results_processors": [processor]},
        }

    def with_vectors(self, body: Json) -> Json:
        """They lie in the source."""
        return {**body, "_source": ["vector"]}

    def vector_in(self, row: Json) -> Sequence[float]:
        """Of a row of such a search."""
        vector: Sequence[float] = row["_source"]["vector"]
        return vector

    def open_point_in_time(self, index: str, keep_alive: str, *, routing: str = "") -> str:
        """Its id."""
        params = {"keep_alive": keep_alive, **({"routing": routing} if routing else {})}
        return str(self.request("POST", f"/{index}/_search/point_in_time", params=params)["pit_id"])

    def close_point_in_time(self, point: str) -> None:
        """Let go of it."""
        self.request("DELETE", "/_search/point_in_time", body={"pit_id": [point]})

    def close(self) -> None:
        """Let go of all connections."""
        self._client.close()


def _way(address: Address) -> dict[str, Any]:
    """Through a proxy, which is spoken to by another library, and to nodes that the server names."""
    way: dict[str, Any] = {"sniff_on_start": True, "sniff_on_connection_fail": True} if address.sniff else {}
    if address.proxy:
        proxies = {"http": address.proxy, "https": address.proxy}
        way |= {"connection_class": opensearchpy.RequestsHttpConnection, "proxies": proxies}
    return way


def _signer(address: Address) -> Any:
    """What signs requests for Amazon's service.

    Raises:
        ConfigError: the library is missing, or there are no credentials.
    """
    assert address.aws is not None
    session = plugins.require("botocore.session", extra="aws", purpose="signing requests for Amazon's service")
    credentials = session.get_session().get_credentials()
    if credentials is None:
        raise ConfigError(
            "there are no credentials for Amazon's service",
            hint="AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile, or a role of the machine",
        )
    region, service = address.aws
    kind = opensearchpy.RequestsAWSV4SignerAuth if address.proxy else opensearchpy.Urllib3AWSV4SignerAuth
    return kind(credentials, region, service)
