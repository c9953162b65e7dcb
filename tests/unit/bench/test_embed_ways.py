"""The ways to embed that are compared do the same work."""

from __future__ import annotations

import numpy as np
import pytest

from bench.embed_ways import batches, exact_batches, ours

TEXTS = ["the ferry left", "the tide is low", "a crane and a rope at the harbour", "the ferry left", ""]


@pytest.mark.parametrize("tokens", [1, 10, 1000])
def test_texts_run_together_have_exactly_as_many_tokens_and_none_is_left_out(tokens: int) -> None:
    found = list(batches(TEXTS, tokens))
    assert sorted(row for rows, _ in found for row in rows) == list(range(len(TEXTS)))
    assert all(ids.shape[0] == len(rows) for rows, ids in found)
    assert all(len(rows) * ids.shape[1] <= max(tokens, ids.shape[1]) for rows, ids in found)


def test_vectors_of_batches_are_those_of_single_texts_but_for_the_range_of_activations() -> None:
    alone, together = ours([])(TEXTS), exact_batches([], tokens=1000)(TEXTS)
    assert np.einsum("td,td->t", alone, together).min() > 0.97
    assert np.array_equal(together[0], together[3])
