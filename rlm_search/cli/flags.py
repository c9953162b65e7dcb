"""Flags that stand for settings, as data: what each sets; and `--set`, which reaches every setting there is."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

_NUMBER = click.IntRange(0)
_ENGINEER = click.Choice(["off", "pre_loop", "per_query", "both"])
_PROFILE = click.Choice(["deterministic_first", "semantic_batches", "hybrid", "verify"])
_HISTORY = click.Choice(["full", "trim", "compact"])


@dataclass(frozen=True, slots=True)
class Flag:
    """A flag and the settings that it is for (`table.key`); without a metavar it is a switch."""

    names: str
    settings: tuple[str, ...]
    help: str
    metavar: str = ""
    type: click.ParamType[Any] | None = None
    multiple: bool = False

    @property
    def argument(self) -> str:
        """What the value is called in the function of the command."""
        return self.names.split()[0].lstrip("-").replace("-", "_")

    def option(self) -> Callable[[F], F]:
        """As click takes it."""
        given: dict[str, Any] = {"help": self.help, "multiple": self.multiple}
        if not self.metavar and self.type is None:
            return click.option(*self.names.split(), self.argument, is_flag=True, **given)
        return click.option(*self.names.split(), self.argument, metavar=self.metavar or None, type=self.type, **given)


FLAGS = (
    Flag("--model", ("model.spec",), "openai:NAME, ollama:NAME, extractive, module:Class, …  [looked for]", "SPEC"),
    Flag("--base-url", ("model.base_url",), "Where the model is, in place of its provider's own address.", "URL"),
    Flag("--sub-model", ("sub_model.spec",), "What the model's own questions go to.  [the same]", "SPEC"),
    Flag(
        "--deeper-model", ("model.deeper",), "Of runs at depth 1, 2, … that it starts; repeatable.", "SPEC",
        multiple=True,
    ),
    Flag("--native-tools", ("model.native_tools",), "The model runs code by a tool call, not by fences."),
    Flag(
        "--cache", ("model.cache", "sub_model.cache"),
        "Keep completions there, and use them again when the same is asked.", "FOLDER",
        click.Path(file_okay=False),
    ),
    Flag(
        "--context-engineer",
        ("context_engineer.mode",),
        "Have a model prepare the sub-model for pieces of the text that is given.  [off]",
        type=_ENGINEER,
    ),
    Flag("--share-brief", ("context_engineer.share_brief",), "Tell its brief to the model that writes the code, too."),
    Flag(
        "--direct-below", ("router.threshold",), "Given text up to so long goes straight to the model.", "CHARACTERS",
        _NUMBER,
    ),
    Flag("--profile", ("router.profile",), "How a run goes about given text.", type=_PROFILE),
    Flag("--compact", ("prompt.compact",), "Tell the model its rules briefly: for small models."),
    Flag("--instructions", ("prompt.instructions",), "What the model is told beside the rules.", "TEXT"),
    Flag("--history", ("history.mode",), "What happens to a long conversation.  [full]", type=_HISTORY),
    Flag("--tool", ("tools.functions",), "A function of yours, module:function; repeatable.", "SPEC", multiple=True),
    Flag("--doc-tools", ("tools.documents",), "Offer the document tools of pyrlm-runtime."),
    Flag(
        "--reranker", ("tools.rerankers",), "cross-encoder:NAME or module:Class, for rerank=; repeatable.", "SPEC",
        multiple=True,
    ),
    Flag("--max-steps --max-iterations", ("limits.steps",), "Turns of the model; 0 is no limit.", "N", _NUMBER),
    Flag("--max-subcalls", ("limits.subcalls",), "Questions of the model to its sub-model.", "N", _NUMBER),
    Flag("--max-depth", ("limits.depth",), "How deep runs may start runs of their own.", "N", _NUMBER),
    Flag("--max-searches", ("limits.searches",), "Searches and counts.", "N", _NUMBER),
    Flag(
        "--max-tokens --max-token-budget", ("limits.total_tokens",), "Input and output of both models.", "N", _NUMBER
    ),
    Flag("--max-root-tokens", ("limits.root_tokens",), "Of the model that writes the code.", "N", _NUMBER),
    Flag("--max-sub-tokens", ("limits.sub_tokens",), "Of all that it delegates.", "N", _NUMBER),
    Flag("--max-cost", ("limits.cost_usd",), "US dollars, where prices are known.", "USD", click.FloatRange(0)),
    Flag("--max-seconds --timeout", ("limits.seconds",), "Wall clock of the run.", "S", click.FloatRange(0)),
    Flag("--otel", ("ask.otel",), "Send the run as OpenTelemetry spans (OTEL_EXPORTER_OTLP_ENDPOINT)."),
    Flag(
        "--require-citations",
        ("ask.require_citations",),
        "No answer without a citation that holds, else exit code 8; sentences without one are marked.",
    ),
    Flag(
        "--verify",
        ("ask.verify",),
        "The sub-model checks each claim against its quotes; what they do not say is marked.",
    ),
)  # fmt: skip


def setting_flags(command: F) -> F:
    """All of `FLAGS`, and `--backend` and `--set`."""
    command = click.option(
        "--set",
        "set_",
        multiple=True,
        metavar="TABLE.KEY=VALUE",
        help="Any other setting, such as gates.min_steps=2; repeatable.",
    )(command)
    for flag in reversed(FLAGS):
        command = flag.option()(command)
    return click.option(
        "--backend", metavar="NAME", help="openai, anthropic, ollama, …: what --model is a model of, or its usual one."
    )(command)


def settings_of(given: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What the flags of a command line set, as tables.

    Raises:
        click.UsageError: a `--set` that names no table, or is none.
    """
    tables: dict[str, dict[str, Any]] = {}
    for word in given["set_"]:
        table, key, value = _assignment(word)
        tables.setdefault(table, {})[key] = value
    for flag in FLAGS:
        value = given[flag.argument]
        if value is None or value is False or value == ():
            continue
        for setting in flag.settings:
            table, _, key = setting.partition(".")
            tables.setdefault(table, {})[key] = list(value) if flag.multiple else value
    if given["backend"]:
        model = tables.setdefault("model", {})
        model["spec"] = _with_backend(given["backend"], model.get("spec", ""))
    return tables


def _with_backend(backend: str, model: str) -> str:
    """A spec from the two flags that other tools have for it."""
    if not model or model.startswith(f"{backend}:"):
        return model or backend
    return f"{backend}:{model}"


def _assignment(word: str) -> tuple[str, str, Any]:
    from retrievers.settings import TABLES

    name, equals, text = word.partition("=")
    table, dot, key = name.strip().partition(".")
    if not (equals and dot and key):
        raise click.UsageError(f"--set {word}: write TABLE.KEY=VALUE, such as limits.steps=5")
    if table not in TABLES:
        close = get_close_matches(table, TABLES, n=1)
        known = f"did you mean {close[0]}?" if close else f"there are {', '.join(TABLES)}"
        raise click.UsageError(f"--set {word}: there is no table {table}; {known}")
    try:
        return table, key.strip(), tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return table, key.strip(), text  # a text without quotes
