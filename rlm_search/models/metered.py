"""Calls of a model paid from the budget of a run."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from rlm_search.budget import Budget, Reservation, Tier
from rlm_search.errors import ModelUnavailable
from rlm_search.models.facts import facts_of
from rlm_search.models.tokens import estimate_prompt_tokens
from rlm_search.types import CallOptions, Completion, Message, Model

_USUAL_ANSWER = 4_096
"""Tokens set aside for an answer that was given no limit of its own."""


class MeteredModel:
    """Reserve each completion in a budget before it starts, and settle its true usage after.

    Parallel calls cannot overspend together: each sees what the others have reserved, in tokens and, where the price
    of the model is known, in dollars. Where less is left than a call may use, its answer is limited to what is left.
    The call ends when the run's time does.
    """

    def __init__(self, inner: Model, budget: Budget, tier: Tier) -> None:
        self.name = inner.name
        self.facts = facts_of(inner)
        self._inner = inner
        self._budget = budget
        self._tier = tier

    def complete(self, messages: Sequence[Message], options: CallOptions) -> Completion:
        """Ask if there is budget for it.

        Raises:
            BudgetExceeded: there is none, or the run's time ended during the call.
        """
        prompt = estimate_prompt_tokens(messages)
        answer = options.max_tokens or _USUAL_ANSWER
        price = self.facts.price
        cost = None if price is None else price.of_tokens(prompt, answer)
        least = price.of_tokens(prompt, 1) if price else 0.0
        with self._budget.reserve(
            self._tier, prompt + answer, at_least=prompt + 1, cost_usd=cost, at_least_usd=least
        ) as reserved:
            try:
                completion = self._inner.complete(messages, self._within(options, reserved, prompt, answer))
            except ModelUnavailable:
                self._budget.check()  # where the run's time is what ended the call, that is the reason
                raise
            reserved.settle(completion.usage, model=completion.model or self.name)
        return completion

    def _within(self, options: CallOptions, reserved: Reservation, prompt: int, answer: int) -> CallOptions:
        granted = min(answer, reserved.tokens - prompt, self._affordable(reserved, prompt, answer))
        if granted < answer:
            options = replace(options, max_tokens=max(granted, 1))
        options = replace(options, on_text=self._heard(options.on_text))
        left = self._budget.seconds_left()
        if left is None:
            return options
        ends = time.monotonic() + left
        return replace(options, deadline=ends if options.deadline is None else min(ends, options.deadline))

    def _heard(self, on_text: Callable[[str], None] | None) -> Callable[[str], None]:
        """Pass on each piece of the reply, while the run goes on."""

        def heard(piece: str) -> None:
            self._budget.cancellation.check()
            if on_text is not None:
                on_text(piece)

        return heard

    def _affordable(self, reserved: Reservation, prompt: int, answer: int) -> int:
        """How long an answer the dollars that were granted pay for."""
        price = self.facts.price
        if price is None or price.output <= 0 or reserved.cost_usd is None:
            return answer
        return int((reserved.cost_usd - price.of_tokens(prompt, 0)) * 1_000_000 / price.output)
