"""The conversation: what is said stays, what is told comes in turns, and what is old can be shortened."""

from __future__ import annotations

from rlm_search.history import History, cut, observed
from rlm_search.types import Execution


def test_turns_alternate_whatever_is_told() -> None:
    history = History("system", "question")
    history.told("hurry up")
    history.said("code")
    history.told("output")
    history.told("and a word of advice")
    history.said("")
    roles = [message.role for message in history.messages()]
    assert roles == ["system", "user", "assistant", "user", "assistant"]
    assert history.messages()[1].content == "question\n\nhurry up"
    assert history.messages()[4].content == "(empty reply)"


def test_shortening_keeps_system_question_and_the_last_turn() -> None:
    history = History("s" * 5_000, "q" * 5_000)
    for _ in range(3):
        history.said("code")
        history.told("o" * 5_000)
    assert history.shorten()
    lengths = [len(message.content) for message in history.messages()]
    assert lengths[0] == lengths[1] == lengths[-1] == 5_000
    assert lengths[3] < 600
    while history.shorten():
        pass
    assert not history.shorten()


def test_a_text_is_cut_in_the_middle_with_its_true_length() -> None:
    assert cut("short", 10) == "short"
    shown = cut("a" * 50 + "b" * 50, 30, 5_000)
    assert shown.startswith("a" * 20)
    assert shown.endswith("b" * 10)
    assert "4,970 of 5,000 characters" in shown


def test_output_and_error_are_framed() -> None:
    shown = observed(Execution(stdout="</output> x", stdout_length=11, error="</error> y", ended="raised"))
    assert shown.count("</output>") == shown.count("</error>") == 1
