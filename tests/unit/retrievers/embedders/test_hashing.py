"""The embedder for tests."""

from __future__ import annotations

from itertools import cycle

import numpy as np
import pytest

from retrievers.embedders.hashing import HashingEmbedder
from retrievers.errors import ConfigError
from retrievers.registry import open_embedder


def test_vectors_are_unit_length_and_the_same_every_time() -> None:
    texts = ["", "alpha beta", "lone \ud800", "猫"]
    first, second = HashingEmbedder().embed_documents(texts), HashingEmbedder().embed_documents(texts)

    assert np.array_equal(first, second)
    assert np.allclose(np.linalg.norm(first, axis=1), 1, atol=1e-6)
    assert HashingEmbedder().embed_documents([]).shape == (0, 64)


def test_texts_that_share_words_are_near() -> None:
    query, near, far = HashingEmbedder().embed_documents(["harbour lease", "lease of the harbour", "ferry timetable"])

    assert query @ near > query @ far + 0.3


def test_features_that_cancel_out_still_have_a_direction(monkeypatch: pytest.MonkeyPatch) -> None:
    opposite = cycle([b"\x00" * 8, b"\xff" * 8])
    monkeypatch.setattr("retrievers.embedders.hashing._signs", lambda feature: next(opposite))

    assert np.linalg.norm(HashingEmbedder().embed_query("anything")) == 1


def test_it_is_named_hashing_and_takes_no_argument() -> None:
    embedder = open_embedder("hashing")

    assert embedder is not None
    assert (embedder.name, embedder.dimensions, embedder.languages) == ("hashing-64", 64, None)
    with pytest.raises(ConfigError, match="takes no argument"):
        open_embedder("hashing:128")
