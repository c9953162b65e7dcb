"""What must have happened before an answer counts, the other ways to finish, and when a run is given up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rlm_search import ConfigError, Limits
from rlm_search.gates import Gates
from rlm_search.trace.events import FinishRefused

Tell = Callable[..., Any]

SEARCH = "\nhits = es_search('wind knots limit')"


# --- gates -----------------------------------------------------------------------------------------------------------


def test_the_search_gate_can_be_opened(tell: Tell) -> None:
    told = tell("FINAL: 32 knots", gates=Gates(require_search_before_final=False))
    assert (told.answer.status, told.answer.text) == ("answered", "32 knots")


def test_without_a_retriever_there_is_nothing_to_search(tell: Tell) -> None:
    told = tell("FINAL: 4", retriever=None, gates=Gates(require_search_before_final=True))
    assert told.answer.status == "answered"


def test_an_answer_before_any_code_is_sent_back(tell: Tell) -> None:
    told = tell("FINAL: 4", "\n1/0", "FINAL: 4", "\nprint(2 + 2)", "FINAL: 4", retriever=None,
                gates=Gates(require_repl_before_final=True))  # fmt: skip
    assert (told.answer.text, told.answer.steps) == ("4", 5)
    assert [event.reason[:30] for event in told.of(FinishRefused)] == ["You have not run any code yet."] * 2


def test_the_cell_that_answers_is_code_that_ran(tell: Tell) -> None:
    told = tell("\nFINAL(2 + 2)", retriever=None, gates=Gates(require_repl_before_final=True))
    assert told.answer.text == "4"


def test_an_answer_before_any_sub_call_is_sent_back(tell: Tell) -> None:
    gates = Gates(require_subcall_before_final=True)
    told = tell("\nFINAL('guess')", "\nx = llm_query('what?')", "read it", "\nFINAL(x)", retriever=None, gates=gates)
    assert (told.answer.status, told.answer.text) == ("answered", "read it")
    assert "not asked the sub-model" in told.of(FinishRefused)[0].reason


def test_a_model_that_never_delegates_fails(tell: Tell) -> None:
    told = tell(*["\nFINAL('guess')"] * 3, retriever=None, gates=Gates(require_subcall_before_final=True))
    assert (told.answer.status, told.answer.text) == ("failed", "")


def test_an_answer_before_enough_steps_is_sent_back_as_often_as_it_comes(tell: Tell) -> None:
    told = tell(*["\nFINAL('early')"] * 5, "\nFINAL('late')", retriever=None, gates=Gates(min_steps=6))
    assert (told.answer.text, told.answer.steps) == ("late", 6)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"auto_finalize_var": "not a name"}, "no name of a variable"),
        ({"min_steps": -1}, "`min_steps` is -1"),
        ({"auto_finalize_reject_patterns": ("(",)}, "no regular expression"),
    ],
)
def test_settings_that_mean_nothing_are_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Gates(**wrong)


# --- other ways to finish --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "finish",
    [
        "\nSUBMIT('32 knots')",
        "\nSUBMIT(answer='32 knots')",
        "SUBMIT(answer='32 knots')",
        "SUBMIT('32 knots')",
        "SUBMIT: 32 knots",
        "\nanswer['content'] = '32 knots'\nanswer['ready'] = True",
        "\nanswer = {'content': '32 knots', 'ready': True}",
    ],
)
def test_every_convention_finishes(tell: Tell, finish: str) -> None:
    told = tell(SEARCH, finish)
    assert told.answer.status == "answered"
    assert told.answer.text in ("32 knots", '{"answer": "32 knots"}')


def test_ready_before_there_is_content_is_told_and_ends_nothing(tell: Tell) -> None:
    told = tell(SEARCH, "\nanswer['ready'] = True", "\nanswer['content'] = '32 knots'")
    assert (told.answer.text, told.answer.steps) == ("32 knots", 3)
    assert 'answer["content"] is empty' in told.shown


def test_content_that_is_not_ready_is_no_answer(tell: Tell) -> None:
    told = tell(SEARCH, "\nanswer['content'] = 'draft'", "\nanswer.update(content='32 knots', ready=True)")
    assert (told.answer.text, told.answer.steps) == ("32 knots", 3)


def test_a_variable_called_answer_is_just_a_variable(tell: Tell) -> None:
    told = tell(SEARCH, "\nanswer = 'ready or not'", "\nFINAL(answer)")
    assert (told.answer.text, told.answer.steps) == ("ready or not", 3)


def test_the_variable_that_was_agreed_on_ends_the_run_once_it_is_an_answer(tell: Tell) -> None:
    gates = Gates(auto_finalize_var="result", auto_finalize_min_length=3, auto_finalize_reject_patterns=("(?i)todo",))
    told = tell(SEARCH, "\nresult = ''", "\nresult = 'TODO'", "\nresult = '32 knots'", "\nFINAL('x')", gates=gates)
    assert (told.answer.text, told.answer.steps) == ("32 knots", 4)
    assert "`result`" in told.model.asked[0].messages[0].content


def test_the_variable_that_was_agreed_on_may_be_called_answer(tell: Tell) -> None:
    told = tell(SEARCH, "\nx = 1", "\nanswer = '32 knots'", gates=Gates(auto_finalize_var="answer"))
    assert (told.answer.text, told.answer.steps) == ("32 knots", 3)


def test_submit_takes_one_answer(tell: Tell) -> None:
    told = tell(SEARCH, "\nSUBMIT('a', 'b')", "\nSUBMIT('32')")
    assert "give one answer" in told.shown
    assert told.answer.text == "32"


# --- invented outputs, repetition, giving up -------------------------------------------------------------------------


def test_what_a_model_invents_as_output_counts_for_nothing(tell: Tell) -> None:
    invented = "```python\nprint(6 * 7)\n```\n<output>\n43\n</output>\n```python\nFINAL('43')\n```"
    told = tell(invented, "\nFINAL('42')", retriever=None)
    assert (told.answer.text, told.answer.steps) == ("42", 2)
    assert "<output>\n42" in told.shown
    assert "left out" in told.shown


def test_models_are_stopped_where_an_output_would_begin(tell: Tell) -> None:
    told = tell("\nFINAL('42')", retriever=None)
    assert "\n<output>" in told.model.asked[0].options.stop


def test_an_answer_may_speak_of_output(tell: Tell) -> None:
    told = tell("FINAL: The tag is\n<output>\nas in HTML.", retriever=None)
    assert told.answer.text == "The tag is\n<output>\nas in HTML."


def test_the_same_step_again_is_told_and_in_the_end_ends_the_run(tell: Tell) -> None:
    told = tell(*["\nprint('again')"] * 5, retriever=None, gates=Gates(loop_collapse_limit=3))
    assert told.answer.status == "failed"
    assert told.answer.reason == "the model did the same 5 times in a row"
    assert "did exactly what the one before it did" in told.shown


def test_the_same_code_that_gets_on_is_no_repetition(tell: Tell) -> None:
    paging = "\nn = globals().get('n', 0) + 1\nprint(n)"
    told = tell(*[paging] * 6, "\nFINAL('done')", retriever=None, gates=Gates(loop_collapse_limit=1))
    assert told.answer.text == "done"


@pytest.mark.parametrize(
    ("replies", "gates"),
    [
        (["prose"] * 2, {"invalid_response_limit": 1}),
        (["\n1/0"] * 2, {"repl_error_limit": 1}),
        (["\nprint(1)"] * 3, {"loop_collapse_limit": 1}),
    ],
)
def test_code_to_fall_back_on_is_run_before_a_run_is_given_up(
    tell: Tell, replies: list[str], gates: dict[str, int]
) -> None:
    rules = Gates(fallback_code="result = 6 * 7", auto_finalize_var="result", **gates)  # type: ignore[arg-type]
    told = tell(*replies, retriever=None, gates=rules)
    assert (told.answer.status, told.answer.text) == ("answered", "42")


def test_code_to_fall_back_on_is_run_once(tell: Tell) -> None:
    rules = Gates(fallback_code="print('look')", invalid_response_limit=0)
    told = tell("prose", "prose", retriever=None, gates=rules, limits=Limits(steps=9))
    assert (told.answer.status, told.answer.steps) == ("failed", 2)
    assert "run for you" in told.shown
    assert "look" in told.shown
