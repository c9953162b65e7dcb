"""What a call costs, by the price that is known of its model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rlm_search.models.facts import ModelFacts
from rlm_search.types import CallOptions, Completion, Message, Model


class PricedModel:
    """Put the cost on each completion whose provider does not say it. Nothing is put where no price is known."""

    def __init__(self, inner: Model, facts: ModelFacts) -> None:
        self.name = inner.name
        self.facts = facts
        self._inner = inner

    def complete(self, messages: Sequence[Message], options: CallOptions) -> Completion:
        """Ask, and reckon."""
        completion = self._inner.complete(messages, options)
        if self.facts.price is None or completion.usage.cost_usd is not None:
            return completion
        cost = self.facts.price.of(completion.usage)
        return replace(completion, usage=replace(completion.usage, cost_usd=cost))
