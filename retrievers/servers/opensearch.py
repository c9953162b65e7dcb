"""OpenSearch, by opensearch-py: what it says in its own way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import opensearchpy
from opensearchpy import OpenSearch

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


class OpenSearchDialect:
    """A connected OpenSearch (2.19, 3.x)."""

    name = "opensearch"

    def __init__(self, address: Address) -> None:
        self.place = address.place
        hosts = [{"host": host, "port": port or _DEFAULT_PORT} for host, port in address.hosts]
        self._client = OpenSearch(
            hosts=hosts,
            use_ssl=address.tls,
            http_auth=address.basic,
            headers=address.headers or None,
            verify_certs=address.verify,
            ca_certs=address.ca_file or None,
            client_cert=address.client_certificate or None,
            client_key=address.client_key or None,
            ssl_show_warn=False,
            timeout=address.timeout_seconds,
            max_retries=2,
            retry_on_timeout=False,
            http_compress=address.compress,
            pool_maxsize=address.connections,
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
        return answer if isinstance(answer, dict) else {"found": bool(answer)}

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
