"""Models of local servers in whole runs: native tool calls, tiers with different protocols, batches within a quota."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import pytest

from rlm_search import RLM, Limits
from rlm_search.models.limited import LimitedModel, Quota
from rlm_search.models.opening import open_model
from rlm_search.models.scripted import ScriptedModel
from rlm_search.models.settings import ModelSettings
from rlm_search.testing import InProcessSandbox, MemoryRetriever
from rlm_search.trace.events import AnyEvent, ModelCalled
from rlm_search.types import Completion
from tests.servers.openai_server import OpenAIServer, Raw, Say, too_many_requests
from tests.unit.rlm_search.conftest import ARCHIVE, python

ENVIRONMENT = {"OPENAI_API_KEY": "sk-1", "ANTHROPIC_API_KEY": "sk-2"}


def call(code: str) -> Say:
    """A native call of the python tool."""
    arguments = json.dumps({"code": code})
    return Say(text="I look.", tool_call={"name": "python", "arguments": arguments}, finish_reason="tool_calls")


@pytest.mark.parametrize("spec", ["openai:m", "anthropic:m"])
@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
def test_a_model_that_calls_the_python_tool_answers_a_question(spec: str, stream: bool) -> None:
    script = [
        call("hits = es_search('wind knots')\nprint(hits[0]['preview'])"),
        call("m = cite(hits[0], 'above 32 knots of wind')\nFINAL(f'32 knots {m}.')"),
    ]
    with OpenAIServer(script) as server:
        settings = ModelSettings(spec=spec, base_url=server.base_url, native_tools=True, stream=stream)
        model = open_model(settings, ENVIRONMENT).model
        answer = RLM(model=model, retriever=MemoryRetriever(ARCHIVE), sandbox=InProcessSandbox).run(
            "What is the limit?"
        )

    assert (answer.status, answer.text) == ("answered", "32 knots [1].")
    assert all("tools" in body for body in server.completions)
    shown = json.dumps(server.completions[1]["messages"])
    assert "above 32 knots" in shown
    assert "tool_use" not in shown
    assert "tool_calls" not in shown


def test_root_and_sub_models_of_different_protocols_are_paid_and_traced_apart() -> None:
    events: list[AnyEvent] = []
    root = [Say(text=python("print(llm_query('Is it?'))")), Say(text=python("FINAL('yes')"))]
    with OpenAIServer(root) as first, OpenAIServer([Say(text="yes", cached=True)]) as second:
        rlm = RLM(
            model=open_model(
                ModelSettings(spec="openai:m", base_url=first.base_url, input_price=1.0, output_price=2.0), ENVIRONMENT
            ).model,
            sub_model=open_model(ModelSettings(spec="anthropic:s", base_url=second.base_url), ENVIRONMENT).model,
            sandbox=InProcessSandbox,
            listeners=[events.append],
        )
        answer = rlm.run("Is it?")

    assert answer.usage_by_model["root"]["openai:m"].cost_usd == pytest.approx(2 * (11 * 1.0 + 7 * 2.0) / 1e6)
    assert answer.usage_by_model["sub"]["anthropic:s"].cached_tokens == 4
    assert "tools" not in second.completions[0]
    calls = [(event.tier, event.model) for event in events if isinstance(event, ModelCalled)]
    assert calls == [("root", "openai:m"), ("sub", "anthropic:s"), ("root", "openai:m")]


def test_a_batch_comes_back_in_order_from_a_provider_that_allows_two_calls_at_once() -> None:
    under_way, most, lock = [0], [0], threading.Lock()

    def reply(messages: Any) -> Completion:
        with lock:
            under_way[0] += 1
            most[0] = max(most[0], under_way[0])
        number = int(messages[-1].content)
        time.sleep(0.001 * (5 - number % 5))
        with lock:
            under_way[0] -= 1
        return Completion(text=str(number * number))

    sub = LimitedModel(ScriptedModel(reply, name="small"), Quota(concurrency=2))
    root = ScriptedModel([python("FINAL(' '.join(llm_batch([str(n) for n in range(12)])))")])
    answer = RLM(model=root, sub_model=sub, sandbox=InProcessSandbox).run("?")

    assert answer.text == " ".join(str(number * number) for number in range(12))
    assert most[0] == 2


def test_a_batch_outlasts_a_provider_that_asks_to_wait() -> None:
    refused: set[str] = set()
    lock = threading.Lock()

    def play(body: dict[str, Any]) -> Say | Raw:
        prompt = str(body["messages"][-1]["content"])
        with lock:
            if prompt not in refused:
                refused.add(prompt)
                return too_many_requests("0.01")
        return Say(text=f"<{prompt}>")

    root = ScriptedModel([python("FINAL(' '.join(llm_batch(['a', 'b', 'c', 'd'])))")])
    with OpenAIServer(play) as server:
        sub = open_model(ModelSettings(spec="openai:m", base_url=server.base_url, concurrency=2), ENVIRONMENT).model
        answer = RLM(model=root, sub_model=sub, sandbox=InProcessSandbox, limits=Limits(seconds=30)).run("?")

    assert answer.text == "<a> <b> <c> <d>"
    assert answer.usage["sub"].calls == 4


def test_the_second_run_is_served_by_the_cache_and_says_so(tmp_path: Any) -> None:
    events: list[AnyEvent] = []
    with OpenAIServer(lambda body: Say(text="cheap")) as server:
        settings = ModelSettings(spec="openai:m", base_url=server.base_url, cache=str(tmp_path))
        for _ in range(2):
            root = ScriptedModel([python("FINAL(llm_query('a'))")])
            sub = open_model(settings, ENVIRONMENT).model
            answer = RLM(model=root, sub_model=sub, sandbox=InProcessSandbox, listeners=[events.append]).run("?")

    assert [event.cached for event in events if isinstance(event, ModelCalled) and event.tier == "sub"] == [False, True]
    assert (answer.text, answer.usage["sub"].total_tokens) == ("cheap", 0)
    assert len(server.completions) == 1
