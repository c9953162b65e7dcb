"""An index to write to and to ask, in a folder of the test's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from retrievers.embedded import EmbeddedRetriever, EmbeddedWriter
from retrievers.embedders.hashing import HashingEmbedder
from retrievers.testing import chunked
from retrievers.types import Document, IndexedDocument

EMBEDDER = HashingEmbedder()


def embedded(document: Document, size: int = 80) -> IndexedDocument:
    """A document with its chunks and their vectors."""
    chunks = chunked(document, size)
    vectors = EMBEDDER.embed_documents([chunk.embedding_text for chunk in chunks])
    return IndexedDocument(document=document, chunks=chunks, vectors=vectors)


def text_only(document: Document, size: int = 80) -> IndexedDocument:
    """A document with its chunks, vectors to follow."""
    return IndexedDocument(document=document, chunks=chunked(document, size))


def open_writer(path: Path) -> EmbeddedWriter:
    """As ingestion opens it."""
    return EmbeddedWriter(path, embedder_name=EMBEDDER.name, dimensions=EMBEDDER.dimensions)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "index"


@pytest.fixture
def writer(path: Path) -> Iterator[EmbeddedWriter]:
    writer = open_writer(path)
    yield writer
    writer.close()


@pytest.fixture
def reader(writer: EmbeddedWriter, path: Path) -> EmbeddedRetriever:
    return EmbeddedRetriever(path, HashingEmbedder)


@pytest.fixture
def index(path: Path) -> Callable[..., EmbeddedRetriever]:
    """Write documents with vectors and open the index."""

    def make(*documents: Document) -> EmbeddedRetriever:
        writer = open_writer(path)
        writer.replace([embedded(document) for document in documents])
        writer.close()
        return EmbeddedRetriever(path, HashingEmbedder)

    return make


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(11)
