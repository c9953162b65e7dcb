"""The same corpus on every engine answers alike: filters as the reference says, counts and facets equal."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from retrievers.copying import copy
from retrievers.embedded import EmbeddedRetriever, EmbeddedWriter
from retrievers.embedders.hashing import HashingEmbedder
from retrievers.errors import FilterError, ServerRefused
from retrievers.fields import fields_of
from retrievers.filters import Filter, matches, parse
from retrievers.registry import open_retriever, open_writer
from retrievers.servers.retriever import ServerRetriever
from retrievers.testing import CORPUS, chunked, document
from retrievers.testing_corpus import types_of
from retrievers.types import Document, IndexedDocument
from tests.servers.search_nodes import ENGINES, fresh_index
from tests.unit.retrievers.embedded.test_filtering import DATES, NUMBERS, WORDS, filters

pytestmark = pytest.mark.integration

DOCUMENTS = 60
TYPED = document("typed", "text", word="w", words=["w"], number=1, date="2020-01-01", flag=True)


def corpus() -> list[Document]:
    """Documents with generated metadata, the same in every run; every field exists with its type."""
    dice = random.Random(5)
    values: dict[str, Callable[[], Any]] = {
        "word": lambda: dice.choice(WORDS),
        "words": lambda: dice.sample(WORDS, dice.randrange(4)),
        "number": lambda: dice.choice(NUMBERS),
        "date": lambda: dice.choice(DATES),
        "flag": lambda: dice.random() < 0.5,
    }
    drawn = [{name: draw() for name, draw in values.items() if dice.random() < 0.7} for _ in range(DOCUMENTS)]
    words = ("wind", "solar", "kitchen", "harbour", "ferry")
    made = [document(f"d{n}", f"{words[n % 5]} and {words[n % 3]}", **row) for n, row in enumerate(drawn)]
    return [TYPED, *made, *CORPUS]


@pytest.fixture(scope="module")
def documents() -> list[Document]:
    return corpus()


@pytest.fixture(scope="module")
def embedded(documents: list[Document], tmp_path_factory: pytest.TempPathFactory) -> EmbeddedRetriever:
    path: Path = tmp_path_factory.mktemp("embedded") / "index"
    embedder = HashingEmbedder()
    writer = EmbeddedWriter(path, embedder_name=embedder.name, dimensions=embedder.dimensions)
    for each in documents:
        chunks = chunked(each)
        matrix = embedder.embed_documents([chunk.embedding_text for chunk in chunks])
        writer.replace([IndexedDocument(document=each, chunks=chunks, vectors=matrix)])
    writer.close()
    return EmbeddedRetriever(path, HashingEmbedder)


@pytest.fixture(scope="module", params=ENGINES)
def server(request: pytest.FixtureRequest, embedded: EmbeddedRetriever) -> Iterator[ServerRetriever]:
    with fresh_index(str(request.param)) as url:
        writer = open_writer(url, embedder=HashingEmbedder())
        copy(embedded, writer)
        writer.close()
        retriever = open_retriever(url, embedder=HashingEmbedder())
        assert isinstance(retriever, ServerRetriever)
        yield retriever
        retriever.close()


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(asked=filters)
def test_every_filter_passes_what_the_reference_passes(
    server: ServerRetriever, documents: list[Document], asked: Filter
) -> None:
    types = types_of(tuple(documents))
    expected = {each.id for each in documents if matches(asked, fields_of(each), types)}

    assert {each.doc_id for each in server.scan(filters=asked)} == expected
    assert server.count(filters=asked) == len(expected)


def test_a_range_of_very_long_keywords_goes_by_their_beginnings(
    server: ServerRetriever, documents: list[Document]
) -> None:
    types = types_of(tuple(documents))
    for bounds in ({"gt": "long" * 400}, {"lte": "long" * 400}, {"gte": "long" * 400}, {"lt": "long" * 400}):
        asked = parse({"word": bounds})
        assert asked is not None
        expected = {each.id for each in documents if matches(asked, fields_of(each), types)}
        try:
            found = {each.doc_id for each in server.scan(filters=asked)}
        except ServerRefused as error:
            if "automaton is too large" in str(error):
                pytest.skip("servers with Lucene 9 take no bounds of 1,000 characters")
            raise
        assert found == expected, bounds


def test_types_counts_and_facets_are_equal(server: ServerRetriever, embedded: EmbeddedRetriever) -> None:
    ours, theirs = embedded.describe(), server.describe()

    assert (theirs.documents, theirs.chunks, theirs.vectors) == (ours.documents, ours.chunks, ours.vectors)
    known = {field.name: field for field in theirs.fields}
    for field in ours.fields:
        other = known[field.name]
        assert (other.type, other.documents, other.also, other.conflicts) == (
            field.type,
            field.documents,
            field.also,
            field.conflicts,
        )
        assert (other.lowest, other.highest) == (field.lowest, field.highest)
        assert server.facets(field.name, top_k=500) == embedded.facets(field.name, top_k=500), field.name


@pytest.mark.parametrize("query", ["wind", "wind solar", '"wind and"', "nothing of it", "kitchen mugs", "revenue 2020"])
def test_words_are_counted_alike(server: ServerRetriever, embedded: EmbeddedRetriever, query: str) -> None:
    assert server.count(query) == embedded.count(query)
    assert [each.doc_id for each in server.scan(query=query)] == [each.doc_id for each in embedded.scan(query=query)]


@pytest.mark.parametrize("query", ["wind revenue", "solar panels research spending", "who washes the mugs"])
def test_searches_find_the_same(server: ServerRetriever, embedded: EmbeddedRetriever, query: str) -> None:
    filters_ = {"company": {"exists": True}}
    for name in ("search", "vector_search", "hybrid_search"):
        ours = [hit.doc_id for hit in getattr(embedded, name)(query, top_k=3, filters=filters_)]
        theirs = [hit.doc_id for hit in getattr(server, name)(query, top_k=3, filters=filters_)]
        assert ours[:1] == theirs[:1]
        assert len(set(ours) & set(theirs)) >= len(ours) - 1


def test_a_wrong_filter_is_refused_alike(server: ServerRetriever, embedded: EmbeddedRetriever) -> None:
    for wrong in ({"nummber": 3}, {"flag": {"gte": 1}}, {"date": "soon"}):
        told = []
        for engine in (server, embedded):
            with pytest.raises(FilterError) as refused:
                engine.count(filters=wrong)
            told.append(refused.value.message)
        assert told[0] == told[1]
