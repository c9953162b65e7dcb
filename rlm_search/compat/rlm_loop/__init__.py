"""rlm-loop's names over the loop of this package: `RLM(backend, model).completion(context, query) -> RLMResult`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrievers.lazy import lazily

if TYPE_CHECKING:
    from rlm_search.compat.rlm_loop.completion import RLM, RLMResult, RLMStats

__all__ = ["RLM", "RLMResult", "RLMStats"]

__getattr__ = lazily(__name__, dict.fromkeys(__all__, "completion"))
