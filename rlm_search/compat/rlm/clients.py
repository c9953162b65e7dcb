"""`get_client(backend, backend_kwargs)`: a model of a backend, asked by itself."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from rlm_search.compat.rlm.backends import model_of
from rlm_search.compat.rlm.usage import ModelUsageSummary, UsageSummary
from rlm_search.types import CallOptions, Message, Model, Usage

Prompt = str | Sequence[Mapping[str, str]]
"""A text, or messages with `role` and `content`."""


class BaseLM(Protocol):
    """What a client can do."""

    model_name: str

    def completion(self, prompt: Prompt) -> str:
        """The reply to a text or to messages."""
        ...

    async def acompletion(self, prompt: Prompt) -> str:
        """The same, to be awaited."""
        ...

    def get_usage_summary(self) -> UsageSummary:
        """What all calls have used."""
        ...

    def get_last_usage(self) -> ModelUsageSummary:
        """What the last one has."""
        ...


class Client:
    """A model, and what its calls have used. Safe to use from several threads at once."""

    def __init__(self, model: Model, model_name: str) -> None:
        self.model_name = model_name
        self._model = model
        self._lock = threading.Lock()
        self._all, self._last = Usage(), Usage()

    def completion(self, prompt: Prompt) -> str:
        """The reply to a text or to messages.

        Raises:
            ModelError: the model is away, or refuses.
        """
        turns: Sequence[Mapping[str, Any]] = (
            [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
        )
        said = self._model.complete([Message(turn["role"], turn["content"]) for turn in turns], CallOptions())
        with self._lock:
            self._all, self._last = self._all + said.usage, said.usage
        return said.text

    async def acompletion(self, prompt: Prompt) -> str:
        """The same, on a thread of its own."""
        return await asyncio.to_thread(self.completion, prompt)

    def get_usage_summary(self) -> UsageSummary:
        """What all calls have used."""
        with self._lock:
            return UsageSummary({self.model_name: _summary(self._all)})

    def get_last_usage(self) -> ModelUsageSummary:
        """What the last call has used."""
        with self._lock:
            return _summary(self._last)


def get_client(backend: str, backend_kwargs: Mapping[str, Any]) -> Client:
    """The model of a backend.

    Raises:
        ConfigError: an unknown backend or argument, a missing credential.
    """
    model = model_of(backend, backend_kwargs)
    return Client(model, str(backend_kwargs.get("model_name") or model.name))


def _summary(used: Usage) -> ModelUsageSummary:
    return ModelUsageSummary(used.calls, used.input_tokens, used.output_tokens, used.cost_usd)
