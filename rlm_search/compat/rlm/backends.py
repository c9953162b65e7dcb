"""From a backend and its keyword arguments to a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rlm_search.compat.opening import opened
from rlm_search.errors import ConfigError
from rlm_search.models.any_llm import AnyLlmModel
from rlm_search.models.retrying import RetryingModel
from rlm_search.models.settings import ModelSettings
from rlm_search.types import Model

_NAMES = {"azure_openai": "azure"}
_TAKEN = {
    "api_key": "key",
    "base_url": "base_url",
    "api_base": "base_url",
    "azure_endpoint": "base_url",
    "default_headers": "headers",
    "sampling_args": "extra",
    "timeout": "total_seconds",
}
_OF_RUNS = ("max_root_tokens", "max_sub_tokens", "max_tokens", "max_budget", "max_timeout", "max_iterations")
_OF_AWS = ("region_name", "aws_access_key_id", "aws_secret_access_key", "aws_session_token", "profile_name")


def model_of(backend: str, arguments: Mapping[str, Any] | None) -> Model:
    """The model of a backend.

    Raises:
        ConfigError: an unknown backend or argument, a missing credential, or a limit of a run among the arguments.
    """
    given = {name: value for name, value in (arguments or {}).items() if value is not None}
    name = str(given.pop("model_name", given.pop("azure_deployment", "")))
    version = given.pop("api_version", "")
    if backend == "bedrock" and any(argument in _OF_AWS for argument in given):
        return _bedrock(name, given)
    for argument in given:
        if argument in _OF_RUNS:
            raise ConfigError(
                f"`{argument}` is no argument of a backend: it limits a completion",
                hint=f"RLM({argument}=…), outside of backend_kwargs",
            )
        if argument not in _TAKEN:
            raise ConfigError(
                f"the backend {backend} takes no `{argument}`", hint=f"there are {', '.join(('model_name', *_TAKEN))}"
            )
    provider = _NAMES.get(backend, backend)
    return opened(
        f"{provider}:{name}" if name else provider,
        environment={"AZURE_OPENAI_API_VERSION": version} if version else None,
        **{_TAKEN[argument]: value for argument, value in given.items()},
    )


def with_sampling(arguments: Mapping[str, Any] | None, sampling: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The arguments of a backend with further parameters of its requests."""
    if sampling is None:
        return arguments
    given = dict(arguments or {})
    return {**given, "sampling_args": {**(given.get("sampling_args") or {}), **sampling}}


def _bedrock(name: str, given: dict[str, Any]) -> Model:
    """A model of Bedrock with a region or credentials of its own; whatever else is given is refused as elsewhere."""
    arguments = {argument: given.pop(argument) for argument in _OF_AWS if argument in given}
    if given:
        raise ConfigError(f"the backend bedrock takes no `{next(iter(given))}`", hint=f"there are {', '.join(_OF_AWS)}")
    settings = ModelSettings()
    return RetryingModel(
        AnyLlmModel(f"bedrock:{name}", settings=settings, client_arguments=arguments), settings.retry_seconds
    )
