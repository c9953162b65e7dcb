"""From what other projects are given (backend, model, base URL, key) to a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from rlm_search.compat.settings import GIVEN_KEY, environment_with
from rlm_search.errors import ConfigError
from rlm_search.models.opening import open_model
from rlm_search.models.settings import ModelSettings
from rlm_search.types import Model


def opened(
    spec: str, *, key: str | None = None, environment: Mapping[str, str] | None = None, **settings: Any
) -> Model:
    """A model by its spec; settings that are None are as if they were not given.

    Args:
        spec: `openai:gpt-5-mini`.
        key: the credential itself; None looks where the provider's is.
        environment: values beside those of the process.
        settings: of `ModelSettings`.

    Raises:
        ConfigError: a missing credential, an unknown provider, or a setting of the wrong type.
    """
    given = {name: value for name, value in settings.items() if value is not None}
    values = dict(environment or {})
    if key:
        given["key_variable"], values[GIVEN_KEY] = GIVEN_KEY, key
    try:
        checked = msgspec.convert({"spec": spec, **given}, ModelSettings)
    except msgspec.ValidationError as error:
        raise ConfigError(f"the model {spec} cannot be set up so: {error}") from None
    return open_model(checked, environment_with(values)).model
