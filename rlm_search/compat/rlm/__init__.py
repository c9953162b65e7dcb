"""The names of alexzhang13/rlm (`rlms`) over the loop of this package: `RLM(backend=…).completion(prompt).response`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

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

__all__ = [
    "RLM",
    "BudgetExceededError",
    "CancellationError",
    "ErrorThresholdExceededError",
    "NoAnswerError",
    "TimeoutExceededError",
    "TokenLimitExceededError",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = "completion" if name == "RLM" else "exceptions"
    value = getattr(import_module(f"{__name__}.{module}"), name)
    globals()[name] = value
    return value
