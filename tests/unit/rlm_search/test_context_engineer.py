"""A context engineer prepares the sub-model for pieces of a text that it never sees whole."""

from __future__ import annotations

from typing import Any

import pytest

from rlm_search import RLM, Answer, Context, ContextEngineer, Limits, ScriptedModel
from rlm_search.context_engineer import samples, surroundings
from rlm_search.testing import InProcessSandbox
from tests.unit.rlm_search.conftest import python

LINES = [f"{n:04} entry of the log, port call number {n}" for n in range(2_000)]
TEXT = "\n".join(LINES)
PIECE = "\n".join(LINES[1000:1010])


def ask(code: str, engineer: ContextEngineer | None, **options: Any) -> tuple[Answer, ScriptedModel, ScriptedModel]:
    root = ScriptedModel([python(code), python("FINAL('done')")])
    sub = ScriptedModel()
    sub.add_rule("brief of at most", "A log of port calls, one a line.", system=True)
    sub.add_rule("note of at most", "This is about call 1000.", system=True)
    sub.add_rule("", "seen")
    rlm = RLM(model=root, sub_model=sub, sandbox=InProcessSandbox, context_engineer=engineer, **options)
    return rlm.run("Which calls were late?", context=TEXT), root, sub


def test_without_one_prompts_are_sent_as_they_are() -> None:
    _, _, sub = ask(f"llm_query({PIECE!r})", None)

    assert [asked.prompt for asked in sub.asked] == [PIECE]


def test_a_brief_is_written_from_samples_and_stands_before_each_sub_call() -> None:
    answer, root, sub = ask(f"llm_batch([{PIECE!r}, 'other'])", ContextEngineer())
    brief, *asked = sub.asked

    assert "Which calls were late?" in brief.prompt
    assert LINES[0] in brief.prompt
    assert LINES[-1] in brief.prompt
    assert len(brief.prompt) < 6_000
    assert len(asked) == 2
    assert all("A log of port calls, one a line." in call.prompt for call in asked)
    assert any(call.prompt.endswith(PIECE) for call in asked)
    assert "port calls, one a line" not in root.asked[0].system
    assert answer.usage["sub"].calls == 3


def test_the_brief_can_be_shared_with_the_model_that_writes_the_code() -> None:
    _, root, _ = ask("1", ContextEngineer(share_brief=True))

    assert "A log of port calls, one a line." in root.asked[0].system


def test_a_note_is_written_for_each_piece_from_what_stands_around_it() -> None:
    _, _, sub = ask(f"ask('late?', {PIECE!r})", ContextEngineer(mode="per_query"))
    note, asked = sub.asked

    assert LINES[999] in note.prompt
    assert LINES[1010] in note.prompt
    assert "This is about call 1000." in asked.prompt
    assert "late?" in asked.prompt


def test_a_prompt_that_holds_no_piece_gets_no_note() -> None:
    _, _, sub = ask("llm_query('How much is two and two, and why is that so?')", ContextEngineer(mode="per_query"))

    assert len(sub.asked) == 1


def test_both_are_charged_as_sub_calls() -> None:
    answer, _, _ = ask(f"llm_query({PIECE!r})", ContextEngineer(mode="both"), limits=Limits(subcalls=2))

    assert answer.status == "out_of_budget"
    assert "subcalls" in answer.reason


def test_sub_runs_share_the_brief() -> None:
    root = ScriptedModel(
        [python("rlm_query('deeper?')"), python("llm_query('x')\nFINAL('deep')"), python("FINAL('y')")]
    )
    sub = ScriptedModel()
    sub.add_rule("brief of at most", "A log.", system=True)
    sub.add_rule("", "seen")
    engineer = ContextEngineer()
    RLM(model=root, sub_model=sub, sandbox=InProcessSandbox, context_engineer=engineer).run("?", context=TEXT)

    assert len(sub.asked) == 2
    assert "A log." in sub.asked[1].prompt


def test_another_model_can_be_the_engineer() -> None:
    writer = ScriptedModel(["A brief by another."])
    _, _, sub = ask("llm_query('x')", ContextEngineer(model=writer))

    assert len(writer.asked) == 1
    assert "A brief by another." in sub.asked[0].prompt


def test_short_texts_are_shown_whole_and_long_ones_from_end_to_end() -> None:
    assert '<sample from="0">\nabc\n</sample>' in samples(Context.from_text("abc"))
    assert samples(Context.from_text(TEXT)).count("<sample") == 5


@pytest.mark.parametrize("prompt", ["", "short", "nothing of this stands in the text, whatever one does"])
def test_what_is_not_of_the_text_has_no_surroundings(prompt: str) -> None:
    assert surroundings(TEXT, prompt) == ""
