"""The names of alexzhang13/rlm (`rlms`) over the loop of this package: `RLM(backend=…).completion(prompt).response`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrievers.lazy import lazily

if TYPE_CHECKING:
    from rlm_search.compat.rlm.completion import RLM
    from rlm_search.compat.rlm.exceptions import (
        BudgetExceededError,
        CancellationError,
        ErrorThresholdExceededError,
        NoAnswerError,
        TimeoutExceededError,
        TokenLimitExceededError,
    )

_PUBLIC = {
    "RLM": "completion",
    "BudgetExceededError": "exceptions",
    "CancellationError": "exceptions",
    "ErrorThresholdExceededError": "exceptions",
    "NoAnswerError": "exceptions",
    "TimeoutExceededError": "exceptions",
    "TokenLimitExceededError": "exceptions",
}

__all__ = [
    "RLM",
    "BudgetExceededError",
    "CancellationError",
    "ErrorThresholdExceededError",
    "NoAnswerError",
    "TimeoutExceededError",
    "TokenLimitExceededError",
]

__getattr__ = lazily(__name__, _PUBLIC)
