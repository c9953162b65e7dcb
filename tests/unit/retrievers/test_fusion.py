"""Fusion: what a caller of several rankings may rely on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrievers.fusion import Leg, depth_for, normalised_mix, reciprocal_rank, scaled

rankings = st.dictionaries(st.text(max_size=3), st.floats(-5, 5), max_size=12).map(
    lambda scores: sorted(scores.items(), key=lambda entry: -entry[1])
)


def test_a_result_both_legs_like_beats_one_that_a_single_leg_likes() -> None:
    words = Leg([("both", 9.0), ("words", 8.9), ("tail", 1.0)])
    meaning = Leg([("meaning", 0.8), ("both", 0.79), ("tail", 0.1)])

    assert normalised_mix([words, meaning])[0][0] == "both"
    assert reciprocal_rank([words, meaning])[0][0] == "both"


def test_scales_of_the_legs_do_not_matter_to_the_mix() -> None:
    small = normalised_mix([Leg([("a", 0.3), ("b", 0.2), ("c", 0.1)]), Leg([("b", 7.0), ("a", 1.0)])])
    large = normalised_mix([Leg([("a", 300.0), ("b", 200.0), ("c", 100.0)]), Leg([("b", 7.0), ("a", 1.0)])])

    assert [key for key, _ in small] == [key for key, _ in large]


def test_a_leg_without_weight_adds_no_results() -> None:
    assert normalised_mix([Leg([("a", 1.0)]), Leg([("noise", 9.0)], weight=0.0)]) == [("a", 1.0)]
    assert reciprocal_rank([Leg([("noise", 9.0)], weight=0.0)]) == []


def test_the_prior_of_a_document_lifts_its_passages() -> None:
    legs = [Leg([("report-a#1", 2.0), ("report-b#1", 1.9), ("report-c#1", 0.0)])]

    mixed = normalised_mix(legs, prior=lambda key: 0.5 if key.startswith("report-b") else 0.0)

    assert mixed[0][0] == "report-b#1"


def test_ties_keep_the_order_of_the_first_leg() -> None:
    assert [key for key, _ in normalised_mix([Leg([("b", 1.0), ("a", 1.0)])])] == ["b", "a"]


def test_legs_are_asked_deeper_than_the_list_they_are_fused_into() -> None:
    assert depth_for(10) >= 200
    assert depth_for(5_000) >= 10_000


@given(st.lists(rankings, max_size=3))
def test_fusing_neither_invents_nor_loses_a_result(legs: list[list[tuple[str, float]]]) -> None:
    keys = {key for leg in legs for key, _ in leg}

    assert {key for key, _ in normalised_mix([Leg(leg) for leg in legs])} == keys
    assert {key for key, _ in reciprocal_rank([Leg(leg) for leg in legs])} == keys


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50))
def test_scaling_keeps_the_order_and_is_never_below_nought(scores: list[float]) -> None:
    values = scaled(np.array(sorted(scores, reverse=True))).tolist()

    assert values == sorted(values, reverse=True)
    assert min(values) >= 0.0


def test_a_result_that_stands_out_counts_more_than_one_among_equals() -> None:
    standing_out = scaled(np.array([9.0, *np.linspace(1.1, 1.0, 50)]))
    among_equals = scaled(np.array([1.11, *np.linspace(1.1, 1.0, 50)]))

    assert standing_out[0] > among_equals[0] > 0


def test_scores_that_are_all_equal_count_in_full() -> None:
    assert scaled(np.array([3.0, 3.0])).tolist() == pytest.approx([1.0, 1.0])
    assert scaled(np.array([])).tolist() == []
