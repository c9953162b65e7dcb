"""Vectors that are kept: nothing twice, nothing changed, nothing lost, and never the reason that a run fails."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from retrievers.embedders.cached import CachedEmbedder
from retrievers.embedders.hashing import HashingEmbedder
from retrievers.types import Matrix


class CountingEmbedder(HashingEmbedder):
    """Remembers what it was asked to embed."""

    def __init__(self, name: str = "hashing-64") -> None:
        self.name = name
        self.seen: list[str] = []

    def embed_documents(self, texts: Sequence[str]) -> Matrix:
        self.seen += texts
        return super().embed_documents(texts)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "vectors.sqlite"


@pytest.fixture
def inner() -> CountingEmbedder:
    return CountingEmbedder()


@pytest.fixture
def cached(inner: CountingEmbedder, path: Path) -> Iterator[CachedEmbedder]:
    embedder = CachedEmbedder(inner, path)
    yield embedder
    embedder.close()


def test_equal_texts_are_embedded_once_and_each_gets_its_row(cached: CachedEmbedder, inner: CountingEmbedder) -> None:
    vectors = cached.embed_documents(["b", "a", "b", "\ud800", "a"])

    assert inner.seen == ["b", "a", "\ud800"]
    assert np.array_equal(vectors, HashingEmbedder().embed_documents(["b", "a", "b", "\ud800", "a"]))


def test_another_process_finds_the_very_same_vectors(cached: CachedEmbedder, path: Path) -> None:
    first = cached.embed_documents(["one", "two"])
    later = CountingEmbedder()
    again = CachedEmbedder(later, path)

    assert np.array_equal(again.embed_documents(["two", "one"]), first[::-1])
    assert later.seen == []
    again.close()


def test_embedders_that_share_a_file_do_not_share_vectors(cached: CachedEmbedder, path: Path) -> None:
    cached.embed_documents(["one"])
    other = CountingEmbedder("hashing-other")
    sharing = CachedEmbedder(other, path)
    sharing.embed_documents(["one"])

    assert other.seen == ["one"]
    sharing.close()


def test_what_was_embedded_before_a_failure_is_kept(path: Path) -> None:
    class FailingLater(CountingEmbedder):
        def embed_documents(self, texts: Sequence[str]) -> Matrix:
            if self.seen:
                raise RuntimeError("power cut")
            return super().embed_documents(texts)

    texts = [f"text {number}" for number in range(300)]
    failing = CachedEmbedder(FailingLater(), path)
    with pytest.raises(RuntimeError, match="power cut"):
        failing.embed_documents(texts)
    failing.close()

    inner = CountingEmbedder()
    after = CachedEmbedder(inner, path)
    after.embed_documents(texts)
    after.close()
    assert inner.seen == texts[256:]


def test_the_oldest_make_room_when_the_file_is_full(inner: CountingEmbedder, path: Path) -> None:
    small = CachedEmbedder(inner, path, max_bytes=3 * (4 * 64 + 80))
    for text in ("a", "b", "c", "d"):
        small.embed_documents([text])
    small.embed_documents(["b", "c", "d"])
    assert inner.seen == ["a", "b", "c", "d"]

    small.embed_documents(["a"])
    assert inner.seen == ["a", "b", "c", "d", "a"]
    small.close()


def test_several_threads_may_use_it_at_once(cached: CachedEmbedder) -> None:
    texts = [f"text {number % 40}" for number in range(200)]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(cached.embed_documents, [texts, texts[::-1], texts, texts[::-1]]))

    expected = HashingEmbedder().embed_documents(texts)
    assert all(
        np.array_equal(result, wanted) for result, wanted in zip(results, [expected, expected[::-1]] * 2, strict=True)
    )


def test_a_damaged_file_is_replaced(inner: CountingEmbedder, path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"this is no database, " * 100)
    repaired = CachedEmbedder(inner, path)
    repaired.embed_documents(["one"])
    repaired.embed_documents(["one"])

    assert inner.seen == ["one"]
    repaired.close()


def test_a_vector_of_the_wrong_length_is_not_believed(
    cached: CachedEmbedder, inner: CountingEmbedder, path: Path
) -> None:
    wanted = cached.embed_documents(["one"])
    with sqlite3.connect(path) as file:
        file.execute("UPDATE vectors SET vector = x'00'")
    file.close()

    assert np.array_equal(cached.embed_documents(["one"]), wanted)


def test_without_a_file_it_embeds_and_says_so_once(
    inner: CountingEmbedder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a file").touch()
    embedder = CachedEmbedder(inner, tmp_path / "a file" / "vectors.sqlite")

    assert np.array_equal(embedder.embed_documents(["one"]), embedder.embed_documents(["one"]))
    assert len(caplog.messages) == 1
    assert "is not used" in caplog.messages[0]


def test_a_write_that_fails_costs_the_cache_and_not_the_run(
    cached: CachedEmbedder, inner: CountingEmbedder, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cached.embed_documents(["one"])
    with sqlite3.connect(path) as file:
        file.execute("CREATE TRIGGER full BEFORE INSERT ON vectors BEGIN SELECT raise(ABORT, 'disk full'); END")
    file.close()

    assert cached.embed_documents(["two"]).shape == (1, 64)
    assert "disk full" in caplog.messages[0]


def test_it_passes_for_the_embedder_inside(cached: CachedEmbedder, inner: CountingEmbedder) -> None:
    assert (cached.name, cached.dimensions, cached.languages) == (inner.name, inner.dimensions, inner.languages)
    assert np.array_equal(cached.embed_query("why"), inner.embed_query("why"))
    assert cached.embed_documents([]).shape == (0, 64)
