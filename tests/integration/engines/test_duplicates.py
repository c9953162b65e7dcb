"""Near-duplicates on real servers: marked, left out of searches, named by their original, and copied with the index."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from retrievers.copying import copy
from retrievers.embedded import EmbeddedRetriever, EmbeddedWriter
from retrievers.embedders.hashing import HashingEmbedder
from retrievers.protocols import MarksDuplicates
from retrievers.registry import open_retriever, open_writer
from retrievers.servers.retriever import ServerRetriever
from retrievers.testing import chunked, document
from retrievers.types import IndexedDocument
from tests.servers.search_nodes import ENGINES, fresh_index

pytestmark = pytest.mark.integration

EMBEDDER = HashingEmbedder()
ALL = {"duplicate_of": {"not": ""}}


@pytest.fixture(scope="module", params=ENGINES)
def reader(request: pytest.FixtureRequest) -> Iterator[ServerRetriever]:
    """Of `fog-a` there are two near-duplicates, and something else."""
    with fresh_index(str(request.param)) as url:
        writer = open_writer(url, embedder=EMBEDDER)
        items = []
        for name, folder in (("fog-a", "in"), ("fog-b", "in"), ("fog-c", "copies"), ("rudder", "in")):
            each = document(name, f"The pilot came in through the fog. {name}" * 5, folder=folder)
            chunks = chunked(each)
            vectors = EMBEDDER.embed_documents([chunk.embedding_text for chunk in chunks])
            items.append(IndexedDocument(document=each, chunks=chunks, vectors=vectors))
        writer.replace(items)
        assert isinstance(writer, MarksDuplicates)
        writer.mark_duplicates({"fog-b": "fog-a", "fog-c": "fog-a", "no such document": "fog-a"})
        writer.close()
        retriever = open_retriever(url, embedder=EMBEDDER)
        assert isinstance(retriever, ServerRetriever)
        yield retriever


@pytest.fixture(params=["search", "vector_search", "hybrid_search"])
def found(request: pytest.FixtureRequest, reader: ServerRetriever) -> Callable[..., list[str]]:
    """The documents found, by each of the three searches."""
    search = getattr(reader, request.param)

    def ids(filters: Any = None) -> list[str]:
        return sorted({hit.doc_id for hit in search("pilot fog", top_k=50, filters=filters)})

    return ids


def test_the_original_stands_for_its_group(found: Callable[..., list[str]]) -> None:
    assert found() == ["fog-a", "rudder"]
    assert found({"folder": "in"}) == ["fog-a", "rudder"]


def test_where_the_original_does_not_pass_a_near_duplicate_does(found: Callable[..., list[str]]) -> None:
    assert found({"folder": "copies"}) == ["fog-c"]
    assert found({"not": {"doc_id": "fog-a"}}) == ["fog-b", "rudder"]


def test_a_filter_that_names_the_mark_finds_what_it_says(found: Callable[..., list[str]]) -> None:
    assert found({"duplicate_of": "fog-a"}) == ["fog-b", "fog-c"]
    assert found(ALL) == ["fog-a", "fog-b", "fog-c", "rudder"]


def test_the_original_names_the_others(reader: ServerRetriever) -> None:
    hits = {hit.doc_id: hit for hit in reader.search("pilot fog")}

    assert hits["fog-a"].metadata["near_duplicates"] == ["fog-b", "fog-c"]
    assert "near_duplicates" not in hits["rudder"].metadata
    assert reader.count() == 4


def test_marks_are_copied(reader: ServerRetriever, tmp_path: Path) -> None:
    writer = EmbeddedWriter(tmp_path / "index", embedder_name=EMBEDDER.name, dimensions=EMBEDDER.dimensions)
    copy(reader, writer)
    writer.close()

    here = EmbeddedRetriever(tmp_path / "index", HashingEmbedder)
    assert sorted({hit.doc_id for hit in here.hybrid_search("pilot fog")}) == ["fog-a", "rudder"]
    assert [each.doc_id for each in here.scan(filters={"duplicate_of": "fog-a"})] == ["fog-b", "fog-c"]
