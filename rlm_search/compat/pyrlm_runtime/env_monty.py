"""Where pyrlm-runtime has its session in Monty."""

from rlm_search.compat.pyrlm_runtime.env import MontyLimits, MontyREPL

__all__ = ["MontyLimits", "MontyREPL"]
