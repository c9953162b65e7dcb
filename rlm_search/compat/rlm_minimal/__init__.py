"""The names of rlm-minimal over the loop of this package: `RLM_REPL(model=…).completion(context, query)`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrievers.lazy import lazily

if TYPE_CHECKING:
    from rlm_search.compat.rlm_minimal.rlm_repl import RLM_REPL

__all__ = ["RLM_REPL"]

__getattr__ = lazily(__name__, dict.fromkeys(__all__, "rlm_repl"))
