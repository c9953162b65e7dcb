"""Ask questions of an index: the Recursive Language Model loop, its tools, models and sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rlm_search.context import Context
    from rlm_search.context_engineer import ContextEngineer
    from rlm_search.errors import (
        BudgetExceeded,
        ConfigError,
        ContextTooLong,
        ModelError,
        ModelRejected,
        ModelUnavailable,
        RlmError,
        SandboxError,
    )
    from rlm_search.gates import Gates
    from rlm_search.models.extractive import ExtractiveModel
    from rlm_search.models.scripted import ScriptedModel
    from rlm_search.rlm import RLM
    from rlm_search.router import Router
    from rlm_search.session import Session
    from rlm_search.tools.pdfs import DocumentPolicy
    from rlm_search.types import Answer, CallOptions, Citation, Completion, Limits, Message, Model, Usage

_PUBLIC = {
    "RLM": "rlm",
    "Answer": "types",
    "BudgetExceeded": "errors",
    "CallOptions": "types",
    "Citation": "types",
    "Completion": "types",
    "ConfigError": "errors",
    "Context": "context",
    "ContextEngineer": "context_engineer",
    "ContextTooLong": "errors",
    "DocumentPolicy": "tools.pdfs",
    "ExtractiveModel": "models.extractive",
    "Gates": "gates",
    "Limits": "types",
    "Message": "types",
    "Model": "types",
    "ModelError": "errors",
    "ModelRejected": "errors",
    "ModelUnavailable": "errors",
    "RlmError": "errors",
    "Router": "router",
    "SandboxError": "errors",
    "ScriptedModel": "models.scripted",
    "Session": "session",
    "Usage": "types",
}

__all__ = [
    "RLM",
    "Answer",
    "BudgetExceeded",
    "CallOptions",
    "Citation",
    "Completion",
    "ConfigError",
    "Context",
    "ContextEngineer",
    "ContextTooLong",
    "DocumentPolicy",
    "ExtractiveModel",
    "Gates",
    "Limits",
    "Message",
    "Model",
    "ModelError",
    "ModelRejected",
    "ModelUnavailable",
    "RlmError",
    "Router",
    "SandboxError",
    "ScriptedModel",
    "Session",
    "Usage",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for, so that `import rlm_search` costs nothing."""
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{_PUBLIC[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
