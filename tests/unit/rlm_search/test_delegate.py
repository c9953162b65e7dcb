"""Delegation under all its names: texts, pieces, JSON, sub-runs; and tools of the caller's own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest

from rlm_search import RLM, ConfigError, Limits, Message, ScriptedModel
from rlm_search.testing import InProcessSandbox
from rlm_search.threads import in_threads
from rlm_search.tools.answering import is_answer
from rlm_search.trace.events import ToolCalled

Tell = Callable[..., Any]


def ask(code: str, reply: Callable[[str], str], **options: Any) -> tuple[Any, list[str]]:
    """What a cell finishes with, and the prompts that the sub-model was asked."""
    prompts: list[str] = []

    def say(messages: Sequence[Message]) -> str:
        prompts.append(messages[-1].content)
        return reply(messages[-1].content)

    rlm = RLM(model=ScriptedModel([f"```python\n{code}\n```"]), sub_model=ScriptedModel(say), sandbox=InProcessSandbox)
    return rlm.run("?", answer_type=Any, **options).value, prompts


def shout(prompt: str) -> str:
    return prompt.removesuffix("\n</text>").rsplit("\n", 1)[-1].upper()


@pytest.mark.parametrize("name", ["llm_batch", "llm_query_batch", "llm_query_batched"])
def test_batches_have_every_name_and_keep_their_order(name: str) -> None:
    value, prompts = ask(f"FINAL({name}(['a', 'b', 'a']))", shout)
    assert value == ["A", "B", "A"]
    assert sorted(prompts) == ["a", "b"]


@pytest.mark.parametrize("name", ["ask", "ask_chunk"])
def test_a_question_about_a_text(name: str) -> None:
    value, prompts = ask(f"FINAL({name}('what?', 'text'))", shout)
    assert value == "TEXT"
    assert prompts == ["Question: what?\n\n<text>\ntext\n</text>"]


def test_a_question_of_many_texts_as_a_batch() -> None:
    value, prompts = ask("FINAL(llm_query_batch(['a', 'b'], question='what?'))", shout)
    assert value == ["A", "B"]
    assert "Question: what?" in prompts[0]


@pytest.mark.parametrize(
    "chunks", ["['ab', 'cd']", "[(0, 2, 'ab'), (2, 4, 'cd')]", "'abcd', chunk_size=2", "ctx, chunk_size=2"]
)
def test_pieces_are_texts_spans_a_text_or_the_context(chunks: str) -> None:
    value, _ = ask(f"FINAL(ask_chunks('?', {chunks}))", shout, context="abcd")
    assert value == ["AB", "CD"]


def test_the_first_piece_that_answers_ends_the_asking() -> None:
    replies = {"a": "NO_ANSWER", "b": " 42 ", "c": "43"}
    value, prompts = ask("FINAL(ask_chunks_first('?', ['a', 'b', 'c']))", lambda p: replies[p.split("\n")[-2]])
    assert (value, len(prompts)) == (42, 2)
    value, _ = ask("FINAL([ask_chunks_first('?', ['a'])])", lambda _: "not stated")
    assert value == [None]


def test_picking_the_first_answer() -> None:
    value, _ = ask("FINAL(pick_first_answer(['', 'unknown', llm_query('x'), 'y']))", lambda _: "N/A.")
    assert value == "y"


@pytest.mark.parametrize("said", ["", " none ", "NO_ANSWER", "Not stated.", None, 3])
def test_word_that_there_is_none_is_no_answer(said: Any) -> None:
    assert not is_answer(said)


# --- JSON ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "said", ['{"a": 1}', '```json\n{"a": 1}\n```', 'Here it is: {"a": 1}. Anything else?', ' \n{"a": 1}\n']
)
def test_json_is_found_in_what_models_write(said: str) -> None:
    value, prompts = ask("FINAL(llm_query_json('give', 'text'))", lambda _: said)
    assert value == {"a": 1}
    assert prompts[0].startswith("give\n\n<text>\ntext\n</text>\n\n")


def test_json_that_does_not_fit_is_asked_for_again_with_the_reason() -> None:
    replies = iter(['{"n": "one"}', '{"n": 1}'])
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    value, prompts = ask(f"FINAL(llm_query_json('give', schema={schema}))", lambda _: next(replies))
    assert value == {"n": 1}
    assert "$.n: 'one' is not of type 'integer'" in prompts[1]


def test_where_no_json_comes_the_result_is_falsy() -> None:
    code = "r = llm_batch_json(['a', 'b'])\nFINAL([bool(r[0]), r[1], r[0].reason])"
    value, prompts = ask(code, lambda p: "[1]" if p.startswith("b") else "no")
    assert value[:2] == [False, [1]]
    assert "no JSON" in value[2]
    assert len(prompts) == 3


def test_records_are_found_in_a_list_or_an_object() -> None:
    replies = iter(('[{"a": 1}, 2]', '{"rows": [{"a": 1}]}', '{"a": 1}'))
    for _ in range(3):
        assert ask("FINAL(llm_query_records('x'))", lambda _: next(replies))[0] == [{"a": 1}]


def test_a_schema_that_is_none_is_told(tell: Tell) -> None:
    told = tell("\nllm_query_json('x', schema={'type': 'nonsense'})", "\nFINAL('x')", retriever=None)
    assert "JSON schema" in told.shown


# --- sub-runs --------------------------------------------------------------------------------------------------------


def test_several_questions_are_researched_at_once_within_one_budget() -> None:
    together = threading.Barrier(3, timeout=20)

    def say(messages: Sequence[Message]) -> str:
        question = messages[1].content
        if question == "?":
            return "```python\nFINAL(rlm_query_batched(['a', 'b', 'c']))\n```"
        together.wait()
        return f"FINAL: {question.upper()}"

    rlm = RLM(model=ScriptedModel(say), sandbox=InProcessSandbox, limits=Limits(depth=1))
    answer = rlm.run("?", answer_type=list[str])
    assert answer.value == ["A", "B", "C"]
    assert answer.usage["root"].calls + answer.usage.get("sub", answer.usage["root"]).calls >= 4


def test_calls_in_threads_keep_their_order_and_raise_what_one_raises() -> None:
    assert in_threads(3, [partial(pow, n, 2) for n in range(20)]) == [n * n for n in range(20)]
    with pytest.raises(ZeroDivisionError):
        in_threads(2, [lambda: 1 / 0, lambda: 1])


# --- tools of the caller's own ---------------------------------------------------------------------------------------


def convert(amount: float, currency: str = "EUR") -> dict[str, Any]:
    """Convert an amount to dollars."""
    if currency == "XXX":
        raise LookupError("no rate, password=hunter22")
    return {"usd": amount * 2, "currency": currency}


def test_a_tool_is_told_called_and_traced(tell: Tell) -> None:
    told = tell("\nprint(convert(2, currency='GBP'))\nFINAL(str(convert(3)['usd']))", retriever=None, tools=[convert])
    assert told.answer.text == "6"
    assert "- convert(amount: float, currency='EUR'): Convert an amount to dollars." in (
        told.model.asked[0].messages[0].content
    )
    first = told.of(ToolCalled)[0]
    assert (first.function, first.arguments, first.error) == ("convert", "2, 'GBP'", "")


def test_what_a_tool_raises_is_told_without_its_secrets_and_the_run_goes_on(tell: Tell) -> None:
    told = tell("\nconvert(1, 'XXX')", "\nFINAL('x')", retriever=None, tools=[convert])
    assert "LookupError: no rate" in told.shown
    assert "hunter22" not in told.shown + str(told.events)
    assert told.answer.status == "answered"


def test_arguments_of_a_tool_are_checked(tell: Tell) -> None:
    told = tell("\nconvert('a lot')", "\nFINAL('x')", retriever=None, tools=[convert])
    assert "amount must be float" in told.shown
    assert not told.of(ToolCalled)


@pytest.mark.parametrize(
    ("tools", "said"), [([convert, convert], "two tools"), ([lambda: 1], "cannot be a tool"), ([3], "cannot be a tool")]
)
def test_tools_without_names_of_their_own_are_refused(tools: list[Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        RLM(model=ScriptedModel([]), tools=tools)


def test_a_tool_cannot_take_the_name_of_ours() -> None:
    def llm_query(prompt: str) -> str:
        return prompt

    with pytest.raises(ConfigError, match="name of a function of the session"):
        RLM(model=ScriptedModel([]), tools=[llm_query], sandbox=InProcessSandbox).run("?")
