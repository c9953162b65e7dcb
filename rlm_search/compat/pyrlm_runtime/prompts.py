"""System prompts by pyrlm-runtime's names."""

from __future__ import annotations

from importlib import resources

BASE_SYSTEM_PROMPT = ""
"""Nothing beside the rules of this package, which are always told."""

SUBCALL_SYSTEM_PROMPT = (
    "You are a sub-LLM. " + resources.files("rlm_search.prompts").joinpath("sub.md").read_text("utf-8").strip()
)
