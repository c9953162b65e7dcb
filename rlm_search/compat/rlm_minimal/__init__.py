"""The names of rlm-minimal over the loop of this package: `RLM_REPL(model=…).completion(context, query)`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rlm_search.compat.rlm_minimal.rlm_repl import RLM_REPL

__all__ = ["RLM_REPL"]


def __getattr__(name: str) -> Any:
    """Import it when it is first asked for."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from rlm_search.compat.rlm_minimal import rlm_repl

    return getattr(rlm_repl, name)
