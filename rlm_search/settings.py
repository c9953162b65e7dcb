"""The tables of a run in the settings: limits and sandbox."""

from __future__ import annotations

from typing import Literal

import msgspec

from rlm_search.errors import ConfigError
from rlm_search.types import MIN_TOKENS, Limits


class LimitSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[limits]`: what a run may use. 0 is no limit.

    Attributes:
        steps: turns of the root model.
        subcalls: calls of the sub-model.
        depth: how deep runs may start runs of their own.
        root_tokens: input and output of the root model.
        sub_tokens: input and output of all that it delegates: sub-calls, and runs of their own.
        total_tokens: of both.
        cost_usd: where prices are known.
        seconds: wall clock.
        searches: searches, counts, facets and lists.
    """

    steps: int = 20
    subcalls: int = 200
    depth: int = 1
    root_tokens: int = 1_000_000
    sub_tokens: int = 1_000_000
    total_tokens: int = 0
    cost_usd: float = 0.0
    seconds: float = 600.0
    searches: int = 500

    def limits(self) -> Limits:
        """As the run takes them.

        Raises:
            ConfigError: a negative limit, or one of tokens that no call fits into.
        """
        values = {name: getattr(self, name) for name in self.__struct_fields__}
        for name, value in values.items():
            if value < 0:
                raise ConfigError(f"`limits.{name}` is {value}", hint="0 is no limit")
            if name.endswith("_tokens") and 0 < value < MIN_TOKENS:
                raise ConfigError(f"`limits.{name}` is {value}, which no call fits into", hint=f"at least {MIN_TOKENS}")
        return Limits(**{name: value if value or name == "depth" else None for name, value in values.items()})


class HistorySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[history]`: how a run keeps its conversation with the model that writes the code.

    Attributes:
        mode: `full`, `trim` (the oldest turns are left out) or `compact` (the model sums them up).
        tokens: that the conversation may have; 0 is three quarters of the model's window, 80,000 where it is unknown.
    """

    mode: Literal["full", "trim", "compact"] = "full"
    tokens: int = 0


class PromptSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[prompt]`: what the model that writes the code is told.

    Attributes:
        compact: rules and tools briefly: for small models, and windows that are.
        instructions: what it is told beside the rules, with every question.
    """

    compact: bool = False
    instructions: str = ""


class ContextEngineerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[context_engineer]`: a model that prepares the sub-model for pieces of a text that is given.

    Attributes:
        mode: `pre_loop` writes a brief of the text before the loop, `per_query` a note for each sub-call, or `both`.
        share_brief: the model that writes the code is told the brief, too.
        spec: the model that writes them; "": the sub-model.
    """

    mode: Literal["off", "pre_loop", "per_query", "both"] = "off"
    share_brief: bool = False
    spec: str = ""


class ToolSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[tools]`: what the model can call beside the functions that every run has.

    Attributes:
        functions: of your own, each as `module:function`; the model is told signature and docstring.
        rerankers: what `rerank=` may name beside the sub-model: `cross-encoder:NAME` (or a folder), `module:Class`.
        documents: offer the document tools of pyrlm-runtime.
        max_pdfs_per_query: documents that those may open in a run.
        max_pages_per_pdf: pages of one that they may read.
        max_total_pages: pages in all.
        max_table_extractions: tables in all.
    """

    functions: tuple[str, ...] = ()
    rerankers: tuple[str, ...] = ()
    documents: bool = False
    max_pdfs_per_query: int = 20
    max_pages_per_pdf: int = 50
    max_total_pages: int = 100
    max_table_extractions: int = 30


class RouterSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[router]`: how questions about given text alone are gone about.

    Attributes:
        threshold: characters up to which the text goes straight to the model, in one call without code; 0: none does.
        profile: what a run is told about how to go about it; "": nothing.
    """

    threshold: int = 0
    profile: Literal["", "deterministic_first", "semantic_batches", "hybrid", "verify"] = ""


class SandboxSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[sandbox]`: where the model's code runs, and what a cell may use.

    Attributes:
        spec: `auto` (`confined`, and `monty` where the system cannot confine a process), `confined`, `monty`,
            `container`; `modal`, `prime`, `daytona`, `e2b`, services of others; or `module:Class`.
        bubblewrap: the confined process runs within a second ring, namespaces made by bubblewrap, which is installed.
        engine: of the container: docker, podman, or a path; "": the first that is installed.
        image: of the container and of services, with Python 3.11 or later; for e2b a template.
        runtime: of the container's engine, such as runsc for gVisor; "": its default.
        cell_seconds: wall clock of one cell, calls of tools not counted.
        memory_mb: memory of the session.
        output_characters: how much of a cell's output the model is shown.
    """

    spec: str = "auto"
    bubblewrap: bool = False
    engine: str = ""
    image: str = "python:3.13-slim"
    runtime: str = ""
    cell_seconds: float = 60.0
    memory_mb: int = 512
    output_characters: int = 8_000
