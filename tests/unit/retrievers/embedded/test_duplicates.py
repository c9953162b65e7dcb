"""Near-duplicates in the engine: marked, left out of searches, named by their original."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from retrievers.embedded import EmbeddedRetriever, EmbeddedWriter
from retrievers.embedders.hashing import HashingEmbedder
from retrievers.testing import document

from .conftest import embedded, open_writer

ALL = {"duplicate_of": {"not": ""}}


@pytest.fixture
def reader(path: Path) -> EmbeddedRetriever:
    """Of `fog-a` there are two near-duplicates, and something else."""
    writer = open_writer(path)
    writer.replace(
        [
            embedded(document(name, f"The pilot came in through the fog. {name}" * 5, folder=folder))
            for name, folder in (("fog-a", "in"), ("fog-b", "in"), ("fog-c", "copies"), ("rudder", "in"))
        ]
    )
    writer.mark_duplicates({"fog-b": "fog-a", "fog-c": "fog-a", "no such document": "fog-a"})
    writer.close()
    return EmbeddedRetriever(path, HashingEmbedder)


@pytest.fixture(params=["search", "vector_search", "hybrid_search"])
def found(request: pytest.FixtureRequest, reader: EmbeddedRetriever) -> Callable[..., list[str]]:
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


def test_a_hit_names_the_others_and_they_name_it(reader: EmbeddedRetriever) -> None:
    hits = {hit.doc_id: hit.metadata for hit in reader.search("fog", top_k=50)}
    assert hits["fog-a"] == {"folder": "in", "near_duplicates": ["fog-b", "fog-c"]}
    assert hits["rudder"] == {"folder": "in"}
    assert reader.get("fog-c").metadata == {"folder": "copies", "duplicate_of": "fog-a"}


def test_documents_are_counted_and_listed_one_by_one(reader: EmbeddedRetriever) -> None:
    assert reader.count("fog") == 4
    assert reader.count("fog", filters={"duplicate_of": {"exists": False}}) == 2
    assert [(facet.value, facet.count) for facet in reader.facets("duplicate_of")] == [("fog-a", 2)]
    assert len(list(reader.scan())) == 4


def test_a_query_of_no_words_finds_nothing_without_a_filter(reader: EmbeddedRetriever) -> None:
    assert list(reader.search("?!")) == []


def test_a_mark_changes_neither_text_nor_vectors(path: Path, reader: EmbeddedRetriever) -> None:
    before = reader.describe()
    writer = open_writer(path)
    given = embedded(document("fog-b", "The pilot came in through the fog. fog-b" * 5, folder="in"))
    held = writer.chunks_of("fog-b")
    assert held is not None
    assert (held.document.text, held.document.metadata) == (given.document.text, given.document.metadata)
    assert list(held.chunks) == list(given.chunks)
    writer.mark_duplicates({"fog-b": ""})
    assert list(writer.missing_vectors()) == []
    writer.close()
    assert reader.describe().vectors == before.vectors == before.chunks
    assert sorted({hit.doc_id for hit in reader.vector_search("fog", top_k=50)}) == ["fog-a", "fog-b", "rudder"]
    assert reader.get("fog-b").metadata == {"folder": "in"}


def test_a_document_that_is_written_anew_has_no_mark(path: Path, reader: EmbeddedRetriever) -> None:
    writer = open_writer(path)
    writer.replace([embedded(document("fog-b", "Another text"))])
    writer.mark_duplicates({"fog-b": "fog-a"})
    writer.replace([embedded(document("fog-b", "A third text"))])
    writer.close()
    assert "duplicate_of" not in reader.get("fog-b").metadata


def test_metadata_of_a_users_own_is_no_mark(writer: EmbeddedWriter, path: Path) -> None:
    writer.replace([embedded(document("a", "The fog.", duplicate_of="b"))])
    writer.flush()
    assert [hit.doc_id for hit in EmbeddedRetriever(path).search("fog")] == ["a"]
