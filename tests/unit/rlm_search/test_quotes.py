"""A quote is found as the document has it, whatever typesetting did to it, and nowhere else."""
# ruff: noqa: RUF001 -- characters that look alike are what these tests are about

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_search import quotes


@pytest.mark.parametrize(
    ("quote", "text"),
    [
        ("no berthing above 32 knots", "There is no  berthing\nabove 32\tknots."),
        ("Northquay harbour", "the North-\nquay harbour"),
        ("Northquay harbour", "the North\u00adquay harbour"),
        ("the North-\nquay harbour", "the Northquay harbour"),
        ("the North- quay harbour", "the North-\nquay harbour"),
        ("long-term debt", "its long-\nterm debt"),
        ("its “net” income", 'its "net" income'),
        ('it\'s "net" income', "it’s «net» income"),
        ("efficient offices", "eﬃcient oﬀices"),
        ("efficient flow", "efﬁcient ﬂow"),
        ("eﬃcient ﬂow", "efficient flow"),
        ("pages 3-5 of it", "pages 3–5 of it"),
        ("and so on...", "and so on…"),
        ("Zürich office", "Zu\u0308rich office"),
        ("1 234 units", "1\u00a0234 units"),
        ("本合同有效期三年", "本合同\n有效期三年"),
        ("a+b (c) [d]?", "x a+b (c) [d]? y"),
    ],
)
def test_a_quote_is_found_through_what_typesetting_changed(quote: str, text: str) -> None:
    assert quotes.find(quote, text) is not None


@pytest.mark.parametrize(
    ("quote", "text"),
    [
        ("No berthing", "no berthing"),
        ("32 knots", "33 knots"),
        ("above 32 … knots", "above 32 very many knots"),
        ("not guilty", "guilty"),
        ("berthing above", "berthingabove"),
    ],
)
def test_other_words_are_not_a_quote(quote: str, text: str) -> None:
    assert quotes.find(quote, text) is None


def test_the_span_found_is_exact() -> None:
    text = "It was eﬃ-\ncient. Very."
    found = quotes.find("was efficient.", text)
    assert found is not None
    assert text[slice(*found)] == "was eﬃ-\ncient."


@given(st.text(min_size=1, max_size=200), st.data())
def test_any_piece_of_a_text_is_found_in_it(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    piece = text[start : data.draw(st.integers(start + 1, len(text)))]
    if piece.strip() and not piece.endswith("\u00ad") and "\u00ad" not in piece:
        assert quotes.find(piece, text) is not None or quotes.find(piece.strip(), text) is not None


def test_the_closest_passage_is_where_the_rare_words_are() -> None:
    text = "The board met. " * 50 + "Hire of the vessel Sandpiper is 3,900 a day. " + "The board met. " * 50
    nearest = quotes.closest("the hire of Sandpiper was 4,000", text)
    assert nearest is not None
    assert "Hire of the vessel Sandpiper" in text[slice(*nearest)]


def test_a_text_without_any_of_the_words_has_no_closest_passage() -> None:
    assert quotes.closest("quarterly dividend", "Nothing here.") is None


def test_five_hundred_pages_are_searched_in_a_moment() -> None:
    text = "The revenue of the fiscal year increased as operating expenses in the capital of it fell. " * 17_000
    started = time.process_time()
    assert quotes.find("the last words of all", text) is None
    assert quotes.closest("capital expenses were the last words", text)
    assert time.process_time() - started < 2.0


def test_endless_whitespace_costs_no_more_than_its_length() -> None:
    started = time.process_time()
    quotes.find("a a- a-b", "a" + " " * 1_000_000 + "a-" + " \n" * 500_000)
    assert time.process_time() - started < 2.0


@pytest.mark.parametrize("quote", ["", "   ", "a", "32", "the", "..........", "ab"])
def test_what_says_nothing_is_too_short(quote: str) -> None:
    assert not quotes.is_long_enough(quote)


@pytest.mark.parametrize("quote", ["32 knots", "redelivered", "有效期三年", "a day"])
def test_two_words_or_eight_characters_are_enough(quote: str) -> None:
    assert quotes.is_long_enough(quote)
