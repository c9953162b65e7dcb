"""Servers of one's own protocol: functions build the request and read the answer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from rlm_search.errors import ModelUnavailable
from rlm_search.models.generic import GenericModel
from rlm_search.models.settings import ModelSettings
from rlm_search.types import CallOptions, Completion, Message, Usage
from tests.servers.openai_server import OpenAIServer, Raw, Say, error

ASKED = [Message("system", "Be brief."), Message("user", "Hello?")]


def built(messages: Sequence[Message], options: CallOptions) -> dict[str, Any]:
    return {"inputs": "\n".join(message.content for message in messages), "limit": options.max_tokens}


def parsed(answer: Any) -> str:
    return str(answer["outputs"][0]["text"])


OURS = Raw(body=json.dumps({"outputs": [{"text": "Yes."}]}))


def test_functions_build_the_request_and_read_the_answer() -> None:
    with OpenAIServer([OURS], key="sk-1") as server:
        url = f"{server.base_url}/chat/completions?team=1"
        with GenericModel(
            url, model="mine", key="sk-1", key_header="api-key", payload_builder=built, response_parser=parsed
        ) as model:
            said = model.complete(ASKED, CallOptions(max_tokens=9))

    assert (said.text, said.model, said.usage.estimated) == ("Yes.", "generic:mine", True)
    assert server.requests[0].body == {"inputs": "Be brief.\nHello?", "limit": 9}
    assert server.requests[0].path.endswith("?team=1")


def test_a_parser_may_tell_usage_and_cost() -> None:
    def with_usage(answer: Any) -> Completion:
        return Completion(text=parsed(answer), usage=Usage(input_tokens=5, output_tokens=2, calls=1, cost_usd=0.1))

    with (
        OpenAIServer([OURS]) as server,
        GenericModel(f"{server.base_url}/chat/completions", payload_builder=built, response_parser=with_usage) as model,
    ):
        usage = model.complete(ASKED, CallOptions()).usage

    assert (usage.input_tokens, usage.output_tokens, usage.cost_usd, usage.estimated) == (5, 2, 0.1, False)


def test_without_functions_it_is_chat_completions_streamed() -> None:
    heard: list[str] = []
    with OpenAIServer([Say(pieces=["a", "b"])]) as server, GenericModel(f"{server.base_url}/chat/completions") as model:
        model.complete(ASKED, CallOptions(on_text=heard.append))

    assert heard == ["a", "b"]


def test_it_is_asked_again_while_it_is_busy() -> None:
    with (
        OpenAIServer([error(503, "later"), OURS]) as server,
        GenericModel(f"{server.base_url}/chat/completions", payload_builder=built, response_parser=parsed) as model,
    ):
        assert model.complete(ASKED, CallOptions()).text == "Yes."


@pytest.mark.parametrize("play", [Raw(body='{"outputs": []}'), Raw(body="[]"), Raw(body="no"), Raw(body="<html>")])
def test_an_answer_that_the_parser_cannot_read_is_told(play: Raw) -> None:
    once = ModelSettings(retry_seconds=0)
    with (
        OpenAIServer([play]) as server,
        GenericModel(
            f"{server.base_url}/chat/completions", payload_builder=built, response_parser=parsed, settings=once
        ) as model,
        pytest.raises(ModelUnavailable),
    ):
        model.complete(ASKED, CallOptions())
