"""What a run may use, and the errors of one that used it up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rlm_search.compat.endings import limit_of
from rlm_search.models.facts import known_facts
from rlm_search.models.tokens import estimate_tokens
from rlm_search.types import Answer, Limits

if TYPE_CHECKING:
    from rlm_search.compat.pyrlm_runtime.trace import Trace


__all__ = [
    "MaxRecursionExceeded",
    "MaxStepsExceeded",
    "MaxSubcallsExceeded",
    "MaxTokensExceeded",
    "Policy",
    "PolicyError",
    "count_tokens",
    "estimate_tokens",
    "get_context_limit",
    "text_of",
]
_UNKNOWN_WINDOW = 128_000


@dataclass(frozen=True, slots=True)
class Policy:
    """Limits of each run; None is none. It counts nothing itself, so that it can be used again."""

    max_steps: int = 40
    max_subcalls: int = 200
    max_recursion_depth: int = 1
    max_total_tokens: int | None = None
    max_subcall_tokens: int | None = None

    def limits(self, *, depth: int) -> Limits:
        """As our limits; runs of their own go at most `depth` deep."""
        return Limits(
            steps=self.max_steps,
            subcalls=self.max_subcalls,
            depth=depth,
            root_tokens=None,
            sub_tokens=self.max_subcall_tokens,
            total_tokens=self.max_total_tokens,
            seconds=None,
            searches=None,
        )


class PolicyError(RuntimeError):
    """A run came to no answer. `trace` is what it did, `draft` the best it had."""

    def __init__(self, message: str, *, trace: Trace | None = None, draft: str = "") -> None:
        super().__init__(message)
        self.trace, self.draft = trace, draft


class MaxStepsExceeded(PolicyError):
    """`max_steps` is spent."""


class MaxSubcallsExceeded(PolicyError):
    """`max_subcalls` is spent."""


class MaxRecursionExceeded(PolicyError):
    """`max_recursion_depth` is spent."""


class MaxTokensExceeded(PolicyError):
    """`max_total_tokens` or `max_subcall_tokens` is spent."""


_ERRORS: dict[str, type[PolicyError]] = {
    "steps": MaxStepsExceeded,
    "subcalls": MaxSubcallsExceeded,
    "depth": MaxRecursionExceeded,
    "root_tokens": MaxTokensExceeded,
    "sub_tokens": MaxTokensExceeded,
    "total_tokens": MaxTokensExceeded,
}


def text_of(answer: Answer, trace: Trace) -> str:
    """The answer of a run, or that the documents do not hold it.

    Raises:
        PolicyError: there is none.
    """
    if answer.status in ("answered", "not_found"):
        return answer.text
    raise _ERRORS.get(limit_of(answer), PolicyError)(answer.reason, trace=trace, draft=answer.text)


def count_tokens(messages: Sequence[Mapping[str, str]], model_name: str = "") -> int:
    """About how many tokens messages have, whatever the model."""
    return sum(estimate_tokens(message.get("content") or "") for message in messages)


def get_context_limit(model_name: str) -> int:
    """Tokens that a model reads, by its name; 128,000 where it is not known."""
    return known_facts("openai", model_name).window or _UNKNOWN_WINDOW
