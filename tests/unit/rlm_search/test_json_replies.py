"""Calls of tools that models write as JSON, in a fence or bare, and structured replies."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from rlm_search.actions import Reply, TextFinish, read

Tell = Callable[..., Any]
CODE = "n = 30 + 2\nprint(n)"


@pytest.mark.parametrize(
    "call",
    [
        {"name": "python", "arguments": {"code": CODE}},
        {"name": "python", "parameters": {"code": CODE}},
        {"tool": "repl", "input": CODE},
        {"action": "execute_python", "action_input": {"source": CODE}},
        {"type": "function", "function": {"name": "python", "arguments": json.dumps({"code": CODE})}},
        {"tool_calls": [{"id": "1", "function": {"name": "python", "arguments": json.dumps({"code": CODE})}}]},
        {"function_call": {"name": "anything", "arguments": {"code": CODE}}},
        [{"name": "python", "arguments": {"code": CODE}}],
        {"reasoning": "I look.", "code": CODE, "is_final": False, "final_answer": None},
    ],
)
def test_a_call_in_json_is_code_bare_and_in_a_fence(call: Any) -> None:
    text = json.dumps(call)

    assert read(text).cells == (CODE,)
    assert read(f"I will run this:\n```json\n{text}\n```\n").cells == (CODE,)
    assert read(f"```\n{json.dumps(call, indent=2)}\n```").cells == (CODE,)


def test_several_calls_run_in_order() -> None:
    calls = [{"name": "python", "arguments": {"code": code}} for code in ("a = 1", "b = 2")]

    assert read(json.dumps(calls)).cells == ("a = 1", "b = 2")


def test_a_call_of_one_of_our_functions_is_that_call() -> None:
    call = {"name": "es_search", "arguments": {"query": "it's", "top_k": 5, "filters": None, "rerank": True}}
    code = """print(es_search(query="it's", top_k=5, filters=None, rerank=True))"""

    assert read(json.dumps(call)).cells == (code,)
    assert read(f"<tool_call>\n{json.dumps(call)}\n</tool_call>").cells == (code,)


@pytest.mark.parametrize(
    "call",
    [
        {"reasoning": "done", "code": None, "is_final": True, "final_answer": "32 knots"},
        {"name": "final_answer", "arguments": {"answer": "32 knots"}},
        {"tool": "FINAL", "input": "32 knots"},
    ],
)
def test_an_answer_in_json_is_a_finish(call: Any) -> None:
    assert read(json.dumps(call)) == Reply(finish=TextFinish(kind="text", value="32 knots"))


def test_an_answer_beside_code_is_left_to_the_loop_to_refuse() -> None:
    reply = read(json.dumps({"code": CODE, "is_final": True, "final_answer": {"knots": 32}}))

    assert reply.cells == (CODE,)
    assert reply.finish == TextFinish(kind="text", value='{"knots": 32}')


@pytest.mark.parametrize(
    "text",
    [
        '{"n": 41}',
        '{"answer": 42}',
        '[{"name": "Kittiwake", "year": 2019}]',
        '{"name": "Kittiwake", "input": "the ship"}',
        '{"code": "GB", "final_answer": "no"}',
        '{"code": "32 knots"}',
        "[1, 2]",
        "[]",
        '{"name": "python", "arguments"',
        "[" * 100_000,
    ],
)
def test_other_data_is_no_code(text: str) -> None:
    assert read(text) == Reply()
    assert read(f"What I have:\n```json\n{text}\n```") == Reply()


def test_data_in_a_fence_that_names_a_thing_calls_nothing() -> None:
    assert read('So far:\n```json\n{"name": "ship", "parameters": {"knots": 32}}\n```') == Reply()


def test_a_finish_beside_json_counts() -> None:
    reply = read('```json\n{"name": "python", "arguments": {"code": "x = 1"}}\n```\nFINAL: 32')

    assert reply.finish == TextFinish(kind="text", value="32")


def test_a_model_that_calls_in_json_gets_to_its_answer(tell: Tell) -> None:
    told = tell(
        '{"name": "es_search", "arguments": {"query": "berthing wind"}}',
        '{"name": "python", "arguments": {"code": "found = 32"}}',
        '{"name": "final_answer", "arguments": {"answer": "32 knots"}}',
    )

    assert told.answer.text == "32 knots"
    assert "above 32 knots of wind" in told.shown
