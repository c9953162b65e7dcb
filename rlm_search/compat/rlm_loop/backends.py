"""Backends: where models are asked; which model is said by the `RLM`."""

from __future__ import annotations

from typing import Protocol

from rlm_search.compat.opening import opened
from rlm_search.types import Model


class LLMBackend(Protocol):
    """What an `RLM` asks of a backend."""

    def model(self, name: str) -> Model:
        """A model of this backend."""
        ...


class AnthropicBackend:
    """Anthropic; the key is in ANTHROPIC_API_KEY where it is not given."""

    def __init__(self, api_key: str | None = None, base_url: str | None = None) -> None:
        self._key, self._base_url = api_key, base_url

    def model(self, name: str) -> Model:
        """A model of this backend."""
        return opened(f"anthropic:{name}", key=self._key, base_url=self._base_url)


class OpenAICompatibleBackend:
    """OpenAI, or a server of its protocol; the key is in OPENAI_API_KEY where it is not given."""

    def __init__(self, base_url: str | None = None, api_key: str | None = None) -> None:
        self._base_url, self._key = base_url, api_key

    def model(self, name: str) -> Model:
        """A model of this backend."""
        return opened(f"openai:{name}", key=self._key, base_url=self._base_url)


class ClaudeCLIBackend:
    """The `claude` command, which brings its own login."""

    def model(self, name: str) -> Model:
        """A model of this backend."""
        return opened(f"claude:{name}")
