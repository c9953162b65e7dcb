"""The errors of a completion that came to no answer."""

from __future__ import annotations

from rlm_search.compat.endings import limit_of
from rlm_search.types import Answer, Limits


class NoAnswerError(Exception):
    """A completion came to no answer: the steps are spent, or the model gave up. `partial_answer` is its last draft."""

    def __init__(self, message: str, partial_answer: str | None = None) -> None:
        super().__init__(message)
        self.partial_answer = partial_answer


class BudgetExceededError(NoAnswerError):
    """`max_budget` is spent: `spent` of `budget` dollars."""

    spent: float = 0.0
    budget: float | None = None


class TimeoutExceededError(NoAnswerError):
    """`max_timeout` is over: `elapsed` of `timeout` seconds."""

    elapsed: float = 0.0
    timeout: float | None = None


class TokenLimitExceededError(NoAnswerError):
    """`max_tokens`, `max_root_tokens` or `max_sub_tokens` is spent: `tokens_used` of `token_limit`."""

    tokens_used: int = 0
    token_limit: int | None = None


class ErrorThresholdExceededError(NoAnswerError):
    """The model's code failed `error_count` times in a row, which is what `threshold` allows."""

    error_count: int = 0
    threshold: int = 0
    last_error: str | None = None


class CancellationError(NoAnswerError):
    """Somebody ended it."""


_ERRORS: dict[str, type[NoAnswerError]] = {
    "cost_usd": BudgetExceededError,
    "seconds": TimeoutExceededError,
    "root_tokens": TokenLimitExceededError,
    "sub_tokens": TokenLimitExceededError,
    "total_tokens": TokenLimitExceededError,
}


def response_of(answer: Answer, limits: Limits | None = None, max_errors: int = 0) -> str:
    """The answer of a run, or that it is not to be found.

    Args:
        answer: what the run came to.
        limits: what it was given, for the figures of the error.
        max_errors: likewise.

    Raises:
        NoAnswerError: there is none.
    """
    if answer.status in ("answered", "not_found"):
        return answer.text
    failing, name, limits = answer.reason.startswith("the model's code failed"), limit_of(answer), limits or Limits()
    kind = ErrorThresholdExceededError if failing else _ERRORS.get(name, NoAnswerError)
    error = kind(answer.reason, answer.text or None)
    match error:
        case BudgetExceededError():
            error.spent, error.budget = answer.cost_usd or 0.0, limits.cost_usd
        case TimeoutExceededError():
            error.elapsed, error.timeout = answer.seconds, limits.seconds
        case TokenLimitExceededError():
            tiers = [name.removesuffix("_tokens")] if name != "total_tokens" else list(answer.usage)
            error.tokens_used = sum(answer.usage[tier].total_tokens for tier in tiers if tier in answer.usage)
            error.token_limit = getattr(limits, name)
        case ErrorThresholdExceededError():
            error.error_count = error.threshold = max_errors
    raise error
