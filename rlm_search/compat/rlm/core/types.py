"""The types of a completion by the module that rlm has them in."""

from __future__ import annotations

from rlm_search.compat.rlm.completion import RLMChatCompletion
from rlm_search.compat.rlm.usage import ModelUsageSummary, UsageSummary

__all__ = ["ModelUsageSummary", "RLMChatCompletion", "UsageSummary"]
