"""Contract tests for plug-in authors: inherit a suite, override its fixtures, run pytest.

    from retrievers.testing import RetrieverContract

    class TestMyRetriever(RetrieverContract):
        @pytest.fixture
        def retriever(self):
            return MyRetriever(documents=CORPUS)

`RetrieverContract` asks what the four methods promise, and what each capability promises where the retriever has it.
`MandatoryFilterContract` tries to get around a filter that must hold; `DuplicatesContract` in
`retrievers.testing_duplicates` marks near-duplicates.
`WriterContract` writes through an `IndexWriter` and reads back; `EmbedderContract` holds an embedder to its word.
"""
# ruff: noqa: D102 - a test's name is its docstring

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from retrievers.errors import DocumentNotFound, FilterError
from retrievers.furniture import within
from retrievers.normalise import as_document, as_hits
from retrievers.protocols import (
    Counts,
    Describes,
    Embedder,
    Facets,
    IndexWriter,
    ReadsPages,
    ReadsSpans,
    RetrieverProtocol,
    Scans,
)
from retrievers.testing_corpus import AWKWARD_QUERIES, CORPUS, FILTERS, PAGES, chunked, document, passing, types_of
from retrievers.types import IndexedDocument, Matrix


class RetrieverContract:
    """What a retriever over `CORPUS` must do. Override `retriever`; set `filterable` if it knows filters.

    Results may be hits or mappings. Capabilities are tested where the retriever has them.
    """

    filterable: bool = True
    """Whether filters are applied and wrong ones refused."""

    semantic: bool = True
    """Whether `vector_search` works on what the fixture made."""

    @pytest.fixture
    def retriever(self) -> RetrieverProtocol:
        """The retriever under test, over `CORPUS`."""
        raise NotImplementedError("override the fixture `retriever`")

    @pytest.fixture(params=["search", "vector_search", "hybrid_search"])
    def searching(self, request: pytest.FixtureRequest, retriever: RetrieverProtocol) -> Callable[..., Any]:
        """Each of the three searches in turn."""
        if request.param == "vector_search" and not self.semantic:
            pytest.skip("this retriever has no vectors")
        found: Callable[..., Any] = getattr(retriever, request.param)
        return found

    def test_it_has_the_four_methods(self, retriever: RetrieverProtocol) -> None:
        assert isinstance(retriever, RetrieverProtocol)

    def test_the_document_that_says_it_comes_first(self, searching: Callable[..., Any]) -> None:
        hits = as_hits(searching("solar panels research spending"))
        assert hits[0].doc_id == "solaris"

    def test_scores_descend(self, searching: Callable[..., Any]) -> None:
        scores = [hit.score for hit in as_hits(searching("revenue of the wind company"))]
        assert scores == sorted(scores, reverse=True)

    def test_top_k_bounds_the_results(self, searching: Callable[..., Any]) -> None:
        assert len(as_hits(searching("revenue wind kitchen", top_k=2))) <= 2

    def test_results_are_unique(self, searching: Callable[..., Any]) -> None:
        ids = [hit.chunk_id for hit in as_hits(searching("wind revenue", top_k=50))]
        assert len(ids) == len(set(ids))

    @pytest.mark.parametrize("query", AWKWARD_QUERIES)
    def test_no_query_fails(self, searching: Callable[..., Any], query: str) -> None:
        assert isinstance(as_hits(searching(query)), list)

    def test_the_preview_is_the_span_it_names(
        self, searching: Callable[..., Any], retriever: RetrieverProtocol
    ) -> None:
        for hit in as_hits(searching("revenue kitchen wind")):
            if hit.end > hit.start:
                content = as_document(retriever.get(hit.doc_id), hit.doc_id).content
                assert hit.preview == " ".join(content[hit.start : hit.end].split())

    def test_every_document_found_can_be_read(
        self, searching: Callable[..., Any], retriever: RetrieverProtocol
    ) -> None:
        texts = {each.id: each.text for each in CORPUS}
        for hit in as_hits(searching("revenue kitchen wind", top_k=50)):
            assert as_document(retriever.get(hit.doc_id), hit.doc_id).content == texts[hit.doc_id]

    def test_a_missing_document_is_an_error(self, retriever: RetrieverProtocol) -> None:
        with pytest.raises(DocumentNotFound):
            retriever.get("no such document")

    @pytest.mark.parametrize("filters", FILTERS, ids=repr)
    def test_filters_hold(self, searching: Callable[..., Any], filters: dict[str, Any]) -> None:
        self._need_filters()
        found = {hit.doc_id for hit in as_hits(searching("wind revenue kitchen solar", top_k=50, filters=filters))}
        assert found <= passing(filters)
        assert found or not passing(filters) & {"northwind", "solaris", "memo", "poem"}

    @pytest.mark.parametrize(
        "filters", [{"yeer": 2020}, {"year": {"above": 3}}, {"year": "soon"}, {"audited": 3}, {"year": None}], ids=repr
    )
    def test_a_wrong_filter_is_refused_by_name(self, searching: Callable[..., Any], filters: dict[str, Any]) -> None:
        self._need_filters()
        with pytest.raises(FilterError, match=next(iter(filters))):
            searching("wind", filters=filters)

    def test_documents_are_counted(self, retriever: RetrieverProtocol) -> None:
        if not isinstance(retriever, Counts):
            pytest.skip("it does not count")
        assert retriever.count() == len(CORPUS)
        assert retriever.count("wind") == 2
        assert retriever.count('revenue "capital expenditure"') == 1
        for filters in FILTERS:
            assert retriever.count(filters=filters) == len(passing(filters)), filters

    def test_facets_count_documents(self, retriever: RetrieverProtocol) -> None:
        if not isinstance(retriever, Facets):
            pytest.skip("it has no facets")
        assert [(f.value, f.count) for f in retriever.facets("company")] == [("Northwind", 2), ("Solaris", 1)]
        assert [(f.value, f.count) for f in retriever.facets("year", filters={"company": "Northwind"})] == [
            (2020, 1),
            (2021, 1),
        ]
        assert [(f.value, f.count) for f in retriever.facets("tags", query="solar")] == [("energy", 1), ("solar", 1)]
        with pytest.raises(FilterError, match="compny"):
            retriever.facets("compny")

    def test_scans_walk_over_everything_in_order(self, retriever: RetrieverProtocol) -> None:
        if not isinstance(retriever, Scans):
            pytest.skip("it does not scan")
        ids = sorted(each.id for each in CORPUS)
        assert [summary.doc_id for summary in retriever.scan()] == ids
        assert [summary.doc_id for summary in retriever.scan(after=ids[0], limit=2)] == ids[1:3]
        assert [summary.doc_id for summary in retriever.scan(query="wind", filters={"year": 2021})] == ["northwind"]

    def test_spans_are_cut_to_the_document(self, retriever: RetrieverProtocol) -> None:
        if not isinstance(retriever, ReadsSpans):
            pytest.skip("it does not read spans")
        text = CORPUS[0].text
        assert retriever.read("northwind", 3, 20).text == text[3:20]
        span = retriever.read("northwind", len(PAGES[0]) - 2, 10_000)
        assert (span.text, span.pages) == (text[len(PAGES[0]) - 2 :], (1, 2, 3))

    def test_pages_are_read_by_number(self, retriever: RetrieverProtocol) -> None:
        if not isinstance(retriever, ReadsPages):
            pytest.skip("it does not read pages")
        assert [(page.number, page.text) for page in retriever.read_pages("northwind", 2, 9)] == [
            (2, PAGES[1]),
            (3, PAGES[2]),
        ]
        assert list(retriever.read_pages("poem", 1, 1)) == []

    def test_it_describes_its_fields(self, retriever: RetrieverProtocol) -> None:
        if not isinstance(retriever, Describes):
            pytest.skip("it does not describe itself")
        described = retriever.describe()
        types = {field.name: field.type for field in described.fields}
        assert described.documents == len(CORPUS)
        assert {name: (types[name],) for name in types_of(CORPUS)} == types_of(CORPUS)

    def _need_filters(self) -> None:
        if not self.filterable:
            pytest.skip("this retriever knows no filters")


class MandatoryFilterContract:
    """What holds for a retriever over `CORPUS` that must only show the documents of Northwind. Override `held`."""

    allowed: frozenset[str] = frozenset(passing({"company": "Northwind"}))

    @pytest.fixture
    def held(self) -> RetrieverProtocol:
        """The retriever under test, opened with the filter `{"company": "Northwind"}`."""
        raise NotImplementedError("override the fixture `held`")

    @pytest.mark.parametrize(
        "filters",
        [
            None,
            {"company": "Solaris"},
            {"or": [{"company": "Solaris"}, {"company": "Northwind"}]},
            {"not": {"company": "Northwind"}},
            {"company": {"exists": False}},
            {"doc_id": "solaris"},
        ],
        ids=repr,
    )
    def test_no_argument_widens_it(self, held: RetrieverProtocol, filters: dict[str, Any] | None) -> None:
        for name in ("search", "vector_search", "hybrid_search"):
            found = as_hits(getattr(held, name)("wind revenue kitchen solar", top_k=50, filters=filters))
            assert {hit.doc_id for hit in found} <= self.allowed
        if isinstance(held, Scans):
            assert {summary.doc_id for summary in held.scan(filters=filters)} <= self.allowed
        if isinstance(held, Counts):
            assert held.count(filters=filters) <= len(self.allowed)
        if isinstance(held, Facets):
            assert {facet.value for facet in held.facets("doc_id", filters=filters)} <= self.allowed

    def test_what_it_leaves_out_is_not_there_by_its_id(self, held: RetrieverProtocol) -> None:
        for each in CORPUS:
            if each.id in self.allowed:
                assert as_document(held.get(each.id), each.id).content == each.text
                continue
            with pytest.raises(DocumentNotFound):
                held.get(each.id)
            if isinstance(held, ReadsSpans):
                with pytest.raises(DocumentNotFound):
                    held.read(each.id, 0, 10)
            if isinstance(held, ReadsPages):
                with pytest.raises(DocumentNotFound):
                    held.read_pages(each.id, 1, 1)

    def test_its_description_tells_of_nothing_else(self, held: RetrieverProtocol) -> None:
        if not isinstance(held, Describes):
            pytest.skip("it does not describe itself")
        described = held.describe()
        examples = {value for field in described.fields for value in field.examples}
        assert described.documents == len(self.allowed)
        assert not {"Solaris", "solaris", "archive/solaris.txt"} & examples


class WriterContract:
    """What a writer must do. Override `writer` and `reader`; `dimensions` is the length of the index's vectors."""

    dimensions: int = 8

    @pytest.fixture
    def writer(self) -> Iterator[IndexWriter]:
        """A writer to an empty index."""
        raise NotImplementedError("override the fixture `writer`")

    @pytest.fixture
    def reader(self, writer: IndexWriter) -> RetrieverProtocol:
        """A retriever over what the writer writes."""
        raise NotImplementedError("override the fixture `reader`")

    def vectors(self, count: int, seed: int = 0) -> Matrix:
        """Some unit vectors."""
        drawn = np.random.default_rng(seed).standard_normal((count, self.dimensions)).astype(np.float32)
        unit: Matrix = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
        return unit

    def test_what_was_flushed_is_found(self, writer: IndexWriter, reader: RetrieverProtocol) -> None:
        for each in CORPUS:
            writer.replace([IndexedDocument(document=each, chunks=chunked(each))])
        writer.flush()
        assert as_hits(reader.search("kitchen"))[0].doc_id == "memo"
        assert all(as_document(reader.get(each.id), each.id).content == each.text for each in CORPUS)

    def test_replacing_leaves_one_and_repeating_is_harmless(
        self, writer: IndexWriter, reader: RetrieverProtocol
    ) -> None:
        old, new = document("a", "the old wording of it"), document("a", "another phrase instead")
        writer.replace([IndexedDocument(document=old, chunks=chunked(old))])
        writer.flush()
        for _ in range(2):
            writer.replace([IndexedDocument(document=new, chunks=chunked(new))])
            writer.flush()
        assert as_hits(reader.search("wording")) == []
        assert len(as_hits(reader.search("phrase"))) == 1
        assert writer.holds("a") == new.content_hash

    def test_a_successor_takes_the_place_of_what_it_removes(
        self, writer: IndexWriter, reader: RetrieverProtocol
    ) -> None:
        old, new = document("a-1", "first edition"), document("a-2", "second edition")
        writer.replace([IndexedDocument(document=old, chunks=chunked(old))])
        writer.flush()
        writer.replace([IndexedDocument(document=new, chunks=chunked(new))], removing=["a-1", "never there"])
        writer.flush()
        assert [hit.doc_id for hit in as_hits(reader.search("edition"))] == ["a-2"]

    def test_deleted_documents_are_gone(self, writer: IndexWriter, reader: RetrieverProtocol) -> None:
        for each in CORPUS:
            writer.replace([IndexedDocument(document=each, chunks=chunked(each))])
        writer.delete(["memo", "never there"])
        writer.flush()
        assert as_hits(reader.search("kitchen")) == []
        assert writer.holds("memo") == ""

    def test_vectors_may_come_later(self, writer: IndexWriter) -> None:
        one = document("a", "words to find " * 20)
        chunks = chunked(one)
        writer.replace([IndexedDocument(document=one, chunks=chunks)])
        writer.flush()
        assert list(writer.missing_vectors()) == ["a"]
        writer.set_vectors("a", one.content_hash, self.vectors(len(chunks)))
        writer.flush()
        assert list(writer.missing_vectors()) == []

    def test_vectors_of_another_version_are_dropped(self, writer: IndexWriter) -> None:
        one = document("a", "words to find")
        writer.replace([IndexedDocument(document=one, chunks=chunked(one))])
        writer.set_vectors("a", "another hash", self.vectors(1))
        writer.set_vectors("never there", "x", self.vectors(1))
        writer.flush()
        assert list(writer.missing_vectors()) == ["a"]

    def test_a_document_is_read_back_as_it_was_given(self, writer: IndexWriter) -> None:
        for each in CORPUS:
            writer.replace([IndexedDocument(document=each, chunks=chunked(each))])
        writer.flush()
        for each in CORPUS:
            restored = writer.chunks_of(each.id)
            assert restored is not None
            assert (restored.document.text, restored.document.title) == (each.text, each.title)
            assert list(restored.chunks) == chunked(each)
        assert writer.chunks_of("never there") is None

    def test_furniture_is_kept_and_not_searched(self, writer: IndexWriter, reader: RetrieverProtocol) -> None:
        pages = ("Northwind Quarterly\nThe crane is old.\n", "Northwind Quarterly\nThe ferry is new.\n")
        one = document("a", "".join(pages), pages=(0, len(pages[0])))
        header = (len(pages[0]), len(pages[0]) + len("Northwind Quarterly\n"))
        one = replace(one, furniture=(header,))
        chunks = [
            replace(chunk, furniture=within(one.furniture, chunk.start, chunk.end)) for chunk in chunked(one, size=20)
        ]
        writer.replace([IndexedDocument(document=one, chunks=chunks)])
        writer.flush()
        assert [hit.pages for hit in as_hits(reader.search("quarterly"))] == [(1,)]
        (hit,) = as_hits(reader.search("ferry"))
        assert one.text[hit.start : hit.end].split() == hit.preview.split()
        assert as_document(reader.get("a"), "a").content == one.text
        restored = writer.chunks_of("a")
        assert restored is not None
        assert restored.document.furniture == one.furniture
        assert list(restored.chunks) == chunks


class EmbedderContract:
    """What an embedder must do. Override `embedder`."""

    @pytest.fixture
    def embedder(self) -> Embedder:
        """The embedder under test."""
        raise NotImplementedError("override the fixture `embedder`")

    def test_vectors_are_of_unit_length_and_named_size(self, embedder: Embedder) -> None:
        vectors = embedder.embed_documents(["wind turbines", "a memo about the kitchen", "x"])
        assert vectors.shape == (3, embedder.dimensions)
        assert vectors.dtype == np.float32
        assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3)
        assert np.isclose(np.linalg.norm(embedder.embed_query("wind")), 1, atol=1e-3)

    def test_no_texts_are_no_rows(self, embedder: Embedder) -> None:
        assert embedder.embed_documents([]).shape == (0, embedder.dimensions)

    def test_empty_and_odd_texts_have_vectors(self, embedder: Embedder) -> None:
        assert np.isfinite(embedder.embed_documents(["", " ", "\x00", "東京", "word " * 3000])).all()

    def test_the_order_of_a_batch_does_not_matter(self, embedder: Embedder) -> None:
        texts = ["a short one", "a rather longer text about wind and water and light " * 4, "kitchen"]
        forward, backward = embedder.embed_documents(texts), embedder.embed_documents(texts[::-1])[::-1]
        assert (np.einsum("ij,ij->i", forward, backward) > 0.97).all()

    def test_what_is_alike_is_nearer(self, embedder: Embedder) -> None:
        near, far = embedder.embed_documents(["the wind turbine turns", "please wash your mugs in the kitchen"])
        query = embedder.embed_query("wind turbine")
        assert float(near @ query) > float(far @ query)

    def test_it_has_a_name(self, embedder: Embedder) -> None:
        assert embedder.name


__all__ = [
    "CORPUS",
    "EmbedderContract",
    "MandatoryFilterContract",
    "RetrieverContract",
    "WriterContract",
    "chunked",
    "document",
]
