"""`Context` by the module that pyrlm-runtime has it in."""

from __future__ import annotations

from rlm_search.context import Context

__all__ = ["Context"]
