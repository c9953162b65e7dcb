"""Flags reach every setting, and every argument that a run takes."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from rlm_search import RLM, assemble
from rlm_search.cli.flags import FLAGS, setting_flags, settings_of
from tests.unit.rlm_search.cli.conftest import Command, Ended, InProcess

QUESTION = "What was capital expenditure?"


def stock(item: str) -> int:
    """How many there are."""
    return len(item)


class Backwards:
    """A reranker that turns the order around."""

    def rerank(self, query: str, hits: Any, *, top_k: int = 10) -> list[Any]:
        return list(reversed(hits))[:top_k]


@pytest.fixture(autouse=True)
def without_a_process(world: None, tmp_path: Path) -> None:
    (tmp_path / "rlm-search.toml").write_text(f'[sandbox]\nspec = "{InProcess.__module__}:InProcess"\n')


@pytest.fixture
def scripted(command: Command, tmp_path: Path) -> Callable[..., Ended]:
    def call(*words: object, reply: str) -> Ended:
        (tmp_path / "script.json").write_text(json.dumps([f"```python\n{reply}\n```"]), encoding="utf-8")
        return command("ask", QUESTION, "--model", f"scripted:{tmp_path / 'script.json'}", *words)

    return call


def tables(*words: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}

    @click.command()
    @setting_flags
    def command(**flags: Any) -> None:
        found.update(settings_of(flags))

    command.main(list(words), standalone_mode=False)
    return found


def test_flags_that_are_not_given_set_nothing() -> None:
    assert tables() == {}


def test_each_flag_sets_what_it_stands_for() -> None:
    numbers = {"N": "60", "USD": "0.5", "S": "9", "CHARACTERS": "60"}
    for flag in FLAGS:
        for name in flag.names.split():
            value = flag.type.choices[-1] if isinstance(flag.type, click.Choice) else numbers.get(flag.metavar, "text")
            found = tables(name, *([value] if flag.metavar or flag.type else []))
            assert {f"{table}.{key}" for table, keys in found.items() for key in keys} == set(flag.settings)


def test_names_of_other_tools_mean_the_same() -> None:
    assert tables("--timeout", "9", "--max-token-budget", "70", "--max-iterations", "3") == tables(
        "--max-seconds", "9", "--max-tokens", "70", "--max-steps", "3"
    )


@pytest.mark.parametrize(
    ("words", "spec"),
    [
        (["--backend", "ollama", "--model", "qwen3:8b"], "ollama:qwen3:8b"),
        (["--backend", "openai"], "openai"),
        (["--backend", "openai", "--model", "openai:gpt-5"], "openai:gpt-5"),
    ],
)
def test_a_backend_and_a_model_are_a_spec(words: list[str], spec: str) -> None:
    assert tables(*words) == {"model": {"spec": spec}}


def test_any_setting_can_be_set() -> None:
    found = tables(
        "--set", "gates.min_steps=2", "--set", "retriever.must={year = 2019}", "--set", "model.spec=extractive",
        "--set", "limits.steps=3", "--max-steps", "5",
    )  # fmt: skip

    assert found == {
        "gates": {"min_steps": 2}, "retriever": {"must": {"year": 2019}}, "model": {"spec": "extractive"},
        "limits": {"steps": 5},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("word", "told"), [("limits", "write TABLE.KEY=VALUE"), ("limit.steps=1", "did you mean limits"), ("a=1", "write")]
)
def test_what_sets_nothing_is_a_mistake_of_usage(word: str, told: str) -> None:
    with pytest.raises(click.UsageError, match=told):
        tables("--set", word)


def test_a_key_that_is_not_there_is_told(command: Command) -> None:
    ended = command("ask", QUESTION, "--set", "limits.stepps=3")

    assert ended.code == 5
    assert "unknown setting `limits.stepps` (from the command line)" in ended.err


def test_every_argument_of_a_run_is_reached_by_settings() -> None:
    by_hand = {"self", "listeners"}  # `listeners` are the trace, the view and the spans of the command itself
    built = inspect.getsource(assemble.assemble)

    assert [name for name in inspect.signature(RLM).parameters if name not in by_hand and f"{name}=" not in built] == []


def test_tools_of_ones_own_are_offered(scripted: Callable[..., Ended]) -> None:
    reply = "es_search('x')\nFINAL(str(stock('four')) + str('list_pdfs' in globals()))"

    assert scripted("--tool", f"{__name__}:stock", "--doc-tools", reply=reply).out.strip() == "4True"
    assert scripted("--tool", f"{__name__}:none", reply=reply).code == 5


def test_a_reranker_of_ones_own_is_used(scripted: Callable[..., Ended]) -> None:
    reply = (
        "found = [[h['doc_id'] for h in es_hybrid_search('annual report turbines', top_k=50, rerank=how)['items']]"
        " for how in (False, 'Backwards')]\n"
        "FINAL(str(len(found[0]) > 1 and found[1] == found[0][::-1]))"
    )

    assert scripted("--reranker", f"{__name__}:Backwards", reply=reply).out.strip() == "True"


def test_a_cross_encoder_needs_its_model(scripted: Callable[..., Ended]) -> None:
    ended = scripted("--reranker", "cross-encoder", reply="FINAL('x')")

    assert ended.code == 5
    assert "needs a model" in ended.err


def test_limits_of_document_tools_are_checked(scripted: Callable[..., Ended]) -> None:
    ended = scripted("--doc-tools", "--set", "tools.max_total_pages=0", reply="FINAL('x')")

    assert ended.code == 5
    assert "`max_total_pages` is 0: at least 1" in ended.err


def test_a_compact_prompt_is_short_and_names_what_can_be_called(command: Command, tmp_path: Path) -> None:
    from rlm_search import ScriptedModel
    from rlm_search.testing import InProcessSandbox, MemoryRetriever

    systems = []
    for compact in (False, True):
        model = ScriptedModel(["```python\nes_search('x')\nFINAL('y')\n```"])
        archive = MemoryRetriever({"a": "text"})
        RLM(model=model, retriever=archive, sandbox=InProcessSandbox, compact_prompt=compact).run("?")
        systems.append(model.asked[0].system)

    assert len(systems[1]) < 0.6 * len(systems[0])
    for name in ("es_hybrid_search(query", "cite(", "llm_batch(", "SHOW_VARS(", "FINAL("):
        assert name in systems[1]


def test_instructions_reach_the_model(command: Command, tmp_path: Path) -> None:
    (tmp_path / "rlm-search.toml").write_text(
        f'[sandbox]\nspec = "{InProcess.__module__}:InProcess"\n[model]\nspec = "{__name__}:Obedient"\n'
    )
    ended = command("ask", QUESTION, "--instructions", "Answer in Latin.", "--compact")

    assert ended.out.strip() == "True"


class Obedient:
    """A model that says whether it was told to answer in Latin."""

    name = "obedient"

    def complete(self, messages: Any, options: Any) -> Any:
        from rlm_search.types import Completion

        told = "Answer in Latin." in messages[0].content
        return Completion(text=f"```python\nes_search('x')\nFINAL({str(told)!r})\n```")
