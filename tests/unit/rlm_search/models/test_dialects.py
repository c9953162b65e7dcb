"""Every protocol, against a local server that speaks it: the same claims hold for all of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rlm_search import actions
from rlm_search.errors import ContextTooLong, ModelError, ModelRejected, ModelUnavailable
from rlm_search.models.facts import ModelFacts
from rlm_search.models.http import HttpModel
from rlm_search.models.providers import Provider
from rlm_search.models.settings import ModelSettings
from rlm_search.types import CallOptions, Completion, Message
from tests.servers.openai_server import GARBAGE, TOO_LONG, WEB_PAGE, OpenAIServer, Raw, Say, error
from tests.servers.voices import CACHED, INPUT, OUTPUT

APIS = ["chat", "responses", "messages"]
TURNS = [
    Message("system", "Be brief."),
    Message("user", "Hello?"),
    Message("assistant", "Yes?"),
    Message("user", "What time is it?"),
]
CODE = 'x = "```"\nprint(x)'


class Asking:
    """A model of one protocol, streamed or whole."""

    def __init__(self, api: str, stream: bool) -> None:
        self.api, self.stream = api, stream

    def of(self, server: OpenAIServer, *, facts: ModelFacts | None = None, **settings: Any) -> HttpModel:
        place = Provider(name="test", title="Test", base_url=server.base_url, api=self.api, key_header="x-api-key")
        chosen = ModelSettings(stream=self.stream, **settings)
        return HttpModel("m", place, key="sk-secret", settings=chosen, facts=facts or ModelFacts())

    def ask(self, play: Say | Raw, options: CallOptions | None = None, **settings: Any) -> Completion:
        with OpenAIServer([play], key="sk-secret") as server:
            return self.of(server, **settings).complete(TURNS, options or CallOptions())

    def sent(self, options: CallOptions | None = None, **settings: Any) -> dict[str, Any]:
        with OpenAIServer([Say(text="x")]) as server:
            self.of(server, **settings).complete(TURNS, options or CallOptions())
        return server.completions[0]

    def failure(self, play: Say | Raw) -> ModelError:
        with pytest.raises(ModelError) as caught:
            self.ask(play)
        assert "sk-secret" not in f"{caught.value.message} {caught.value.hint}"
        assert "\n" not in caught.value.message
        return caught.value


@pytest.fixture(params=APIS)
def api(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=[True, False], ids=["streamed", "whole"])
def asking(api: str, request: pytest.FixtureRequest) -> Asking:
    return Asking(api, request.param)


@pytest.fixture
def streaming(api: str) -> Asking:
    return Asking(api, True)


# --- answers ----------------------------------------------------------------------------------------------------------


def test_a_completion_has_text_usage_and_what_came_from_the_providers_cache(asking: Asking) -> None:
    said = asking.ask(Say(text="Hello, wörld 你好\u2028.", cached=True))

    assert (said.text, said.finish_reason, said.model) == ("Hello, wörld 你好\u2028.", "stop", "test:m")
    assert (said.usage.input_tokens, said.usage.cached_tokens, said.usage.output_tokens) == (INPUT, CACHED, OUTPUT)
    assert (said.usage.calls, said.usage.estimated) == (1, False)


def test_usage_is_estimated_and_marked_where_the_server_does_not_count(asking: Asking) -> None:
    said = asking.ask(Say(text="twelve chars", usage=False))

    assert said.usage.estimated
    assert (said.usage.output_tokens, said.usage.input_tokens > 10) == (3, True)


def test_text_is_passed_on_as_it_arrives(streaming: Asking) -> None:
    heard: list[str] = []
    streaming.ask(Say(pieces=["He", "llo"]), CallOptions(on_text=heard.append))

    assert heard == ["He", "llo"]


def test_an_answer_that_its_limit_cut_off_is_told_from_one_that_ended(asking: Asking) -> None:
    assert asking.ask(Say(text="and then", finish_reason="length")).finish_reason == "length"


def test_an_answer_ends_before_a_stop_sequence_that_the_server_ignores(asking: Asking) -> None:
    said = asking.ask(Say(text="one END two"), CallOptions(stop=("END", "  ")))

    assert (said.text, said.finish_reason) == ("one ", "stop")


def test_the_conversation_the_limit_and_the_temperature_are_sent(asking: Asking) -> None:
    sent = asking.sent(CallOptions(max_tokens=9, temperature=0.5), extra={"top_p": 0.9})
    limits = {"chat": "max_tokens", "responses": "max_output_tokens", "messages": "max_tokens"}

    assert sent["model"] == "m"
    assert (sent[limits[asking.api]], sent["temperature"], sent["top_p"]) == (9, 0.5, 0.9)
    told = str(sent)
    assert [told.count(text) for text in ("Be brief.", "Hello?", "Yes?", "What time is it?")] == [1, 1, 1, 1]


def test_a_limit_is_never_more_than_the_model_writes(asking: Asking) -> None:
    sent = asking.sent(CallOptions(max_tokens=100_000), facts=ModelFacts(max_output=8_192))

    assert 8_192 in sent.values()


def test_what_a_model_is_known_to_refuse_is_never_sent(asking: Asking) -> None:
    sent = asking.sent(CallOptions(temperature=0.0), facts=ModelFacts(refuses=("temperature",)))

    assert "temperature" not in sent


def test_what_a_server_refuses_is_learnt_once(asking: Asking) -> None:
    with OpenAIServer([Say(text="a"), Say(text="b")], refuses={"temperature": "unsupported: temperature"}) as server:
        model = asking.of(server, temperature=0.0)
        assert model.complete(TURNS, CallOptions()).text == "a"
        assert model.complete(TURNS, CallOptions()).text == "b"

    assert ["temperature" in body for body in server.completions] == [True, False, False]


# --- the python tool --------------------------------------------------------------------------------------------------


def test_a_call_of_the_python_tool_is_read_as_a_block_of_code(asking: Asking) -> None:
    call = {"name": "python", "arguments": json.dumps({"code": CODE})}
    said = asking.ask(Say(text="Let me look.", tool_call=call, finish_reason="tool_calls"), native_tools=True)

    assert actions.read(said.text).cells == (CODE,)
    assert said.text.startswith("Let me look.")


def test_the_tool_is_offered_where_code_may_run_and_nowhere_else(asking: Asking) -> None:
    assert "tools" in asking.sent(CallOptions(may_run_code=True), native_tools=True)
    assert "tools" not in asking.sent(CallOptions(may_run_code=True))
    assert "tools" not in asking.sent(CallOptions(), native_tools=True)


def test_a_server_without_tools_is_asked_without_them(asking: Asking) -> None:
    refuses = {"tools": "m does not support tools"}
    with OpenAIServer([Say(text="```python\n1\n```")], refuses=refuses) as server:
        said = asking.of(server, native_tools=True).complete(TURNS, CallOptions(may_run_code=True))

    assert actions.read(said.text).cells == ("1",)


# --- trouble ----------------------------------------------------------------------------------------------------------


def test_a_stream_that_breaks_off_is_no_answer(streaming: Asking) -> None:
    assert "broke off" in streaming.failure(Say(text="half of", cut=True)).message


@pytest.mark.parametrize(
    ("fails", "kind"),
    [
        ({"type": "overloaded_error", "message": "Overloaded"}, ModelUnavailable),
        ({"code": "rate_limit_exceeded", "message": "slow down"}, ModelUnavailable),
        ({"code": "server_error", "message": "oops"}, ModelUnavailable),
        ({"type": "invalid_request_error", "message": "prompt is too long: 9 tokens > 8 maximum"}, ContextTooLong),
    ],
)
def test_an_error_in_the_middle_of_a_stream_is_the_error(
    streaming: Asking, fails: dict[str, str], kind: type[ModelError]
) -> None:
    assert isinstance(streaming.failure(Say(text="half of", fails=fails)), kind)


@pytest.mark.parametrize(
    ("play", "kind"),
    [
        (TOO_LONG, ContextTooLong),
        (Raw(status=529, body='{"type":"error","error":{"type":"overloaded_error","message":"x"}}'), ModelUnavailable),
        (error(429, "Rate limit reached", headers={"Retry-After": "7"}), ModelUnavailable),
        (error(503, "later"), ModelUnavailable),
        (error(401, "invalid x-api-key"), ModelRejected),
        (error(400, "Your credit balance is too low to access the API"), ModelRejected),
        (error(404, "model: m not found"), ModelRejected),
        (error(400, "content policy"), ModelRejected),
        (WEB_PAGE, ModelUnavailable),
        (GARBAGE, ModelUnavailable),
        (Raw(body="[1, 2]"), ModelUnavailable),
        (Raw(body='{"hello": "world"}'), ModelUnavailable),
        (Raw(body=""), ModelUnavailable),
        (Raw(body="data: 3\n\n", content_type="text/event-stream"), ModelUnavailable),
    ],
    ids=str,
)
def test_every_refusal_and_nonsense_is_told_as_what_it_is(asking: Asking, play: Raw, kind: type[ModelError]) -> None:
    raised = asking.failure(play)

    assert type(raised) is kind
    if isinstance(raised, ModelUnavailable) and "Retry-After" in play.headers:
        assert raised.retry_after_seconds == 7


def test_a_server_that_does_not_come_to_its_end_is_left(streaming: Asking) -> None:
    with OpenAIServer([Say(pieces=["a", "b"], pause=5)]) as server:
        model = streaming.of(server, first_token_seconds=0.1, token_seconds=0.1)
        with pytest.raises(ModelUnavailable, match="in time"):
            model.complete(TURNS, CallOptions())


# --- what is one protocol's own ---------------------------------------------------------------------------------------


def test_anthropic_caches_the_system_prompt_and_the_last_turns_of_the_user() -> None:
    sent = Asking("messages", True).sent()

    assert sent["system"] == [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}]
    marked = [turn["role"] for turn in sent["messages"] if "cache_control" in turn["content"][0]]
    assert marked == ["user", "user"]
    assert sent["max_tokens"] > 4_000


def test_anthropic_is_never_sent_an_empty_text_or_one_with_blanks_at_its_end() -> None:
    with OpenAIServer([Say(text="x")]) as server:
        Asking("messages", True).of(server).complete(
            [Message("assistant", "  "), Message("user", "y \n")], CallOptions()
        )

    sent = [(turn["role"], turn["content"][0]["text"]) for turn in server.completions[0]["messages"]]
    assert sent == [("user", "Go on."), ("assistant", "(empty)"), ("user", "y")]


def test_responses_are_not_kept_by_the_server() -> None:
    sent = Asking("responses", True).sent()

    assert (sent["store"], sent["instructions"]) == (False, "Be brief.")


def test_a_model_that_answers_at_responses_only_is_asked_there_from_then_on() -> None:
    def play(body: dict[str, Any]) -> Say | Raw:
        if "messages" in body:
            return error(404, "This model is only supported in v1/responses and not in v1/chat/completions.")
        return Say(text="here")

    with OpenAIServer(play) as server:
        model = Asking("chat", True).of(server)
        assert [model.complete(TURNS, CallOptions()).text for _ in range(2)] == ["here", "here"]

    assert [asked.path for asked in server.requests] == ["/v1/chat/completions", "/v1/responses", "/v1/responses"]


def test_messages_of_one_role_become_one_turn() -> None:
    doubled = [*TURNS[:2], Message("user", "Anybody?"), Message("system", "Be kind.")]
    with OpenAIServer([Say(text="x")]) as server:
        Asking("chat", True).of(server).complete(doubled, CallOptions())

    sent = [(message["role"], message["content"]) for message in server.completions[0]["messages"]]
    assert sent == [("system", "Be brief.\n\nBe kind."), ("user", "Hello?\n\nAnybody?")]


@pytest.mark.parametrize("is_known", [True, False], ids=["known", "learnt"])
def test_a_chat_template_without_a_system_message_gets_it_from_the_user(is_known: bool) -> None:
    def play(body: dict[str, Any]) -> Say | Raw:
        roles = [message["role"] for message in body["messages"]]
        return error(400, "System role not supported") if "system" in roles else Say(text="yes")

    with OpenAIServer(play) as server:
        model = Asking("chat", True).of(server, facts=ModelFacts(takes_system=not is_known))
        assert model.complete(TURNS, CallOptions()).text == "yes"

    last = server.completions[-1]["messages"]
    assert [message["role"] for message in last] == ["user", "assistant", "user"]
    assert last[0]["content"] == "Be brief.\n\nHello?"
    assert len(server.completions) == (1 if is_known else 2)
