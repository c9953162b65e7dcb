"""The adapter for OpenAI-compatible servers, against a real local one that behaves and misbehaves."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from rlm_search.errors import ModelError, ModelRejected
from rlm_search.models.http import HttpModel
from rlm_search.models.providers import Provider
from rlm_search.models.settings import ModelSettings
from rlm_search.types import CallOptions, Completion, Message
from tests.servers.openai_server import (
    OpenAIServer,
    Raw,
    Say,
    Script,
    error,
)

KEY = "sk-a-secret-that-nobody-may-see"
HELLO = [Message("system", "Be brief."), Message("user", "Hello?")]


def model_of(
    server: OpenAIServer, name: str = "m", *, key: str = KEY, settings: ModelSettings | None = None, **changed: Any
) -> HttpModel:
    place = Provider(name="test", title="Test", base_url=server.base_url, key_variable="TEST_KEY", **changed)
    return HttpModel(name, place, key=key, settings=settings)


def ask(
    script: Script, options: CallOptions | None = None, *, settings: ModelSettings | None = None, **server: Any
) -> Completion:
    with OpenAIServer(script, **server) as running:
        return model_of(running, settings=settings).complete(HELLO, options or CallOptions())


def failure(script: Script, *, settings: ModelSettings | None = None, **server: Any) -> ModelError:
    with pytest.raises(ModelError) as caught:
        ask(script, settings=settings, **server)
    assert KEY not in f"{caught.value.message} {caught.value.hint}"
    assert "\n" not in caught.value.message
    return caught.value


@pytest.fixture(params=[True, False], ids=["streamed", "whole"])
def settings(request: pytest.FixtureRequest) -> ModelSettings:
    return ModelSettings(stream=request.param)


def test_a_completion_has_text_usage_and_the_name_of_its_model(settings: ModelSettings) -> None:
    said = ask([Say(text="Hello, wörld 你好\u2028.")], settings=settings)

    assert said.text == "Hello, wörld 你好\u2028."
    assert (said.usage.input_tokens, said.usage.output_tokens, said.usage.calls) == (11, 7, 1)
    assert (said.model, said.finish_reason, said.usage.estimated) == ("test:m", "stop", False)


def test_the_server_is_sent_model_messages_limits_and_the_key(settings: ModelSettings) -> None:
    with OpenAIServer([Say(text="x")], key=KEY) as server:
        model_of(server, settings=settings).complete(HELLO, CallOptions(max_tokens=9, temperature=0.5, stop=("END",)))

    [asked] = server.completions
    assert asked["model"] == "m"
    assert asked["messages"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello?"}]
    assert (asked["max_tokens"], asked["temperature"], asked["stop"]) == (9, 0.5, ["END"])


def test_text_is_passed_on_as_it_arrives() -> None:
    heard: list[str] = []

    ask([Say(text="", pieces=["He", "llo"])], CallOptions(on_text=heard.append))

    assert heard == ["He", "llo"]


def test_an_answer_asked_for_whole_is_passed_on_in_one_piece() -> None:
    heard: list[str] = []

    ask([Say(text="Hello")], CallOptions(on_text=heard.append), settings=ModelSettings(stream=False))

    assert heard == ["Hello"]


def test_usage_is_estimated_and_marked_where_the_server_does_not_count(settings: ModelSettings) -> None:
    said = ask([Say(text="twelve chars", usage=False)], settings=settings)

    assert said.usage.estimated
    assert said.usage.output_tokens == 3
    assert said.usage.input_tokens > 3


def test_a_server_that_answers_whole_where_a_stream_was_asked_for_is_understood() -> None:
    body = '{"choices": [{"message": {"content": "whole"}, "finish_reason": "stop"}]}'

    assert ask([Raw(body=body)]).text == "whole"


def test_content_in_parts_is_joined() -> None:
    body = '{"choices": [{"message": {"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}}]}'

    assert ask([Raw(body=body)]).text == "ab"


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("<think>\nhm, `FINAL(1)`?\n</think>\n\nyes", "yes"),
        ("hm, `FINAL(1)`?\n</think>\nyes", "yes"),
        ("<think>cut off while", ""),
        ("The tag `</think>` ends it.", "The tag `</think>` ends it."),
        ("yes <think>no</think>", "yes <think>no</think>"),
    ],
)
def test_thinking_aloud_is_no_part_of_the_answer(settings: ModelSettings, said: str, text: str) -> None:
    assert ask([Say(text=said)], settings=settings).text == text


def test_a_model_that_thinks_before_its_first_word_is_given_the_time_for_it() -> None:
    patient = ModelSettings(first_token_seconds=5, token_seconds=0.05)

    assert ask([Say(pieces=["", "", "yes"], pause=0.1)], settings=patient).text == "yes"


def test_a_call_of_another_tool_is_written_out_so_that_it_can_be_read(settings: ModelSettings) -> None:
    said = ask([Say(tool_call={"name": "search", "arguments": '{"code": "x = 1"}'})], settings=settings)

    assert '<tool_call>{"name": "search", "arguments": {"code": "x = 1"}}</tool_call>' in said.text


def test_an_answer_ends_before_a_stop_sequence_that_the_server_ignores(settings: ModelSettings) -> None:
    said = ask([Say(text="one END two")], CallOptions(stop=("END",)), settings=settings)

    assert (said.text, said.finish_reason) == ("one ", "stop")


def test_more_than_four_stop_sequences_all_hold_though_four_are_sent() -> None:
    stops = ("1", "2", "3", "4", "five")
    with OpenAIServer([Say(text="a five b")]) as server:
        said = model_of(server).complete(HELLO, CallOptions(stop=stops))

    assert server.completions[0]["stop"] == ["1", "2", "3", "4"]
    assert said.text == "a "


def test_the_providers_own_word_for_the_end_is_kept(settings: ModelSettings) -> None:
    assert ask([Say(text="cut", finish_reason="length")], settings=settings).finish_reason == "length"


# --- what a server does not take is learnt once -----------------------------------------------------------------------


def test_a_refused_parameter_is_replaced_once_and_left_out_from_then_on() -> None:
    refuses = {
        "max_tokens": "Unsupported parameter: 'max_tokens' is not supported with this model. "
        "Use 'max_completion_tokens' instead.",
        "temperature": "Unsupported value: 'temperature' does not support 0.2 with this model. "
        "Only the default (1) value is supported.",
    }
    options = CallOptions(max_tokens=5, temperature=0.2)
    with OpenAIServer([Say(text="a"), Say(text="b")], refuses=refuses) as server:
        model = model_of(server)
        model.complete(HELLO, options)
        model.complete(HELLO, options)

    assert len(server.completions) == 4
    last = server.completions[-1]
    assert last["max_completion_tokens"] == 5
    assert not {"max_tokens", "temperature"} & set(last)


def test_a_server_that_knows_neither_name_of_the_token_limit_gets_none() -> None:
    refuses = {"max_tokens": "unknown field `max_tokens`", "max_completion_tokens": "unknown field"}
    with OpenAIServer([Say(text="a")], refuses=refuses) as server:
        assert model_of(server).complete(HELLO, CallOptions(max_tokens=5)).text == "a"


def test_an_older_server_that_does_not_know_stream_options_is_asked_without() -> None:
    with OpenAIServer(
        [Say(text="a", usage=False)], refuses={"stream_options": "Extra inputs are not permitted"}
    ) as server:
        said = model_of(server).complete(HELLO, CallOptions())

    assert said.usage.estimated


def test_stop_sequences_that_a_model_refuses_are_applied_here() -> None:
    refuses = {"stop": "Unsupported parameter: 'stop' is not supported with this model."}

    assert ask([Say(text="one END two")], CallOptions(stop=("END",)), refuses=refuses).text == "one "


def test_a_value_that_is_refused_for_its_size_is_no_unknown_parameter() -> None:
    caught = failure([error(400, "max_tokens is too large: 99. This model takes at most 9.", param="max_tokens")])

    assert isinstance(caught, ModelRejected)
    assert "at most 9" in caught.message


def test_calls_from_several_threads_do_not_mix() -> None:
    def echo(body: dict[str, Any]) -> Say:
        return Say(text=f"echo {body['messages'][-1]['content']}")

    with OpenAIServer(echo) as server:
        model = model_of(server)
        said: dict[int, str] = {}

        def call(number: int) -> Callable[[], None]:
            def run() -> None:
                said[number] = model.complete([Message("user", str(number))], CallOptions()).text

            return run

        threads = [threading.Thread(target=call(number)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert said == {number: f"echo {number}" for number in range(8)}


def test_the_models_of_a_server_are_listed_and_none_where_it_is_away() -> None:
    with OpenAIServer([], models=["a", "b"]) as server:
        model = model_of(server)
        assert model.models() == ["a", "b"]
        model.close()
    assert model_of(server).models() == []
