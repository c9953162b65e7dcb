"""Documents that come with vectors, as from a cluster: written with them, and not embedded again."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from ingest import sources
from ingest.cluster.session import connected
from ingest.journal import Journal
from ingest.pipeline import IngestRun
from ingest.readers import Reader
from ingest.report import Tally
from ingest.settings import ray_address
from ingest.testing import InlinePool, MemoryWriter
from ingest.types import Failure, ParsedFile, SourceFile
from ingest.writing import Batching
from retrievers.embedders.hashing import HashingEmbedder
from retrievers.errors import ConfigError
from retrievers.types import IndexedDocument, Matrix
from tests.unit.ingest.corpus import Corpus, mixed_files


class EmbeddingPool(InlinePool):
    """Embeds what it reads, but for what says that it cannot be."""

    def run(self, files: Iterable[SourceFile]) -> Iterator[ParsedFile | Failure]:
        for outcome in super().run(files):
            if isinstance(outcome, ParsedFile):
                documents = [self._embedded(item) for item in outcome.documents]
                outcome = replace(outcome, documents=documents, embedder_seconds=0.5)
            yield outcome

    def _embedded(self, item: IndexedDocument) -> IndexedDocument:
        if "without" in item.document.text or not item.chunks:
            return item
        return replace(item, vectors=HashingEmbedder().embed_documents([chunk.text for chunk in item.chunks]))


class Counting(HashingEmbedder):
    def __init__(self) -> None:
        self.texts: list[str] = []

    def embed_documents(self, texts: Sequence[str]) -> Matrix:
        self.texts += texts
        return super().embed_documents(texts)


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return Corpus(tmp_path)


def ingest(corpus: Corpus, embedder: HashingEmbedder) -> tuple[Tally, MemoryWriter]:
    writer = MemoryWriter(corpus.durable)
    with Journal(corpus.journal_path) as journal:
        journal.begin_run("")
        run = IngestRun(
            writer=writer,
            journal=journal,
            pool=EmbeddingPool(),
            reader=Reader(common="v1"),
            embedder=embedder,
            batching=Batching(documents=1000, seconds=60.0),
        )
        return run.run(sources.find([corpus.folder])), writer


def test_they_are_not_embedded_again_and_the_index_is_the_same(corpus: Corpus, tmp_path: Path) -> None:
    other = Corpus(tmp_path / "other")
    for each in (corpus, other):
        mixed_files(each)
    other.ingest(embedder=HashingEmbedder())
    embedder = Counting()

    tally, _ = ingest(corpus, embedder)

    assert corpus.content() == other.content()
    assert embedder.texts == []
    assert corpus.states() == other.states()
    assert (tally.vectors, tally.vectors_expected) == (tally.chunks, tally.chunks)
    assert tally.embedder_seconds > 0


def test_those_that_come_without_are_embedded_here(corpus: Corpus) -> None:
    corpus.write("a.txt", "with vectors")
    corpus.write("b.txt", "without vectors")
    embedder = Counting()

    tally, _ = ingest(corpus, embedder)

    assert embedder.texts == ["without vectors"]
    assert all(item.vectors is not None for item in corpus.durable.values())
    assert corpus.states() == {"vectors": 2}
    assert tally.vectors == 2


def test_they_are_flushed_by_batches_and_not_one_by_one(corpus: Corpus) -> None:
    for number in range(60):
        corpus.write(f"{number}.txt", f"text {number}")

    _, writer = ingest(corpus, Counting())

    assert writer.flushes < 6


def test_ray_that_is_not_installed_is_told_by_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)

    with pytest.raises(ConfigError, match=r"the executor `ray` needs the extra `ray`: pip install 'rlm-search\[ray\]'"):
        connected().__enter__()


def test_the_cluster_is_the_one_that_the_environment_names() -> None:
    assert ray_address({"RAY_ADDRESS": "head:6379"}) == "head:6379"
    assert ray_address({}) == ""
