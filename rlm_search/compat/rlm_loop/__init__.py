"""rlm-loop's names over the loop of this package: `RLM(backend, model).completion(context, query) -> RLMResult`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rlm_search.compat.rlm_loop.completion import RLM, RLMResult, RLMStats

__all__ = ["RLM", "RLMResult", "RLMStats"]


def __getattr__(name: str) -> Any:
    """Import it when it is first asked for."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from rlm_search.compat.rlm_loop import completion

    return getattr(completion, name)
