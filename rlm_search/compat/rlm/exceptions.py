"""The errors of a completion that came to no answer."""

from __future__ import annotations

from rlm_search.compat.endings import limit_of
from rlm_search.types import Answer


class NoAnswerError(Exception):
    """A completion came to no answer: the steps are spent, or the model gave up. `partial_answer` is its last draft."""

    def __init__(self, message: str, partial_answer: str | None = None) -> None:
        super().__init__(message)
        self.partial_answer = partial_answer


class BudgetExceededError(NoAnswerError):
    """`max_budget` is spent."""


class TimeoutExceededError(NoAnswerError):
    """`max_timeout` is over."""


class TokenLimitExceededError(NoAnswerError):
    """`max_tokens`, `max_root_tokens` or `max_sub_tokens` is spent."""


class ErrorThresholdExceededError(NoAnswerError):
    """The model's code failed more than `max_errors` times in a row."""


class CancellationError(NoAnswerError):
    """Somebody ended it."""


_ERRORS: dict[str, type[NoAnswerError]] = {
    "cost_usd": BudgetExceededError,
    "seconds": TimeoutExceededError,
    "root_tokens": TokenLimitExceededError,
    "sub_tokens": TokenLimitExceededError,
    "total_tokens": TokenLimitExceededError,
}


def response_of(answer: Answer) -> str:
    """The answer of a run, or that it is not to be found.

    Raises:
        NoAnswerError: there is none.
    """
    if answer.status in ("answered", "not_found"):
        return answer.text
    failing = answer.reason.startswith("the model's code failed")
    kind = ErrorThresholdExceededError if failing else _ERRORS.get(limit_of(answer), NoAnswerError)
    raise kind(answer.reason, answer.text or None)
