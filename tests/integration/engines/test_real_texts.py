"""Real texts and questions on every engine: the same documents come first, and they are judged alike."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.beir import Record, RetrievalSet, judge, load
from bench.quality import all_ways, overlap
from retrievers.copying import copy
from retrievers.embedded import EmbeddedRetriever, EmbeddedWriter
from retrievers.embedders.hashing import HashingEmbedder
from retrievers.registry import open_retriever, open_writer
from retrievers.testing import document
from retrievers.types import Chunk, IndexedDocument
from tests.servers.search_nodes import ENGINES, fresh_index

pytestmark = pytest.mark.integration

DOCUMENTS = 500
QUERIES = 50
LEAST = {"lexical": 0.8, "semantic": 0.9, "hybrid": 0.8}
"""The share of the first ten documents that the engines have in common."""


@pytest.fixture(scope="module")
def chosen() -> RetrievalSet:
    folder = Path(os.environ.get("RLM_SEARCH_TEST_DATA", "")) / "scifact"
    if not (folder / "corpus.jsonl").is_file():
        pytest.skip("RLM_SEARCH_TEST_DATA is not set")
    return load(folder, limit_queries=QUERIES)


def whole(record: Record, embedder: HashingEmbedder) -> IndexedDocument:
    """A document of one chunk."""
    each = document(record.id, f"{record.title}\n\n{record.text}")
    chunk = Chunk(id=f"{each.id}#0", document_id=each.id, ordinal=0, start=0, end=len(each.text), text=each.text)
    return IndexedDocument(document=each, chunks=[chunk], vectors=embedder.embed_documents([each.text]))


@pytest.fixture(scope="module")
def here(chosen: RetrievalSet, tmp_path_factory: pytest.TempPathFactory) -> EmbeddedRetriever:
    """What the questions ask for, and others up to a number, with the vectors of the hashing embedder."""
    wanted = {name for query in chosen.queries for name in chosen.judgements[query]}
    records = chosen.records()
    records = [*(each for each in records if each.id in wanted), *(each for each in records if each.id not in wanted)]
    path = tmp_path_factory.mktemp("real") / "index"
    embedder = HashingEmbedder()
    writer = EmbeddedWriter(path, embedder_name=embedder.name, dimensions=embedder.dimensions)
    writer.replace([whole(each, embedder) for each in records[:DOCUMENTS]])
    writer.close()
    return EmbeddedRetriever(path, HashingEmbedder)


@pytest.fixture(scope="module")
def ours(here: EmbeddedRetriever, chosen: RetrievalSet) -> dict[str, Any]:
    return all_ways(here, chosen.queries)


@pytest.fixture(scope="module", params=ENGINES)
def theirs(request: pytest.FixtureRequest, here: EmbeddedRetriever, chosen: RetrievalSet) -> Iterator[dict[str, Any]]:
    with fresh_index(str(request.param)) as url:
        writer = open_writer(url, embedder=HashingEmbedder())
        copy(here, writer)
        writer.close()
        yield all_ways(open_retriever(url, embedder=HashingEmbedder()), chosen.queries)


@pytest.mark.parametrize("mode", LEAST)
def test_the_first_ten_are_mostly_the_same(ours: dict[str, Any], theirs: dict[str, Any], mode: str) -> None:
    assert overlap(ours[mode], theirs[mode]) >= LEAST[mode]


@pytest.mark.parametrize("mode", LEAST)
def test_they_are_judged_alike(ours: dict[str, Any], theirs: dict[str, Any], chosen: RetrievalSet, mode: str) -> None:
    figures = [judge(found[mode], chosen.judgements)["ndcg@10"] for found in (ours, theirs)]

    assert abs(figures[0] - figures[1]) <= 0.01
