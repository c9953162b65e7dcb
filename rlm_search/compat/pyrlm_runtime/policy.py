"""What a run may use, and the errors of one that used it up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rlm_search.compat.endings import limit_of
from rlm_search.types import Answer, Limits

if TYPE_CHECKING:
    from rlm_search.compat.pyrlm_runtime.trace import Trace


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
