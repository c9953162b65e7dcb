"""What a completion has used, by model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rlm_search.types import Answer, Usage


@dataclass
class ModelUsageSummary:
    """Of one model; the cost in US dollars where it is known."""

    total_calls: int
    total_input_tokens: int
    total_output_tokens: int
    total_cost: float | None = None

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ModelUsageSummary:
        """From what `to_dict` gave."""
        calls, read, written = (
            int(data.get(f"total_{name}") or 0) for name in ("calls", "input_tokens", "output_tokens")
        )
        return cls(calls, read, written, data.get("total_cost"))

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        cost = {} if self.total_cost is None else {"total_cost": self.total_cost}
        return {
            "total_calls": self.total_calls,
            "total_input_tokens": self.total_input_tokens,
            "total_output_tokens": self.total_output_tokens,
            **cost,
        }


@dataclass
class UsageSummary:
    """Of all models."""

    model_usage_summaries: dict[str, ModelUsageSummary]

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> UsageSummary:
        """From what `to_dict` gave."""
        models = data.get("model_usage_summaries", {})
        return cls({model: ModelUsageSummary.from_dict(used) for model, used in models.items()})

    @classmethod
    def of(cls, answer: Answer) -> UsageSummary:
        """Root and sub together."""
        by_model: dict[str, Usage] = defaultdict(Usage)
        for usages in answer.usage_by_model.values():
            for model, usage in usages.items():
                by_model[model] += usage
        return cls(
            {
                model: ModelUsageSummary(usage.calls, usage.input_tokens, usage.output_tokens, usage.cost_usd)
                for model, usage in by_model.items()
            }
        )

    @property
    def total_cost(self) -> float | None:
        """In US dollars; None where none is known."""
        costs = [s.total_cost for s in self.model_usage_summaries.values() if s.total_cost is not None]
        return sum(costs) if costs else None

    @property
    def total_input_tokens(self) -> int:
        """Of all models."""
        return sum(summary.total_input_tokens for summary in self.model_usage_summaries.values())

    @property
    def total_output_tokens(self) -> int:
        """Of all models."""
        return sum(summary.total_output_tokens for summary in self.model_usage_summaries.values())

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        models = {model: summary.to_dict() for model, summary in self.model_usage_summaries.items()}
        cost = {} if self.total_cost is None else {"total_cost": self.total_cost}
        return {"model_usage_summaries": models, **cost}
