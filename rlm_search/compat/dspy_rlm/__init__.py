"""dspy's names for its RLM over the loop of this package: `RLM("context, query -> answer: str")`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrievers.lazy import lazily

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

__getattr__ = lazily(__name__, _PUBLIC)
