"""The preview is the passage that matches."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrievers.snippets import Sought, fold, folded_whitespace, passage, sought

FILLER = "Nothing of interest is said here at all, and it goes on like that. "
ANSWER = "Capital expenditures for wind turbines came to 35 million."
TEXT = FILLER * 30 + ANSWER + " " + FILLER * 30


def words(*pairs: tuple[str, str]) -> list[Sought]:
    return [sought(word, stem) for word, stem in pairs]


def test_the_passage_holds_the_words_wherever_they_stand() -> None:
    start, end = passage(TEXT, words(("expenditure", "expenditur"), ("turbine", "turbin")))
    assert ANSWER in TEXT[start:end]
    assert end - start <= 320


def test_it_begins_and_ends_on_sentences() -> None:
    start, end = passage(TEXT, words(("turbines", "turbin")))
    assert TEXT[start:].startswith(("Nothing", "Capital"))
    assert TEXT[end - 1] == "."


def test_other_forms_of_a_word_are_found() -> None:
    assert sought("studies", "studi").prefix == "stud"
    text = FILLER * 10 + "This study ran."
    start, end = passage(text, words(("studies", "studi")), length=60)
    assert "study" in text[start:end]


def test_longer_words_that_only_begin_alike_are_not() -> None:
    text = "The runtimeenvironment is here. " + FILLER * 10 + "They run daily."
    start, end = passage(text, words(("running", "run")), length=60)
    assert "run daily" in text[start:end]


def test_where_most_different_words_stand_is_best() -> None:
    text = "cost cost cost cost. " + FILLER * 20 + "The cost of turbines fell. " + FILLER * 5
    start, end = passage(text, words(("cost", "cost"), ("turbines", "turbin")))
    assert "turbines" in text[start:end]


def test_rare_words_weigh_more() -> None:
    text = "The company grew. " + FILLER * 20 + "Tantalum was scarce." + FILLER * 5
    start, end = passage(text, [Sought("company", 0.1), Sought("tantal", 5.0)], length=80)
    assert "Tantalum" in text[start:end]


def test_accents_do_not_hide_a_word() -> None:
    text = FILLER * 10 + "Herr Müller zahlte."
    start, end = passage(text, words(("muller", "mull")), length=60)
    assert "Müller" in text[start:end]


def test_chinese_is_found_within_a_run() -> None:
    text = "今天天气很好。" * 60 + "上海的人口超过两千万。" + "今天天气很好。" * 60
    start, end = passage(text, [Sought("人口", anywhere=True)], length=40)
    assert "上海的人口" in text[start:end]


def test_without_a_match_it_is_the_beginning() -> None:
    start, end = passage(TEXT, words(("absent", "absent")))
    assert start == 0
    assert 200 < end <= 300


def test_nothing_is_found_in_nothing() -> None:
    assert passage("", words(("a", "a"))) == (0, 0)


def test_whitespace_folds_to_one_line() -> None:
    assert folded_whitespace(" a\n\t b ") == "a b"


@pytest.mark.parametrize(("text", "folded"), [("ÀÉÎõü", "aeiou"), ("Straße", "strase"), ("東京 Ab", "東京 ab")])
def test_folding_keeps_the_length(text: str, folded: str) -> None:
    assert fold(text) == folded


@given(st.text(), st.lists(st.text(min_size=1, max_size=5), max_size=4), st.integers(min_value=1, max_value=400))
def test_every_passage_is_a_span_of_the_text(text: str, prefixes: list[str], length: int) -> None:
    start, end = passage(text, [Sought(fold(prefix)) for prefix in prefixes], length=length)
    assert 0 <= start <= end <= len(text)
    assert len(fold(text)) == len(text)
