"""Queries in other words, by the module that pyrlm-runtime has them in."""

from __future__ import annotations

from rlm_search.compat.pyrlm_runtime.rerank import QueryRewriter, union_pool

__all__ = ["QueryRewriter", "union_pool"]
