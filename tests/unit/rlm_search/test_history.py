"""The conversation: what is said stays, what is told comes in turns, and what is old can be shortened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from rlm_search.compaction import HistoryKeeper, HistoryMode, HistoryPolicy
from rlm_search.errors import ConfigError, ContextTooLong
from rlm_search.history import History, cut, observed
from rlm_search.types import Execution, Message


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


# --- keeping it within a number of tokens -----------------------------------------------------------------------------


def grown(turns: int, *, size: int = 2_000) -> History:
    """A conversation with so many turns of a cell and its output."""
    history = History("rules", "question")
    for number in range(turns):
        history.said(f"code {number}")
        history.told(f"output {number} " + "x" * size)
    return history


def keeper(mode: HistoryMode, tokens: int = 0, *, window: int = 0, notes: Any = "", says: str = "") -> HistoryKeeper:
    asked: list[Sequence[Message]] = []

    def ask(messages: Sequence[Message]) -> str:
        asked.append(messages)
        return says

    return HistoryKeeper(
        HistoryPolicy(mode=mode, tokens=tokens), window, ask, lambda: (notes, "Variables:\n- rows: list")
    )


def test_a_short_conversation_is_left_alone() -> None:
    modes: tuple[HistoryMode, ...] = ("full", "trim", "compact")
    for mode in modes:
        history = grown(2)
        assert keeper(mode).fit(history) is None
        assert len(history.messages()) == 6


def test_trimming_keeps_rules_question_notes_and_what_is_newest() -> None:
    history = grown(10)
    shortened = keeper("trim", 2_500, notes=["rent is 12 [1]"]).fit(history)

    assert shortened is not None
    assert shortened.tokens_after == history.tokens() <= 2_500 < shortened.tokens_before
    messages = history.messages()
    assert [message.role for message in messages] == [
        "system",
        "user",
        *["assistant", "user"] * (len(messages) // 2 - 1),
    ]
    assert [message.content for message in messages[:2]] == ["rules", "question"]
    assert "rent is 12 [1]" in messages[3].content
    assert "rows: list" in messages[3].content
    assert messages[-1].content.startswith("output 9")
    assert "output 0" not in str(messages)


def test_a_trimmed_conversation_is_trimmed_again_without_a_trace_of_the_first_time() -> None:
    history = grown(10)
    trimming = keeper("trim", 2_500)
    trimming.fit(history)
    for number in range(10, 20):
        history.said(f"code {number}")
        history.told(f"output {number} " + "x" * 2_000)
        trimming.fit(history)

    assert history.tokens() <= 2_500
    assert str(history.messages()).count("left out here") == 1


def test_compacting_puts_the_models_own_summary_in_the_place_of_old_turns() -> None:
    history = grown(10)
    shortened = keeper("compact", 2_500, notes={"rent": 12}, says="The rent is 12 [1].").fit(history)

    assert shortened is not None
    assert (shortened.messages, shortened.summary) == (18, "The rent is 12 [1].")
    said = [message.content for message in history.messages()]
    assert said[:3] == ["rules", "question", "The rent is 12 [1]."]
    assert '{"rent":12}' in said[3]
    assert said[4] == "code 9"
    assert len(said) == 6


def test_a_summary_that_says_nothing_leaves_trimming() -> None:
    history = grown(10)
    shortened = keeper("compact", 2_500).fit(history)

    assert shortened is not None
    assert history.tokens() <= 2_500


def test_old_turns_that_do_not_fit_for_a_summary_are_cut_for_it() -> None:
    lengths: list[int] = []

    def ask(messages: Sequence[Message]) -> str:
        lengths.append(len(messages[1].content))
        if len(lengths) < 3:
            raise ContextTooLong("too long")
        return "summary"

    history = grown(10, size=20_000)
    HistoryKeeper(HistoryPolicy(mode="compact", tokens=8_000), 0, ask, lambda: ("", "")).fit(history)

    assert lengths[0] > lengths[1] > lengths[2]
    assert history.messages()[2].content == "summary"


def test_a_full_conversation_is_shortened_before_a_known_window_is_full() -> None:
    history = grown(10, size=4_000)
    shortened = keeper("full", window=8_000).fit(history)

    assert shortened is not None
    assert history.tokens() <= 7_600
    assert len(history.messages()) == 22


def test_the_window_decides_where_nobody_says_a_number() -> None:
    history = grown(10, size=4_000)
    keeper("trim", window=8_000).fit(history)

    assert 3_000 < history.tokens() <= 6_000


def test_a_conversation_of_no_tokens_is_refused() -> None:
    with pytest.raises(ConfigError, match="is none"):
        HistoryPolicy(mode="trim", tokens=10)
