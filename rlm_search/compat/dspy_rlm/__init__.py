"""dspy's names for its RLM over the loop of this package: `RLM("context, query -> answer: str")`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rlm_search.compat.dspy_rlm.language_models import LM, configure
    from rlm_search.compat.dspy_rlm.module import RLM, Prediction
    from rlm_search.compat.dspy_rlm.signatures import InputField, OutputField, Signature

_PUBLIC = {
    "LM": "language_models",
    "RLM": "module",
    "InputField": "signatures",
    "OutputField": "signatures",
    "Prediction": "module",
    "Signature": "signatures",
    "configure": "language_models",
}

__all__ = ["LM", "RLM", "InputField", "OutputField", "Prediction", "Signature", "configure"]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for."""
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_PUBLIC[name]}"), name)
    globals()[name] = value
    return value
