"""The types of a completion, as rlm has them in `rlm.core.types`."""

from __future__ import annotations

from rlm_search.compat.rlm.completion import RLMChatCompletion
from rlm_search.compat.rlm.usage import ModelUsageSummary, UsageSummary

__all__ = ["ModelUsageSummary", "RLMChatCompletion", "UsageSummary"]
