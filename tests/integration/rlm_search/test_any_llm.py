"""Providers by `any-llm-sdk`: the real library and the real boto3, against local servers."""

from __future__ import annotations

import gc
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from rlm_search import actions
from rlm_search.errors import ConfigError, ContextTooLong, ModelError, ModelRejected, ModelUnavailable
from rlm_search.models.any_llm import AnyLlmModel
from rlm_search.models.opening import open_model
from rlm_search.models.settings import ModelSettings
from rlm_search.types import CallOptions, Message
from tests.servers.openai_server import TOO_LONG, OpenAIServer, Raw, Say, error

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]  # the library leaves the connections of its event loops to the garbage collector
pytest.importorskip("any_llm")
ASKED = [Message("system", "Be brief."), Message("user", "Hello?")]
CALL = {"name": "python", "arguments": json.dumps({"code": "x = 1"})}


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """What the library leaves open is collected here, and not in the middle of another test."""
    yield
    gc.collect()


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")


def test_a_model_of_the_library_answers_with_usage_and_code() -> None:
    with OpenAIServer([Say(text="Yes.", tool_call=CALL, cached=True)], key="sk-1") as server:
        settings = ModelSettings(spec="any-llm:openai:m", base_url=server.base_url, native_tools=True)
        said = open_model(settings).model.complete(ASKED, CallOptions(max_tokens=9, may_run_code=True))

    assert (said.model, said.usage.input_tokens, said.usage.cached_tokens) == ("openai:m", 11, 4)
    assert actions.read(said.text).cells == ("x = 1",)
    assert "tools" in server.completions[0]


@pytest.mark.parametrize(
    ("play", "kind"),
    [
        (TOO_LONG, ContextTooLong),
        (error(401, "no"), ModelRejected),
        (error(404, "The model `m` does not exist", code="model_not_found"), ModelRejected),
        (error(429, "slow down"), ModelUnavailable),
        (Raw(body="<html>", content_type="text/html"), ModelUnavailable),
    ],
    ids=str,
)
def test_what_the_library_raises_is_told_as_what_it_is(play: Raw, kind: type[ModelError]) -> None:
    with OpenAIServer([play] * 9) as server, pytest.raises(kind):
        AnyLlmModel("openai:m", settings=ModelSettings(base_url=server.base_url)).complete(ASKED, CallOptions())


def test_what_a_model_refuses_is_left_out_from_then_on() -> None:
    refuses = {"temperature": "Unsupported parameter: 'temperature' is not supported"}
    with OpenAIServer([Say(text="a"), Say(text="b")], refuses=refuses) as server:
        model = AnyLlmModel("openai:m", settings=ModelSettings(base_url=server.base_url, temperature=0.0))
        assert [model.complete(ASKED, CallOptions()).text for _ in range(2)] == ["a", "b"]


def test_a_call_that_takes_too_long_is_given_up() -> None:
    with OpenAIServer([Say(text="late", pause=3)]) as server:
        model = AnyLlmModel("openai:m", settings=ModelSettings(base_url=server.base_url, total_seconds=0.3))
        with pytest.raises(ModelUnavailable, match="in time"):
            model.complete(ASKED, CallOptions())


def test_a_provider_or_a_library_that_is_not_there_is_told() -> None:
    with pytest.raises(ConfigError):
        AnyLlmModel("nobody:m")
    with pytest.raises(ConfigError, match=r"any-llm-sdk\[cohere\]"):
        AnyLlmModel("cohere:m")
    with pytest.raises(ConfigError, match="names no model"):
        AnyLlmModel("bedrock")


# --- Bedrock ----------------------------------------------------------------------------------------------------------


class DefaultCredentialsError(Exception):
    """Named as what Google's library raises."""


def test_missing_credentials_are_no_trouble_that_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    import any_llm

    class WithoutCredentials:
        def completion(self, **_: Any) -> Any:
            missing = DefaultCredentialsError("Your default credentials were not found.")
            raise any_llm.exceptions.ProviderError("not found", missing, "vertexai")

    monkeypatch.setattr(any_llm.AnyLLM, "create", lambda *_, **__: WithoutCredentials())
    with pytest.raises(ModelRejected, match="without a key"):
        AnyLlmModel("vertexai:gemini-2.5-pro").complete(ASKED, CallOptions())


@pytest.fixture
def bedrock() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A server that answers Bedrock's `converse` as Bedrock does."""
    requests: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            requests.append({"path": self.path, "signed": "AWS4-HMAC-SHA256" in self.headers["authorization"], **body})
            answer = {
                "output": {"message": {"role": "assistant", "content": [{"text": "From Bedrock."}]}},
                "stopReason": "end_turn",
                "usage": {"inputTokens": 21, "outputTokens": 5, "totalTokens": 26},
                "metrics": {"latencyMs": 1},
            }
            encoded = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(encoded)))
            self.end_headers()
            self.wfile.write(encoded)

        def log_message(self, format: str, *args: object) -> None:
            """Silence."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", requests
    server.shutdown()
    server.server_close()
    thread.join()


def test_bedrock_is_asked_with_a_signed_request(bedrock: tuple[str, list[dict[str, Any]]]) -> None:
    address, requests = bedrock
    opened = open_model(ModelSettings(spec="bedrock:amazon.nova-pro-v1:0", base_url=address))
    said = opened.model.complete(ASKED, CallOptions(max_tokens=9))

    assert (said.text, said.model) == ("From Bedrock.", "bedrock:amazon.nova-pro-v1:0")
    assert (said.usage.input_tokens, said.usage.output_tokens) == (21, 5)
    assert requests[0]["signed"]
    assert "nova-pro" in requests[0]["path"]
    assert requests[0]["inferenceConfig"]["maxTokens"] == 9


def test_the_bedrock_example_of_rlm_runs_but_for_its_import_line(
    bedrock: tuple[str, list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, requests = bedrock
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", address)
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.delenv("AWS_DEFAULT_REGION")

    from rlm_search.compat.rlm import RLM, NoAnswerError

    rlm = RLM(
        backend="bedrock",
        backend_kwargs={
            "model_name": "us.anthropic.claude-3-5-sonnet-20241022-v2:0",
            "region_name": "us-east-1",
            # Optional: aws_access_key_id, aws_secret_access_key
        },
        environment="local",
    )

    with pytest.raises(NoAnswerError, match="without code or an answer"):  # the server says one thing only
        rlm.completion("Is it?")
    assert "claude-3-5-sonnet" in requests[0]["path"]
    assert requests[0]["signed"]
