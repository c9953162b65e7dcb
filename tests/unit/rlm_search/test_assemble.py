"""Settings and specs become a run, and what is wrong with them is said in one line."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from retrievers import settings as files
from retrievers.errors import ConfigError as RetrieverConfigError
from rlm_search import RLM, ExtractiveModel, Limits, ScriptedModel
from rlm_search.assemble import assemble, model_of, retriever_of, sandbox_factory
from rlm_search.errors import ConfigError, ModelUnavailable, SandboxError
from rlm_search.models.opening import open_model
from rlm_search.models.settings import ModelSettings
from rlm_search.sandbox.confined import ConfinedSandbox
from rlm_search.settings import LimitSettings, SandboxSettings
from rlm_search.testing import InProcessSandbox, MemoryRetriever


class OwnModel:
    """A model of one's own."""

    name = "own"


class OwnRetriever(MemoryRetriever):
    """A retriever of one's own that needs no arguments."""

    def __init__(self) -> None:
        super().__init__({"rules": "No berthing above 32 knots."})


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> str:
    """A module with parts of one's own."""
    module = ModuleType("own_parts")
    vars(module).update(Model=OwnModel, Retriever=OwnRetriever, Sandbox=InProcessSandbox)
    monkeypatch.setitem(sys.modules, "own_parts", module)
    return "own_parts"


def test_all_tables_come_together(own: str, tmp_path: Path) -> None:
    script = tmp_path / "script.txt"
    script.write_text("```python\nes_search('berthing')\n```\n---\nFINAL: 32 knots\n")
    flags: dict[str, dict[str, object]] = {
        "index": {"url": f"{own}:Retriever"},
        "model": {"spec": f"scripted:{script}"},
        "limits": {"steps": 5, "seconds": 0},
        "sandbox": {"spec": f"{own}:Sandbox"},
    }
    built = assemble(files.load(flags=flags, environment={}, folder=tmp_path))
    assert built.rlm.limits == Limits(steps=5, seconds=None)
    assert built.sub_model is built.model
    assert not built.model.is_remote
    assert built.rlm.run("What is the limit?").text == "32 knots"


def test_a_model_is_named_by_spec(own: str) -> None:
    assert open_model(ModelSettings(spec="extractive")).is_language_model is False
    assert isinstance(model_of(f"{own}:Model"), OwnModel)
    model = ScriptedModel([])
    assert model_of(model) is model


def test_a_provider_is_wrapped_and_known_to_be_remote() -> None:
    opened = open_model(ModelSettings(spec="openai:gpt-5-mini"), {"OPENAI_API_KEY": "sk-1"})
    assert (opened.spec, opened.is_remote, opened.is_language_model) == ("openai:gpt-5-mini", True, True)
    assert opened.model.name == "openai:gpt-5-mini"
    local = open_model(ModelSettings(spec="vllm:qwen", cache="/nowhere"), {})
    assert not local.is_remote


def test_a_key_that_is_missing_is_named() -> None:
    with pytest.raises(ConfigError, match="OPENAI_API_KEY") as raised:
        open_model(ModelSettings(spec="openai:gpt-5-mini"), {})
    assert "export OPENAI_API_KEY" in raised.value.hint


def test_a_server_that_names_no_model_is_said_to() -> None:
    with pytest.raises(ModelUnavailable, match="names no model"):
        open_model(ModelSettings(spec="vllm", base_url="http://127.0.0.1:9/v1"), {})


@pytest.mark.parametrize("spec", ["gpt-5", "nothing:x", "no_such_module:Class"])
def test_an_unknown_model_is_told_what_there_is(spec: str) -> None:
    with pytest.raises(RetrieverConfigError) as raised:
        open_model(ModelSettings(spec=spec), {})
    assert "extractive" in str(raised.value) or "no module named" in str(raised.value)


def test_a_script_needs_a_file() -> None:
    with pytest.raises(ConfigError, match="needs a file"):
        open_model(ModelSettings(spec="scripted"), {})


def test_an_index_is_opened_by_its_path(tmp_path: Path, own: str) -> None:
    with pytest.raises(RetrieverConfigError):
        retriever_of(tmp_path / "nothing")
    assert retriever_of(None) is None
    assert isinstance(retriever_of(f"{own}:Retriever"), OwnRetriever)


def test_specs_and_paths_are_taken_by_the_constructor(own: str) -> None:
    rlm = RLM(model="extractive", retriever=f"{own}:Retriever")
    assert isinstance(rlm.model, ExtractiveModel)
    assert rlm.sub_model is rlm.model


def test_the_sandbox_gets_its_limits() -> None:
    sandbox = sandbox_factory(SandboxSettings(memory_mb=64))()
    assert isinstance(sandbox, ConfinedSandbox)
    assert sandbox.limits.memory_bytes == 64 * 1024 * 1024
    with pytest.raises(RetrieverConfigError, match="unknown sandbox"):
        sandbox_factory(SandboxSettings(spec="docker"))


@pytest.mark.parametrize(("system", "machine"), [("darwin", "arm64"), ("win32", "AMD64"), ("linux", "riscv64")])
def test_where_no_process_can_be_confined_it_is_monty_and_without_it_refused(
    system: str, machine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.platform", system)
    monkeypatch.setattr("platform.machine", lambda: machine)
    sandbox = sandbox_factory(SandboxSettings())()
    assert isinstance(sandbox, ConfinedSandbox)
    assert "run by monty" in sandbox.dialect
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    refused = sandbox_factory(SandboxSettings())()
    assert isinstance(refused, ConfinedSandbox)
    assert refused.dialect == ""


def test_on_linux_with_seccomp_it_is_a_confined_process() -> None:
    sandbox = sandbox_factory(SandboxSettings())()
    assert isinstance(sandbox, ConfinedSandbox)
    assert sandbox.dialect == ""


def test_a_system_without_socket_pairs_that_are_inherited_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "win32")
    with pytest.raises(SandboxError) as caught:
        sandbox_factory(SandboxSettings(spec="confined"))().start({})
    assert "pip install 'rlm-search[monty]'" in caught.value.hint


def test_monty_that_is_not_installed_is_told_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydantic_monty", None)
    with pytest.raises(RetrieverConfigError, match=r"pip install 'rlm-search\[monty\]'"):
        sandbox_factory(SandboxSettings(spec="monty"))


@pytest.mark.parametrize(
    ("values", "message"), [({"steps": -1}, "limits.steps"), ({"sub_tokens": 20}, "no call fits into")]
)
def test_a_limit_that_makes_no_sense_is_refused(values: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        LimitSettings(**values).limits()


def test_the_defaults_of_settings_and_api_are_the_same() -> None:
    assert LimitSettings().limits() == Limits()
    assert LimitSettings(depth=0).limits().depth == 0
