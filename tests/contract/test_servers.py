"""OpenSearch and Elasticsearch, the real ones, are held to the contract that every engine gets."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator

import pytest

from retrievers.embedders.hashing import HashingEmbedder
from retrievers.protocols import IndexWriter, RetrieverProtocol
from retrievers.servers.connecting import parse_url
from retrievers.servers.dialect import Dialect
from retrievers.servers.retriever import ServerRetriever
from retrievers.servers.writer import ServerWriter
from retrievers.testing import CORPUS, RetrieverContract, WriterContract, chunked
from retrievers.types import IndexedDocument

pytestmark = pytest.mark.integration

ENGINES = ("opensearch", "elasticsearch")


def dialect_of(engine: str, index: str) -> Dialect:
    url = os.environ.get(f"{engine.upper()}_URL")
    if not url:
        pytest.skip(f"{engine.upper()}_URL is not set")
    scheme, _, host = url.partition("://")
    address = parse_url(f"{engine}+{scheme}://{host.rstrip('/')}/{index}")
    if engine == "opensearch":
        from retrievers.servers.opensearch import OpenSearchDialect

        return OpenSearchDialect(address)
    from retrievers.servers.elasticsearch import ElasticsearchDialect

    return ElasticsearchDialect(address)


def remove(dialect: Dialect, index: str) -> None:
    for name in dialect.request("GET", f"/{index}/_mapping"):
        dialect.request("DELETE", f"/{name}")
    dialect.close()


@pytest.fixture(scope="module", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def written(engine: str, *, vectors: bool) -> Iterator[str]:
    index = f"test-{uuid.uuid4().hex[:12]}"
    embedder = HashingEmbedder()
    writer = ServerWriter(
        dialect_of(engine, index), index, embedder_name=embedder.name, dimensions=embedder.dimensions, replicas=0
    )
    for each in CORPUS:
        chunks = chunked(each)
        matrix = embedder.embed_documents([chunk.embedding_text for chunk in chunks]) if vectors else None
        writer.replace([IndexedDocument(document=each, chunks=chunks, vectors=matrix)])
    writer.close()
    yield index
    remove(dialect_of(engine, index), index)


@pytest.fixture(scope="module")
def whole_index(engine: str) -> Iterator[str]:
    yield from written(engine, vectors=True)


class TestServerRetriever(RetrieverContract):
    @pytest.fixture
    def retriever(self, engine: str, whole_index: str) -> RetrieverProtocol:
        return ServerRetriever(dialect_of(engine, whole_index), whole_index, embedder=lambda _: HashingEmbedder())


class TestServerWriter(WriterContract):
    @pytest.fixture
    def index(self) -> str:
        return f"test-{uuid.uuid4().hex[:12]}"

    @pytest.fixture
    def writer(self, engine: str, index: str) -> Iterator[IndexWriter]:
        writer = ServerWriter(
            dialect_of(engine, index), index, embedder_name="eight", dimensions=self.dimensions, replicas=0
        )
        yield writer
        writer.close()
        remove(dialect_of(engine, index), index)

    @pytest.fixture
    def reader(self, engine: str, writer: IndexWriter, index: str) -> RetrieverProtocol:
        return ServerRetriever(dialect_of(engine, index), index)
