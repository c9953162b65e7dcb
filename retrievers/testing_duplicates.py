"""The contract of engines that mark near-duplicates: left out of searches, named by their original, nothing lost."""
# ruff: noqa: D102 - a test's name is its docstring

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest

from retrievers.embedders.hashing import HashingEmbedder
from retrievers.errors import FilterError
from retrievers.protocols import IndexWriter
from retrievers.testing_corpus import chunked, document
from retrievers.types import Document, IndexedDocument

MARKED: Final = {"duplicate_of": {"not": ""}}
"""A filter that names the mark, and lets every document pass."""


def embedded(each: Document) -> IndexedDocument:
    """A document with its chunks, and their vectors by the hashing embedder."""
    chunks = chunked(each)
    vectors = HashingEmbedder().embed_documents([chunk.embedding_text for chunk in chunks])
    return IndexedDocument(document=each, chunks=chunks, vectors=vectors)


def write_group(writer: Any) -> None:
    """Of `fog-a` there are two near-duplicates, and something else; the writer is closed."""
    folders = (("fog-a", "in"), ("fog-b", "in"), ("fog-c", "copies"), ("rudder", "in"))
    writer.replace(
        [
            embedded(document(name, f"The pilot came in through the fog. {name}" * 5, folder=folder))
            for name, folder in folders
        ]
    )
    writer.mark_duplicates({"fog-b": "fog-a", "fog-c": "fog-a", "no such document": "fog-a"})
    writer.close()


class DuplicatesContract:
    """What an engine must do that marks near-duplicates. Override `opened` and `open_reader`.

    `reader` is over what `write_group` wrote; an engine where that takes long may override it with a wider scope.
    """

    @pytest.fixture
    def opened(self) -> Callable[[], IndexWriter]:
        """Opens a writer to the index under test, again and again; made for the hashing embedder."""
        raise NotImplementedError("override the fixture `opened`")

    @pytest.fixture
    def open_reader(self) -> Callable[[], Any]:
        """Opens a retriever of the same index."""
        raise NotImplementedError("override the fixture `open_reader`")

    @pytest.fixture
    def open_held(self) -> Callable[[Any], Any]:
        """Opens a retriever of the same index as `reader` with a filter that must hold."""
        raise NotImplementedError("override the fixture `open_held`")

    @pytest.fixture
    def reader(self, opened: Callable[[], IndexWriter], open_reader: Callable[[], Any]) -> Any:
        """A retriever of the group."""
        write_group(opened())
        return open_reader()

    @pytest.fixture(params=["search", "vector_search", "hybrid_search"])
    def found(self, request: pytest.FixtureRequest, reader: Any) -> Callable[..., list[str]]:
        """The documents found, by each of the three searches."""
        search = getattr(reader, request.param)

        def ids(filters: Any = None) -> list[str]:
            return sorted({hit.doc_id for hit in search("pilot fog", top_k=50, filters=filters)})

        return ids

    def test_the_original_stands_for_its_group(self, found: Callable[..., list[str]]) -> None:
        assert found() == ["fog-a", "rudder"]
        assert found({"folder": "in"}) == ["fog-a", "rudder"]

    def test_where_the_original_does_not_pass_a_near_duplicate_does(self, found: Callable[..., list[str]]) -> None:
        assert found({"folder": "copies"}) == ["fog-c"]
        assert found({"not": {"doc_id": "fog-a"}}) == ["fog-b", "rudder"]

    def test_a_filter_that_names_the_mark_finds_what_it_says(self, found: Callable[..., list[str]]) -> None:
        assert found({"duplicate_of": "fog-a"}) == ["fog-b", "fog-c"]
        assert found(MARKED) == ["fog-a", "fog-b", "fog-c", "rudder"]

    def test_a_hit_names_the_others_and_they_name_it(self, reader: Any) -> None:
        hits = {hit.doc_id: hit.metadata for hit in reader.search("fog", top_k=50)}
        assert hits["fog-a"] == {"folder": "in", "near_duplicates": ["fog-b", "fog-c"]}
        assert hits["rudder"] == {"folder": "in"}
        assert reader.get("fog-c").metadata == {"folder": "copies", "duplicate_of": "fog-a"}

    def test_where_a_filter_must_hold_no_mark_tells_of_what_it_leaves_out(
        self, reader: Any, open_held: Callable[[Any], Any]
    ) -> None:
        held = open_held({"folder": "copies"})
        for name in ("search", "vector_search", "hybrid_search"):
            assert [(hit.doc_id, dict(hit.metadata)) for hit in getattr(held, name)("pilot fog")] == [
                ("fog-c", {"folder": "copies"})
            ]
        assert held.get("fog-c").metadata == {"folder": "copies"}
        assert [each.metadata for each in held.scan()] == [{"folder": "copies"}]
        assert "duplicate_of" not in {field.name for field in held.describe().fields}

    def test_where_a_filter_must_hold_marks_are_not_asked_for(
        self, reader: Any, open_held: Callable[[Any], Any]
    ) -> None:
        held = open_held({"folder": "copies"})
        for asked in ({"duplicate_of": "fog-a"}, {"not": {"duplicate_of": {"exists": True}}}):
            for search in (held.search, held.vector_search, held.hybrid_search):
                with pytest.raises(FilterError, match="duplicate_of"):
                    search("fog", filters=asked)
            for listing in (held.count, held.scan):
                with pytest.raises(FilterError, match="duplicate_of"):
                    listing(filters=asked)
        with pytest.raises(FilterError, match="duplicate_of"):
            held.facets("duplicate_of")
        with pytest.raises(FilterError, match="duplicate_of"):
            held.facets("folder", filters={"duplicate_of": "fog-a"})

    def test_where_a_filter_must_hold_a_hit_names_those_that_pass(
        self, reader: Any, open_held: Callable[[Any], Any]
    ) -> None:
        hits = {hit.doc_id: dict(hit.metadata) for hit in open_held({"folder": "in"}).search("fog", top_k=50)}
        assert hits == {"fog-a": {"folder": "in", "near_duplicates": ["fog-b"]}, "rudder": {"folder": "in"}}

    def test_documents_are_counted_and_listed_one_by_one(self, reader: Any) -> None:
        assert reader.count("fog") == 4
        assert reader.count("fog", filters={"duplicate_of": {"exists": False}}) == 2
        assert [(facet.value, facet.count) for facet in reader.facets("duplicate_of")] == [("fog-a", 2)]
        assert len(list(reader.scan())) == 4

    def test_a_query_of_no_words_finds_nothing_without_a_filter(self, reader: Any) -> None:
        assert list(reader.search("?!")) == []

    def test_a_mark_changes_neither_text_nor_vectors(
        self, opened: Callable[[], Any], open_reader: Callable[[], Any]
    ) -> None:
        write_group(opened())
        before = open_reader().describe()
        writer = opened()
        given = embedded(document("fog-b", "The pilot came in through the fog. fog-b" * 5, folder="in"))
        held = writer.chunks_of("fog-b")
        assert (held.document.text, held.document.metadata) == (given.document.text, given.document.metadata)
        assert list(held.chunks) == list(given.chunks)
        writer.mark_duplicates({"fog-b": ""})
        assert list(writer.missing_vectors()) == []
        writer.close()
        reader = open_reader()
        assert reader.describe().vectors == before.vectors == before.chunks
        assert sorted({hit.doc_id for hit in reader.vector_search("fog", top_k=50)}) == ["fog-a", "fog-b", "rudder"]
        assert reader.get("fog-b").metadata == {"folder": "in"}

    def test_a_mark_is_heeded_by_who_looked_before_it(
        self, opened: Callable[[], Any], open_reader: Callable[[], Any]
    ) -> None:
        writer = opened()
        writer.replace([embedded(document(name, f"The fog. {name}", folder="in")) for name in ("fog-a", "fog-b")])
        writer.flush()
        reader = open_reader()
        assert {hit.doc_id for hit in reader.search("fog")} == {"fog-a", "fog-b"}
        writer.mark_duplicates({"fog-b": "fog-a"})
        writer.close()
        (hit,) = reader.search("fog", filters={"folder": "in"})
        assert hit.metadata == {"folder": "in", "near_duplicates": ["fog-b"]}

    def test_a_document_that_is_written_anew_has_no_mark(
        self, opened: Callable[[], Any], open_reader: Callable[[], Any]
    ) -> None:
        writer = opened()
        writer.replace([embedded(document("fog-b", "Another text"))])
        writer.mark_duplicates({"fog-b": "fog-a"})
        writer.replace([embedded(document("fog-b", "A third text"))])
        writer.close()
        assert "duplicate_of" not in open_reader().get("fog-b").metadata

    def test_metadata_of_a_users_own_is_no_mark(
        self, opened: Callable[[], IndexWriter], open_reader: Callable[[], Any]
    ) -> None:
        writer = opened()
        writer.replace([embedded(document("a", "The fog.", duplicate_of="b"))])
        writer.close()
        assert [hit.doc_id for hit in open_reader().search("fog")] == ["a"]
