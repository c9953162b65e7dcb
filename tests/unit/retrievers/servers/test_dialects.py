"""What is said to each product in its own way, as JSON: how vectors are kept, and how the server mixes a search.

The ways that need faiss, and those that need a licence, run on no server of the tests: this is all that holds them.
"""

from __future__ import annotations

from typing import Any

import pytest

from retrievers.errors import ConfigError, EngineRejected
from retrievers.servers import fusing
from retrievers.servers.connecting import parse_url, refusal
from retrievers.servers.dialect import Dialect
from retrievers.servers.elasticsearch import ElasticsearchDialect
from retrievers.servers.mapping import mapping_of, settings_of
from retrievers.servers.opensearch import OpenSearchDialect

WORDS = {"query": {"match": {"text": "fog"}}}


@pytest.fixture
def opensearch() -> Dialect:
    return OpenSearchDialect(parse_url("opensearch://localhost/papers"))


@pytest.fixture
def elasticsearch() -> Dialect:
    return ElasticsearchDialect(parse_url("elasticsearch://localhost/papers"))


def vector_in(dialect: Dialect, kind: str) -> Any:
    return mapping_of(dialect, embedder="minilm", dimensions=384, vectors=kind)["properties"]["vector"]


@pytest.mark.parametrize(
    ("kind", "method"),
    [
        ("", {"name": "hnsw", "engine": "lucene", "space_type": "cosinesimil"}),
        (
            "lucene-byte",
            {
                "name": "hnsw",
                "engine": "lucene",
                "space_type": "cosinesimil",
                "parameters": {"encoder": {"name": "sq", "parameters": {"bits": 7}}},
            },
        ),
        ("faiss", {"name": "hnsw", "engine": "faiss", "space_type": "cosinesimil"}),
        (
            "faiss-half",
            {
                "name": "hnsw",
                "engine": "faiss",
                "space_type": "cosinesimil",
                "parameters": {"encoder": {"name": "sq", "parameters": {"type": "fp16"}}},
            },
        ),
    ],
)
def test_opensearch_keeps_vectors_in_the_graph_that_is_named(opensearch: Dialect, kind: str, method: Any) -> None:
    assert vector_in(opensearch, kind) == {"type": "knn_vector", "dimension": 384, "method": method}


def test_opensearch_keeps_vectors_on_disk_without_a_method(opensearch: Dialect) -> None:
    assert vector_in(opensearch, "on-disk") == {
        "type": "knn_vector",
        "dimension": 384,
        "space_type": "cosinesimil",
        "mode": "on_disk",
        "compression_level": "32x",
    }


@pytest.mark.parametrize("kind", ["hnsw", "int8_hnsw", "int4_hnsw", "bbq_hnsw", "bbq_disk"])
def test_elasticsearch_keeps_vectors_in_the_graph_that_is_named(elasticsearch: Dialect, kind: str) -> None:
    field = vector_in(elasticsearch, kind)

    assert field["index_options"] == {"type": kind}
    assert (field["type"], field["dims"], field["similarity"]) == ("dense_vector", 384, "cosine")
    assert vector_in(elasticsearch, "")["index_options"] == {"type": "int8_hnsw"}


def test_a_way_of_the_other_product_is_refused_with_those_there_are(
    opensearch: Dialect, elasticsearch: Dialect
) -> None:
    with pytest.raises(ConfigError) as refused:
        vector_in(opensearch, "bbq_hnsw")
    assert "faiss-half" in refused.value.hint
    with pytest.raises(ConfigError, match="does not keep vectors as `faiss`"):
        vector_in(elasticsearch, "faiss")


def test_opensearch_keeps_the_source_of_vectors_itself(opensearch: Dialect) -> None:
    index = settings_of(opensearch, shards=3, replicas=2)["index"]

    assert index["knn.derived_source.enabled"] is False
    assert (index["number_of_shards"], index["number_of_replicas"]) == (3, 2)


def test_opensearch_mixes_in_a_pipeline_that_goes_with_the_search(opensearch: Dialect) -> None:
    near = opensearch.nearest([1.0, 0.0], 7, {"match_all": {}})
    body = opensearch.mixing([WORDS, near], "server", 50)

    assert body["query"]["hybrid"]["queries"] == [WORDS["query"], near["query"]]
    (step,) = body["search_pipeline"]["phase_results_processors"]
    made = step["normalization-processor"]
    assert made["normalization"] == {"technique": "min_max"}
    assert made["combination"] == {"technique": "arithmetic_mean", "parameters": {"weights": [0.4, 0.6]}}
    assert body["size"] == 50
    (step,) = opensearch.mixing([WORDS, near], "server-rrf", 50)["search_pipeline"]["phase_results_processors"]
    assert step == {"score-ranker-processor": {"combination": {"technique": "rrf", "rank_constant": 60}}}


def test_elasticsearch_mixes_by_a_retriever(elasticsearch: Dialect) -> None:
    near = elasticsearch.nearest([1.0, 0.0], 7, {"match_all": {}})
    words = {"standard": {"query": WORDS["query"]}}

    assert elasticsearch.mixing([WORDS, near], "server", 50) == {
        "size": 50,
        "retriever": {
            "linear": {
                "retrievers": [
                    {"retriever": words, "weight": 0.4, "normalizer": "minmax"},
                    {"retriever": {"knn": near["knn"]}, "weight": 0.6, "normalizer": "minmax"},
                ],
                "rank_window_size": 50,
            }
        },
    }
    assert elasticsearch.mixing([WORDS, near], "server-rrf", 50)["retriever"] == {
        "rrf": {"retrievers": [words, {"knn": near["knn"]}], "rank_constant": 60, "rank_window_size": 50}
    }


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (400, "unknown retriever [linear]"),
        (403, "current license is non-compliant for [Reciprocal Rank Fusion (RRF)]"),
        (400, "unknown query [hybrid]"),
    ],
)
def test_a_licence_or_a_version_that_lacks_the_mix_is_one_sentence(status: int, reason: str) -> None:
    info = {"error": {"root_cause": [{"type": "x", "reason": reason}], "reason": reason}, "status": status}

    told = fusing.told("host:9200/papers", refusal("host:9200/papers", status, info))

    assert isinstance(told, ConfigError)
    assert told.message == (
        "the server host:9200/papers cannot mix a hybrid search by itself: its version or its licence lacks it"
    )


def test_another_refusal_stays_what_it_is() -> None:
    error = EngineRejected("the server refused the request: too many clauses")

    assert fusing.told("host", error) is error
