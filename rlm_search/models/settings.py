"""Settings of models, and the variables of the environment that they are found by."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from retrievers.settings import secret


class ModelSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[model]` and `[sub_model]`: which language model, where it is, how long it may take.

    Attributes:
        spec: `openai:NAME`, `ollama:NAME`, `extractive`, `module:Class`, …; "" looks for one (docs/models.md).
        base_url: takes the place of the provider's own address.
        key_variable: takes the place of the provider's own variable.
        api: takes the place of the protocol that provider and model are known by: `chat`, `responses`, `messages`.
        headers: sent with each request, beside the provider's own.
        extra: parameters of the request's body, as the server calls them, e.g. `reasoning_effort`.
        native_tools: offer running code as a tool call, where the model does better with it than with fences.
        temperature: None leaves it to the provider.
        max_tokens: of one answer, where the call does not say; 0 leaves it to the provider.
        window: tokens that the model reads; 0 is as known (rlm_search/models/prices.toml).
        input_price: US dollars for a million tokens, where the price is not known; `output_price` belongs to it.
        output_price: US dollars for a million tokens.
        stream: ask for the answer piece by piece; a stall is noticed sooner.
        connect_seconds: to open a connection.
        first_token_seconds: from the request to the first piece of a streamed answer; local models load in it.
        token_seconds: between two pieces.
        total_seconds: for one completion in all.
        retry_seconds: how long to go on trying while the server is busy or away; 0 tries once.
        concurrency: completions under way at once, those of one server together.
        requests_per_minute: that are sent to the server at most; 0 is no limit.
        tokens_per_minute: that are sent and received at most; 0 is no limit.
        cache: a folder for completions, reused when the same is asked again; "" is none.
        cache_mb: what the folder may hold; what was used longest ago goes first.
    """

    spec: str = ""
    base_url: str = ""
    key_variable: str = ""
    api: Literal["", "chat", "responses", "messages"] = ""
    headers: dict[str, str] = {}
    extra: dict[str, Any] = {}
    native_tools: bool = False
    temperature: float | None = None
    max_tokens: int = 0
    window: int = 0
    input_price: float | None = None
    output_price: float | None = None
    stream: bool = True
    connect_seconds: float = 10.0
    first_token_seconds: float = 180.0
    token_seconds: float = 60.0
    total_seconds: float = 600.0
    retry_seconds: float = 60.0
    concurrency: int = 8
    requests_per_minute: int = 0
    tokens_per_minute: int = 0
    cache: str = ""
    cache_mb: int = 1_024


class RootModelSettings(ModelSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[model]`: the model that writes the code, and those of the runs that it starts with `rlm_query`.

    Attributes:
        deeper: specs of the models of runs at depth 1, 2, …; the last holds for all deeper; none: the same model.
    """

    deeper: list[str] = []


def variable(*names: str, environment: Mapping[str, str] | None = None) -> str:
    """The first of these variables that is set, or ""."""
    environment = os.environ if environment is None else environment
    return next((environment[name] for name in names if environment.get(name)), "")


def key(name: str, environment: Mapping[str, str] | None = None) -> str:
    """The credential in a variable or in the file that NAME_FILE points to; "" without a name or a value.

    Raises:
        retrievers.errors.ConfigError: the file cannot be read.
    """
    return secret(name, environment) if name else ""
