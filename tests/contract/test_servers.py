"""OpenSearch and Elasticsearch, the real ones, are held to the contract that every engine gets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from retrievers.embedders.hashing import HashingEmbedder
from retrievers.embedders.recorded import RecordedEmbedder
from retrievers.errors import DocumentNotFound, EngineRejected
from retrievers.protocols import IndexWriter, RetrieverProtocol
from retrievers.registry import open_retriever, open_writer
from retrievers.settings import Settings
from retrievers.testing import CORPUS, MandatoryFilterContract, RetrieverContract, WriterContract, chunked
from retrievers.types import IndexedDocument
from tests.servers.search_nodes import ENGINES, fresh_index

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def write_corpus(url: str, *, vectors: bool) -> None:
    embedder = HashingEmbedder()
    writer = open_writer(url, embedder=embedder)
    for each in CORPUS:
        chunks = chunked(each)
        matrix = embedder.embed_documents([chunk.embedding_text for chunk in chunks]) if vectors else None
        writer.replace([IndexedDocument(document=each, chunks=chunks, vectors=matrix)])
    writer.close()


@pytest.fixture(scope="module")
def whole_index(engine: str) -> Iterator[str]:
    with fresh_index(engine) as url:
        write_corpus(url, vectors=True)
        yield url


@pytest.fixture(scope="module")
def text_index(engine: str) -> Iterator[str]:
    with fresh_index(engine) as url:
        write_corpus(url, vectors=False)
        yield url


class TestServerRetriever(RetrieverContract):
    @pytest.fixture
    def retriever(self, whole_index: str) -> RetrieverProtocol:
        return open_retriever(whole_index, embedder=HashingEmbedder())

    @pytest.mark.parametrize("name", ["search", "vector_search", "hybrid_search"])
    @pytest.mark.parametrize(("query", "top_k"), [(None, 3), (3, 3), ("wind", "3"), ("wind", 2.5), ("wind", True)])
    def test_a_search_that_is_called_wrongly_says_so(
        self, retriever: RetrieverProtocol, name: str, query: Any, top_k: Any
    ) -> None:
        with pytest.raises(EngineRejected, match=r"must be a (string|whole number), not"):
            getattr(retriever, name)(query, top_k=top_k)

    def test_half_a_character_is_no_mistake(self, retriever: RetrieverProtocol) -> None:
        assert retriever.search("wind \ud800", filters={"company": "Northwind"})
        assert retriever.search("wind", filters={"company": "\ud800"}) == []
        with pytest.raises(DocumentNotFound):
            retriever.get("\ud800")


class TestServerRetrieverWithoutVectorsYet(RetrieverContract):
    semantic = False

    @pytest.fixture
    def retriever(self, text_index: str) -> RetrieverProtocol:
        return open_retriever(text_index, embedder=HashingEmbedder())


class TestServerRetrieverWithAMandatoryFilter(MandatoryFilterContract):
    @pytest.fixture
    def held(self, whole_index: str) -> RetrieverProtocol:
        must = {"retriever": {"must": {"company": "Northwind"}}}
        return open_retriever(whole_index, embedder=HashingEmbedder(), settings=Settings.of(must))


class TestServerWriter(WriterContract):
    @pytest.fixture
    def url(self, engine: str) -> Iterator[str]:
        with fresh_index(engine) as url:
            yield url

    @pytest.fixture
    def writer(self, url: str) -> Iterator[IndexWriter]:
        writer = open_writer(url, embedder=RecordedEmbedder(name="eight", dimensions=self.dimensions))
        yield writer
        writer.close()

    @pytest.fixture
    def reader(self, writer: IndexWriter, url: str) -> RetrieverProtocol:
        return open_retriever(url, embedder="none")
