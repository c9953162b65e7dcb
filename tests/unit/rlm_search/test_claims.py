"""Which sentences of an answer claim something, and what is cited for each."""

from __future__ import annotations

import pytest

from rlm_search.claims import claims, uncited


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ("It is 32 knots [1]. The master decides.", [("It is 32 knots [1].", ["[1]"]), ("The master decides.", [])]),
        (
            "It is 32 knots. [1] The master decides.[2][3]",
            [("It is 32 knots. [1]", ["[1]"]), ("The master decides.[2][3]", ["[2]", "[3]"])],
        ),
        ("Dr. Holm approved it on p. 43, i.e. late [1].", [("Dr. Holm approved it on p. 43, i.e. late [1].", ["[1]"])]),
        (
            "Sales rose 3.5 percent in the U.S. market [1].",
            [("Sales rose 3.5 percent in the U.S. market [1].", ["[1]"])],
        ),
        (
            "Two rules:\n1. At most 32 knots [1]\n- Ask the master first",
            [("At most 32 knots [1]", ["[1]"]), ("Ask the master first", [])],
        ),
        ("The limit was raised\nto 32 knots [1].", [("The limit was raised\nto 32 knots [1].", ["[1]"])]),
        (
            "| Port | Wind limit in knots | Since |\n|---|---|---|\n| Northquay | 32 [1] | May |",
            [("Northquay | 32 [1] | May", ["[1]"])],
        ),
        ("限制是三十二节。船长决定[1]。", [("限制是三十二节。", []), ("船长决定[1]。", ["[1]"])]),
        ("1990-2004 [1]", [("1990-2004 [1]", ["[1]"])]),
    ],
)
def test_a_claim_is_a_sentence_with_the_markers_behind_it(answer: str, found: list[tuple[str, list[str]]]) -> None:
    assert [(claim.text, list(claim.markers)) for claim in claims(answer)] == found
    assert all(answer[claim.start : claim.end] == claim.text for claim in claims(answer))


@pytest.mark.parametrize(
    "answer",
    [
        "Yes.",
        "In short:",
        "# What was found here",
        "(These are the passages that fit best.)",
        "```\nx = 1 + 2 + 3\n```",
        "",
    ],
)
def test_what_claims_nothing_needs_no_citation(answer: str) -> None:
    assert list(claims(answer)) == []


def test_the_claims_without_a_marker_are_in_doubt() -> None:
    answer = "Yes. It is 32 knots [1]. The harbour master decides."
    [doubt] = uncited(answer)
    assert (doubt.kind, answer[doubt.start : doubt.end]) == ("uncited", "The harbour master decides.")
