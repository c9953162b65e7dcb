"""Settings of models, and the variables of the environment that they are found by."""

from __future__ import annotations

import os
from collections.abc import Mapping

import msgspec

from retrievers.settings import secret


class ModelSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[model]` and `[sub_model]`: which language model, where it is, how long it may take.

    Attributes:
        spec: `openai:NAME`, `ollama:NAME`, `extractive`, `module:Class`, …; "" looks for one (docs/models.md).
        base_url: takes the place of the provider's own address.
        key_variable: takes the place of the provider's own variable.
        temperature: None leaves it to the provider.
        stream: ask for the answer piece by piece; a stall is noticed sooner.
        connect_seconds: to open a connection.
        first_token_seconds: from the request to the first piece of a streamed answer; local models load in it.
        token_seconds: between two pieces.
        total_seconds: for one completion in all.
        retry_seconds: how long to go on trying while the server is busy or away; 0 tries once.
        concurrency: completions under way at once.
        cache: a folder for completions, reused when the same is asked again; "" is none.
    """

    spec: str = ""
    base_url: str = ""
    key_variable: str = ""
    temperature: float | None = None
    stream: bool = True
    connect_seconds: float = 10.0
    first_token_seconds: float = 180.0
    token_seconds: float = 60.0
    total_seconds: float = 600.0
    retry_seconds: float = 60.0
    concurrency: int = 8
    cache: str = ""


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
