"""What many calls of a model will cost, before they are made, and asking whether they may be."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from rlm_search.models.facts import facts_of
from rlm_search.models.tokens import estimate_tokens
from rlm_search.types import Model

_USUAL_ANSWER = 300
"""Tokens of a usual answer of a sub-model, which is told to be brief."""
_PER_CALL = 120
"""Tokens of the sub-model's instructions and of what the chat formats put around a prompt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What is to be expected: calls, tokens, and dollars where the price is known."""

    model: str
    calls: int
    input_tokens: int
    output_tokens: int
    cost_usd: float | None = None

    def __str__(self) -> str:
        cost = "at an unknown price" if self.cost_usd is None else f"about ${self.cost_usd:,.2f}"
        tokens = f"{self.input_tokens:,} tokens in and {self.output_tokens:,} out"
        return f"{self.calls:,} calls of {self.model}, about {tokens}, {cost}"


def estimate_calls(prompts: Iterable[str | int], model: Model, *, answer_tokens: int = _USUAL_ANSWER) -> Estimate:
    """What it costs to put these prompts to a model, each once.

    Args:
        prompts: texts, or how many characters they have: of documents, say, that are not read yet.
        model: whose price counts; one that is wrapped or named by `RLM.sub_model` knows its own.
        answer_tokens: that an answer is expected to have.
    """
    calls, tokens = 0, 0
    for prompt in prompts:
        calls += 1
        tokens += _PER_CALL + (estimate_tokens(prompt) if isinstance(prompt, str) else -(-prompt // 4))
    price = facts_of(model).price
    return Estimate(
        model=model.name,
        calls=calls,
        input_tokens=tokens,
        output_tokens=calls * answer_tokens,
        cost_usd=None if price is None else price.of_tokens(tokens, calls * answer_tokens),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """Whether calls that cost more than `above_usd` may be made: `ask` is asked; without it they may not.

    None in `above_usd` asks for nothing. What has no known price is not asked for.
    """

    above_usd: float | None = None
    ask: Callable[[Estimate], bool] | None = None

    def allows(self, estimate: Estimate) -> bool:
        """Whether to go ahead."""
        if self.above_usd is None or estimate.cost_usd is None or estimate.cost_usd <= self.above_usd:
            return True
        return self.ask is not None and self.ask(estimate)
