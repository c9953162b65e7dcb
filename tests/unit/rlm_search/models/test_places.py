"""Where models are, and which one is used where none was named."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from rlm_search.errors import ConfigError
from rlm_search.models.detect import choose, served_models
from rlm_search.models.providers import host_of, is_remote, preset_names, provider
from rlm_search.models.settings import ModelSettings
from tests.servers.openai_server import OpenAIServer

NOBODY = {"OLLAMA_HOST": "127.0.0.1:9"}


@pytest.mark.parametrize(
    ("url", "remote"),
    [
        ("http://localhost:11434/v1", False),
        ("http://127.0.0.1/v1", False),
        ("http://127.3.2.1/v1", False),
        ("http://[::1]:8000/v1", False),
        ("http://app.localhost/v1", False),
        ("https://api.openai.com/v1", True),
        ("http://192.168.0.4:8000/v1", True),
        ("http://localhost.example.com/v1", True),
    ],
)
def test_everything_but_a_loopback_address_is_another_machine(url: str, remote: bool) -> None:
    assert is_remote(url) is remote


def test_a_host_is_named_without_what_is_secret_in_its_url() -> None:
    assert host_of("https://user:password@example.com:8443/v1?key=1") == "example.com:8443"


def test_every_preset_has_an_address_and_a_name() -> None:
    for name in preset_names():
        found = provider(name, ModelSettings(), {"AZURE_ACCOUNT_NAME": "mine"})
        assert found.title
        assert found.is_preset or name == "azure"
        assert found.host


def test_remote_presets_name_the_variable_of_their_key_and_a_model() -> None:
    places = {name: provider(name, ModelSettings(), {"AZURE_ACCOUNT_NAME": "mine"}) for name in preset_names()}
    remote = {name: found for name, found in places.items() if found.is_remote}

    assert len(remote) >= 12
    assert all(found.key_variable for found in remote.values())
    assert {name for name, found in remote.items() if not found.default_model} == {"azure", "portkey"}


def test_an_address_in_the_settings_comes_before_one_in_the_environment() -> None:
    environment = {"OPENAI_BASE_URL": "http://from.environment/v1/"}
    settings = ModelSettings(base_url="http://from.settings/v1")

    assert provider("openai", ModelSettings(), environment).base_url == "http://from.environment/v1"
    assert provider("openai", settings, environment).base_url == "http://from.settings/v1"
    assert not provider("openai", settings, environment).is_preset


def test_the_older_name_of_the_address_is_honoured() -> None:
    assert provider("openai", ModelSettings(), {"OPENAI_API_BASE": "http://old/v1"}).host == "old"


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("", "http://localhost:11434/v1"),
        ("box", "http://box:11434/v1"),
        ("box:8080", "http://box:8080/v1"),
        (":8080", "http://localhost:8080/v1"),
        ("0.0.0.0", "http://localhost:11434/v1"),
        ("http://box:1/", "http://box:1/v1"),
        ("https://box/llm", "https://box:443/llm/v1"),
        ("[::1]:5", "http://[::1]:5/v1"),
    ],
)
def test_the_host_of_ollama_may_be_given_in_any_of_its_forms(host: str, url: str) -> None:
    assert provider("ollama", ModelSettings(), {"OLLAMA_HOST": host}).base_url == url


@pytest.mark.parametrize("host", ["box:port", "box:99999"])
def test_a_host_of_ollama_that_is_none_is_told(host: str) -> None:
    with pytest.raises(ConfigError, match="no host and port"):
        provider("ollama", ModelSettings(), {"OLLAMA_HOST": host})


@pytest.mark.parametrize(
    "url", ["example.com/v1", "ftp://example.com", "http://", "http://user:pw@host:port/v1", "http://[::1"]
)
def test_an_address_that_is_none_is_told_without_repeating_it(url: str) -> None:
    with pytest.raises(ConfigError, match="no http:// or https:// address") as caught:
        provider("openai", ModelSettings(base_url=url), {})

    assert "pw" not in caught.value.message


# --- which model ------------------------------------------------------------------------------------------------------


def chosen(environment: Mapping[str, str], settings: ModelSettings | None = None) -> tuple[str, str]:
    choice = choose(settings or ModelSettings(), {**NOBODY, **environment})
    return choice.spec, choice.origin


def test_a_model_that_was_named_is_used() -> None:
    assert chosen({"OPENAI_API_KEY": "sk"}, ModelSettings(spec="ollama:x")) == ("ollama:x", "")


@pytest.mark.parametrize(
    ("variable", "spec"),
    [("OPENAI_API_KEY", "openai"), ("OPENROUTER_API_KEY", "openrouter"), ("MISTRAL_API_KEY", "mistral")],
)
def test_a_known_key_in_the_environment_chooses_its_provider(variable: str, spec: str) -> None:
    assert chosen({variable: "sk-something"}) == (spec, variable)


def test_an_empty_key_chooses_nothing() -> None:
    assert chosen({"OPENAI_API_KEY": ""}) == ("extractive", "")


def test_an_address_alone_chooses_the_server_there() -> None:
    assert chosen({}, ModelSettings(base_url="http://localhost:8000/v1")) == ("openai", "base_url")


def test_ollama_is_used_where_it_runs_and_has_a_model_to_talk_to() -> None:
    with OpenAIServer([], models=["nomic-embed-text:latest", "qwen3:8b"]) as server:
        host = f"127.0.0.1:{server.port}"

        assert chosen({"OLLAMA_HOST": host}) == ("ollama:qwen3:8b", f"Ollama at {host}")
        assert server.completions == []


def test_without_anything_the_extractive_reader_is_used() -> None:
    assert chosen({}) == ("extractive", "")


def test_an_ollama_without_models_is_no_model() -> None:
    with OpenAIServer([]) as server:
        assert chosen({"OLLAMA_HOST": f"127.0.0.1:{server.port}"})[0] == "extractive"


def test_a_server_that_wants_a_key_lists_nothing_without_it() -> None:
    with OpenAIServer([], key="sk-right", models=["m"]) as server:
        assert served_models(server.base_url) == []
        assert served_models(server.base_url, key="sk-right") == ["m"]
