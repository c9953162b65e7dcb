"""What a model's server refuses, and every kind of trouble with it: told in one line, and in time."""

from __future__ import annotations

import time

import pytest

from rlm_search.errors import ContextTooLong, ModelRejected, ModelUnavailable
from rlm_search.models.settings import ModelSettings
from rlm_search.types import CallOptions
from tests.servers.openai_server import (
    BROKEN,
    GARBAGE,
    GATEWAY_PAGE,
    NO_CHOICES,
    OTHER_JSON,
    TOO_LONG,
    WEB_PAGE,
    OpenAIServer,
    Raw,
    Say,
    error,
    too_many_requests,
)
from tests.unit.rlm_search.models.test_chat import HELLO, KEY, failure, model_of

IN_A_MOMENT = ModelSettings(connect_seconds=2, first_token_seconds=0.2, token_seconds=0.1, total_seconds=0.3)


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_names_the_variable_to_set_and_never_the_key(status: int) -> None:
    caught = failure([error(status, f"Incorrect API key provided: {KEY}")])

    assert isinstance(caught, ModelRejected)
    assert "TEST_KEY" in caught.hint
    assert caught.exit_code == 5


def test_a_server_that_echoes_the_key_elsewhere_is_not_quoted_with_it() -> None:
    assert "[key]" in failure([error(400, f"bad request from {KEY}")]).message


def test_an_unknown_model_lists_those_that_look_like_it() -> None:
    with OpenAIServer([], models=["qwen3:8b", "llama4:17b"]) as server, pytest.raises(ModelRejected) as caught:
        model_of(server, "qwen3").complete(HELLO, CallOptions())

    assert "no model 'qwen3'" in caught.value.message
    assert "qwen3:8b" in caught.value.hint
    assert "llama4" not in caught.value.hint


def test_an_unknown_model_is_told_with_the_way_to_get_it_where_there_is_one() -> None:
    with OpenAIServer([], models=["other"]) as server, pytest.raises(ModelRejected) as caught:
        model_of(server, "x", missing="fetch it: get {model}").complete(HELLO, CallOptions())

    assert "get x" in caught.value.hint


def test_an_address_without_such_a_server_says_what_a_base_url_is() -> None:
    assert "/v1" in failure([Raw(status=404, body="404 page not found", content_type="text/plain")]).hint


@pytest.mark.parametrize(
    "refusal",
    [
        TOO_LONG,
        error(413, "Request too large"),
        error(400, "the request exceeds the available context size. try increasing the context size"),
        error(400, "prompt is too long: 210000 tokens > 200000 maximum"),
        error(500, "Trying to keep the first 111490 tokens when context the overflows."),
    ],
)
def test_a_prompt_that_does_not_fit_is_told_apart(refusal: Raw) -> None:
    assert isinstance(failure([refusal]), ContextTooLong)


def test_an_empty_account_is_no_passing_trouble() -> None:
    quota = error(429, "You exceeded your current quota, please check your plan.", code="insufficient_quota")

    assert isinstance(failure([quota]), ModelRejected)


def test_a_quota_that_comes_back_in_some_seconds_is_one() -> None:
    quota = error(429, "You exceeded your current quota", headers={"Retry-After": "20"})

    assert isinstance(failure([quota]), ModelUnavailable)


def test_a_key_with_a_line_break_in_it_is_refused_before_it_is_sent() -> None:
    with OpenAIServer([]) as server, pytest.raises(ModelRejected, match="TEST_KEY") as caught:
        model_of(server, key="sk-abc\ndef")

    assert "sk-abc" not in caught.value.message
    assert server.requests == []


# --- trouble ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("header", "seconds"), [("3", 3.0), ("0.5", 0.5), ("", None), ("soon", None)])
def test_a_server_that_asks_to_wait_says_for_how_long(header: str, seconds: float | None) -> None:
    caught = failure([too_many_requests(header)])

    assert isinstance(caught, ModelUnavailable)
    assert caught.retry_after_seconds == seconds


@pytest.mark.parametrize("answer", [BROKEN, GATEWAY_PAGE, error(529, "overloaded"), error(408, "time")])
def test_a_server_in_trouble_is_unavailable(answer: Raw) -> None:
    caught = failure([answer])

    assert caught.transient
    assert "html" not in caught.message


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (WEB_PAGE, "a web page"),
        (GARBAGE, "broken JSON"),
        (NO_CHOICES, "without a choice"),
        (OTHER_JSON, "no chat completion"),
        (Raw(body="", content_type="text/event-stream"), "without a choice"),
        (Raw(body="data: [DONE]\n\n", content_type="text/event-stream"), "without a choice"),
    ],
)
def test_nonsense_is_named_in_one_line(answer: Raw, what: str) -> None:
    caught = failure([answer])

    assert isinstance(caught, ModelUnavailable)
    assert what in caught.message
    assert "127.0.0.1" in caught.message


def test_nonsense_is_named_where_no_stream_was_asked_for_too() -> None:
    assert "a web page" in failure([WEB_PAGE], settings=ModelSettings(stream=False)).message


def test_a_stream_that_breaks_off_is_no_answer() -> None:
    assert "broke off" in failure([Say(text="half of it", cut=True)]).message


def test_an_error_in_the_middle_of_a_stream_is_the_error() -> None:
    first, second = '{"choices": [{"delta": {"content": "a"}}]}', '{"error": {"message": "overloaded", "code": 503}}'
    body = f"data: {first}\n\ndata: {second}\n\n"

    caught = failure([Raw(body=body, content_type="text/event-stream")])

    assert isinstance(caught, ModelUnavailable)
    assert "overloaded" in caught.message


def test_an_answer_without_end_is_cut_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rlm_search.models.replies.MAX_CHARACTERS", 100)

    assert "without end" in failure([Say(text="x" * 200)]).message


def test_nobody_there_is_told_with_the_way_to_start_it() -> None:
    with OpenAIServer([]) as server:
        model = model_of(server, away="start it with `serve`")

    with pytest.raises(ModelUnavailable, match="refused") as caught:
        model.complete(HELLO, CallOptions())

    assert caught.value.doubtful
    assert caught.value.hint == "start it with `serve`"


# --- time -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "play",
    [
        pytest.param(Say(text="", pieces=["a"], pause=30), id="nothing comes"),
        pytest.param(Say(text="", pieces=["a"] * 500, pause=0.04), id="it goes on and on"),
        pytest.param(Raw(body=" " * 500, content_type="text/event-stream", drip=0.04), id="only blanks drip"),
        pytest.param(Raw(pause=30), id="not even a status"),
    ],
)
def test_a_completion_ends_in_its_time(play: Say | Raw) -> None:
    started = time.monotonic()

    caught = failure([play], settings=IN_A_MOMENT)

    assert "in time" in caught.message
    assert time.monotonic() - started < 3


def test_a_whole_answer_that_drips_in_ends_in_its_time() -> None:
    slow = ModelSettings(stream=False, total_seconds=0.2)
    assert "in time" in failure([Raw(body=" " * 500, drip=0.04)], settings=slow).message


def test_the_deadline_of_a_run_ends_a_completion() -> None:
    with OpenAIServer([Raw(pause=30)]) as server, pytest.raises(ModelUnavailable, match="in time"):
        model_of(server).complete(HELLO, CallOptions(deadline=time.monotonic() + 0.1))
