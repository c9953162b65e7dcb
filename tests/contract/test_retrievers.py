"""The embedded engine and the example of a custom retriever are held to the contract that plug-in authors get."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from retrievers.embedded import EmbeddedRetriever, EmbeddedWriter
from retrievers.embedders.hashing import HashingEmbedder
from retrievers.fields import fields_of
from retrievers.protocols import Embedder, IndexWriter, RetrieverProtocol
from retrievers.registry import open_embedder
from retrievers.testing import (
    CORPUS,
    EmbedderContract,
    MandatoryFilterContract,
    RetrieverContract,
    WriterContract,
    chunked,
)
from retrievers.types import IndexedDocument

EXAMPLE = Path(__file__).parents[2] / "examples" / "custom_retriever.py"


@pytest.fixture(scope="module")
def whole_index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("whole") / "index", vectors=True)


@pytest.fixture(scope="module")
def text_index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("text") / "index", vectors=False)


def write_corpus(path: Path, *, vectors: bool) -> Path:
    embedder = HashingEmbedder()
    writer = EmbeddedWriter(path, embedder_name=embedder.name, dimensions=embedder.dimensions)
    for each in CORPUS:
        chunks = chunked(each)
        matrix = embedder.embed_documents([chunk.embedding_text for chunk in chunks]) if vectors else None
        writer.replace([IndexedDocument(document=each, chunks=chunks, vectors=matrix)])
    writer.close()
    return path


class TestEmbeddedRetriever(RetrieverContract):
    @pytest.fixture
    def retriever(self, whole_index: Path) -> RetrieverProtocol:
        return EmbeddedRetriever(whole_index, HashingEmbedder)


class TestEmbeddedRetrieverWithoutVectorsYet(RetrieverContract):
    semantic = False

    @pytest.fixture
    def retriever(self, text_index: Path) -> RetrieverProtocol:
        return EmbeddedRetriever(text_index, HashingEmbedder)


class TestEmbeddedRetrieverWithAMandatoryFilter(MandatoryFilterContract):
    @pytest.fixture
    def held(self, whole_index: Path) -> RetrieverProtocol:
        return EmbeddedRetriever(whole_index, HashingEmbedder, must={"company": "Northwind"})


class TestCustomRetrieverOfFourMethods(RetrieverContract):
    @pytest.fixture
    def retriever(self) -> RetrieverProtocol:
        spec = importlib.util.spec_from_file_location("custom_retriever", EXAMPLE)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        notes: dict[str, dict[str, Any]] = {each.id: {**fields_of(each), "text": each.text} for each in CORPUS}
        return cast("RetrieverProtocol", module.NotesRetriever(notes))


class TestEmbeddedWriter(WriterContract):
    @pytest.fixture
    def writer(self, tmp_path: Path) -> Iterator[IndexWriter]:
        writer = EmbeddedWriter(tmp_path / "index", embedder_name="eight", dimensions=self.dimensions)
        yield writer
        writer.close()

    @pytest.fixture
    def reader(self, writer: IndexWriter, tmp_path: Path) -> RetrieverProtocol:
        return EmbeddedRetriever(tmp_path / "index")


class TestHashingEmbedder(EmbedderContract):
    @pytest.fixture
    def embedder(self) -> HashingEmbedder:
        return HashingEmbedder()


class TestMiniLM(EmbedderContract):
    @pytest.fixture(scope="class")
    @classmethod
    def shipped(cls) -> Embedder:
        embedder = open_embedder("minilm")
        assert embedder is not None
        return embedder

    @pytest.fixture
    def embedder(self, shipped: Embedder) -> Embedder:
        return shipped
