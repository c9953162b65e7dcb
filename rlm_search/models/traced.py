"""Every call of a model as an event of the run."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from rlm_search.errors import RlmError
from rlm_search.models.facts import facts_of
from rlm_search.trace.events import ModelCalled
from rlm_search.trace.trace import Trace
from rlm_search.types import CallOptions, Completion, Message, Model

_PROMPT_TAIL = 4_000
"""Characters of the last message that an event keeps: what came before is in earlier events."""


class TracedModel:
    """Emit `ModelCalled` for each completion, failed ones too. A completion without usage came from the cache."""

    def __init__(self, inner: Model, trace: Trace, tier: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.name = inner.name
        self.facts = facts_of(inner)
        self._inner = inner
        self._trace = trace
        self._tier = tier
        self._clock = clock

    def complete(self, messages: Sequence[Message], options: CallOptions) -> Completion:
        """Ask, and record what came of it."""
        prompt = messages[-1].content if messages else ""
        started = self._clock()
        try:
            completion = self._inner.complete(messages, options)
        except RlmError as error:
            self._trace.emit(
                ModelCalled(
                    tier=self._tier,
                    model=self.name,
                    prompt=prompt[-_PROMPT_TAIL:],
                    prompt_characters=len(prompt),
                    text="",
                    finish_reason="error",
                    seconds=self._clock() - started,
                    error=error.message,
                    error_type=type(error).__name__,
                )
            )
            raise
        self._trace.emit(self._event(prompt, completion, self._clock() - started))
        return completion

    def _event(self, prompt: str, completion: Completion, seconds: float) -> ModelCalled:
        usage = completion.usage
        return ModelCalled(
            tier=self._tier,
            model=completion.model or self.name,
            prompt=prompt[-_PROMPT_TAIL:],
            prompt_characters=len(prompt),
            text=completion.text,
            finish_reason=completion.finish_reason,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cost_usd=usage.cost_usd,
            cached_tokens=usage.cached_tokens,
            seconds=seconds,
            cached=usage.calls == 0,
        )
