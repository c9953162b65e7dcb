"""Every preset, opened from a spec as a user does, against a local server in the provider's place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from retrievers import settings as files
from rlm_search.assemble import assemble
from rlm_search.errors import ConfigError
from rlm_search.models.facts import FREE, facts_of
from rlm_search.models.opening import OpenedModel, Quotas, open_model
from rlm_search.models.providers import preset_names
from rlm_search.models.settings import ModelSettings
from rlm_search.types import CallOptions, Message
from tests.servers.openai_server import OpenAIServer, Say

ASKED = [Message("system", "Be brief."), Message("user", "Hello?")]
KEY = "sk-of-the-test"
KEYS = {
    "openai": "OPENAI_API_KEY",
    "anthropic": "ANTHROPIC_API_KEY",
    "gemini": "GEMINI_API_KEY",
    "openrouter": "OPENROUTER_API_KEY",
    "huggingface": "HF_TOKEN",
    "groq": "GROQ_API_KEY",
    "together": "TOGETHER_API_KEY",
    "deepseek": "DEEPSEEK_API_KEY",
    "mistral": "MISTRAL_API_KEY",
    "azure": "AZURE_OPENAI_API_KEY",
    "portkey": "PORTKEY_API_KEY",
    "vercel": "AI_GATEWAY_API_KEY",
    "litellm": "LITELLM_PROXY_API_KEY",
    "vllm": "VLLM_API_KEY",
    "ollama": "",
    "lmstudio": "",
}


def test_every_preset_is_tried_here() -> None:
    assert set(KEYS) == set(preset_names())


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
def test_a_provider_is_asked_in_its_own_protocol_with_its_own_key(name: str, stream: bool) -> None:
    variable = KEYS[name]
    environment = {variable: KEY} if variable else {}
    with OpenAIServer([Say(text="Yes.")], key=KEY if variable else "") as server:
        settings = ModelSettings(
            spec=f"{name}:some-model",
            base_url=server.base_url.replace("/v1", "") if name == "azure" else server.base_url,
            stream=stream,
        )
        opened = open_model(settings, environment)
        said = opened.model.complete(ASKED, CallOptions(max_tokens=50, temperature=0.0))

    assert (said.text, said.model) == ("Yes.", f"{name}:some-model")
    [asked] = server.requests
    assert asked.body["model"] == "some-model"


def test_azure_is_asked_at_the_deployment_with_its_version() -> None:
    with OpenAIServer([Say(text="Yes."), Say(text="Yes.")], key=KEY) as server:
        environment = {"AZURE_OPENAI_API_KEY": KEY, "OPENAI_ENDPOINT": f"http://127.0.0.1:{server.port}/"}
        open_model(ModelSettings(spec="azure:gpt 5.1"), environment).model.complete(ASKED, CallOptions(max_tokens=9))
        environment["AZURE_OPENAI_API_VERSION"] = "2025-04-01-preview"
        open_model(ModelSettings(spec="azure:mine"), environment).model.complete(ASKED, CallOptions())

    first, second = server.requests
    assert first.path == "/openai/deployments/gpt%205.1/chat/completions?api-version=2024-10-21"
    assert second.path == "/openai/deployments/mine/chat/completions?api-version=2025-04-01-preview"
    assert first.headers["api-key"] == KEY
    assert "authorization" not in first.headers
    assert first.body["max_completion_tokens"] == 9


def test_azure_by_the_name_of_its_account() -> None:
    opened = open_model(ModelSettings(spec="azure:mine"), {"AZURE_OPENAI_API_KEY": KEY, "AZURE_ACCOUNT_NAME": "acme"})

    assert opened.provider is not None
    assert opened.provider.base_url == "https://acme.openai.azure.com"


def test_azure_without_an_address_says_which_variable_to_set() -> None:
    with pytest.raises(ConfigError, match="no address for Azure") as raised:
        open_model(ModelSettings(spec="azure:mine"), {"AZURE_OPENAI_API_KEY": KEY})
    assert "AZURE_OPENAI_ENDPOINT" in raised.value.hint


def test_headers_of_the_provider_the_environment_and_the_settings_are_sent() -> None:
    environment = {"PORTKEY_API_KEY": KEY, "PORTKEY_PROVIDER": "openai"}
    with OpenAIServer([Say(text="x")], key=KEY) as server:
        settings = ModelSettings(spec="portkey:@acme/gpt-5", base_url=server.base_url, headers={"x-team": "search"})
        open_model(settings, environment).model.complete(ASKED, CallOptions())

    headers = server.requests[0].headers
    assert (headers["x-portkey-api-key"], headers["x-portkey-provider"], headers["x-team"]) == (KEY, "openai", "search")


def test_anthropic_is_sent_the_version_of_its_protocol() -> None:
    with OpenAIServer([Say(text="x")], key=KEY) as server:
        settings = ModelSettings(spec="anthropic:claude-sonnet-5", base_url=server.base_url)
        open_model(settings, {"ANTHROPIC_API_KEY": KEY}).model.complete(ASKED, CallOptions())

    assert server.requests[0].path == "/v1/messages"
    assert server.requests[0].headers["anthropic-version"] == "2023-06-01"


def test_a_cost_that_the_provider_tells_is_the_cost() -> None:
    with OpenAIServer([Say(text="x", cost=0.0123)], key=KEY) as server:
        settings = ModelSettings(spec="openrouter:a/b", base_url=server.base_url)
        said = open_model(settings, {"OPENROUTER_API_KEY": KEY}).model.complete(ASKED, CallOptions())

    assert said.usage.cost_usd == 0.0123


# --- what is known of a model where it is -----------------------------------------------------------------------------


def opened(spec: str, environment: dict[str, str] | None = None, **settings: Any) -> OpenedModel:
    return open_model(ModelSettings(spec=spec, **settings), {"OPENAI_API_KEY": KEY, **(environment or {})})


def test_the_price_of_a_provider_holds_at_its_own_address_alone() -> None:
    assert opened("openai:gpt-5-mini").tells_cost
    assert not opened("openai:gpt-5-mini", base_url="https://gateway.example.com/v1").tells_cost
    assert facts_of(opened("openai:gpt-5-mini", base_url="http://localhost:1/v1").model).price == FREE


def test_a_price_and_a_window_in_the_settings_hold() -> None:
    facts = facts_of(opened("openai:mine", input_price=1.0, output_price=3.0, window=9_000).model)

    assert facts.price is not None
    assert (facts.price.input, facts.price.output, facts.window) == (1.0, 3.0, 9_000)


def test_half_a_price_is_refused() -> None:
    with pytest.raises(ConfigError, match="belong together"):
        opened("openai:mine", input_price=1.0)


@pytest.mark.parametrize(
    ("spec", "fits"), [("openai:gpt-5-mini", True), ("openai:unheard-of", False), ("ollama:x", True)]
)
def test_a_limit_of_dollars_needs_a_price(
    spec: str, fits: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    flags: dict[str, dict[str, object]] = {
        "index": {"url": "rlm_search.testing:MemoryRetriever"},
        "model": {"spec": spec},
        "limits": {"cost_usd": 0.5},
    }
    monkeypatch.setattr("rlm_search.assemble._retriever", lambda _: None)
    settings = files.load(flags=flags, environment={}, folder=tmp_path)
    if fits:
        assert assemble(settings).rlm.limits.cost_usd == 0.5
        return
    with pytest.raises(ConfigError, match="price of openai:unheard-of is not known") as raised:
        assemble(settings)
    assert "input_price" in raised.value.hint


def test_models_of_one_server_share_its_quota() -> None:
    quotas = Quotas()
    first = quotas.of("https://a/v1", ModelSettings(concurrency=3))

    assert quotas.of("https://a/v1", ModelSettings(concurrency=9)) is first
    assert quotas.of("https://b/v1", ModelSettings()) is not first


def test_the_sub_model_without_a_spec_is_the_model_but_for_what_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rlm_search.assemble._retriever", lambda _: None)
    with OpenAIServer([Say(text="noon")] * 2) as server:
        flags: dict[str, dict[str, object]] = {
            "model": {"spec": "openai:m", "base_url": server.base_url, "deeper": ["ollama:a", "ollama:b"]},
            "sub_model": {"cache": str(tmp_path / "cache"), "max_tokens": 77},
        }
        built = assemble(files.load(flags=flags, environment={}, folder=tmp_path))
        for _ in range(2):
            assert built.rlm.sub_model.complete(ASKED, CallOptions()).text == "noon"
        built.rlm.model.complete(ASKED, CallOptions())

    assert [body.get("max_tokens") or body.get("max_completion_tokens") for body in server.completions] == [77, None]
    assert [built.rlm.model_at(depth).name for depth in range(4)] == ["openai:m", "ollama:a", "ollama:b", "ollama:b"]
