"""`LM("openai/gpt-5")`, and the one that is configured for all."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from rlm_search.compat.opening import opened
from rlm_search.errors import ConfigError
from rlm_search.types import Model

_NAMES = {"ollama_chat": "ollama", "together_ai": "together", "vertex_ai": "vertexai", "hosted_vllm": "vllm"}


class LM:
    """A language model as dspy names it: `openai/gpt-5`, `anthropic/claude-sonnet-5`, `ollama_chat/qwen3:8b`.

    Args:
        model: provider and name.
        api_key: by default the provider's variable.
        api_base: by default the provider's address.
        temperature: None leaves it to the provider.
        max_tokens: of one reply.
        extra: further parameters of a request.

    Raises:
        ConfigError: an unknown provider, a missing credential.
    """

    def __init__(
        self,
        model: str,
        *,
        api_key: str | None = None,
        api_base: str | None = None,
        temperature: float | None = None,
        max_tokens: int | None = None,
        **extra: Any,
    ) -> None:
        provider, _, name = model.partition("/")
        self.model = model
        self.inner: Model = opened(
            f"{_NAMES.get(provider, provider)}:{name}",
            key=api_key,
            base_url=api_base,
            temperature=temperature,
            max_tokens=max_tokens,
            extra=extra or None,
        )


_CONFIGURED: ContextVar[LM | None] = ContextVar("lm", default=None)


def configure(*, lm: LM) -> None:
    """Have modules that are given no model of their own use this one, in this thread and the tasks that it starts."""
    _CONFIGURED.set(lm)


def configured() -> LM:
    """The model that is configured.

    Raises:
        ConfigError: there is none.
    """
    lm = _CONFIGURED.get()
    if lm is None:
        raise ConfigError("no language model is configured", hint='configure(lm=LM("openai/gpt-5")), or RLM(…, lm=…)')
    return lm
