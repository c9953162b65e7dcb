"""The tools that the settings name: functions of one's own, rerankers, and the document tools with their policy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from retrievers import plugins
from retrievers.rerankers import Reranker
from rlm_search.errors import ConfigError
from rlm_search.settings import ToolSettings
from rlm_search.tools.pdfs import DocumentPolicy

RERANKERS = {"cross-encoder": "retrievers.rerankers.cross_encoder:CrossEncoderReranker"}
"""Built-in rerankers by the name that a spec begins with; those that ask the sub-model need no setting."""
_POLICY = ("max_pdfs_per_query", "max_pages_per_pdf", "max_total_pages", "max_table_extractions")


def functions_of(settings: ToolSettings) -> list[Callable[..., Any]]:
    """The functions that `tools.functions` names.

    Raises:
        ConfigError: there is no such function.
    """
    return [plugins.load("rlm_search.tools", spec, {})[0] for spec in settings.functions]


def rerankers_of(settings: ToolSettings) -> Mapping[str, Reranker]:
    """The rerankers that `tools.rerankers` names, each by the name that `rerank=` takes: `cross_encoder`, or its class.

    Raises:
        ConfigError: there is none such, or `cross-encoder` without a model.
    """
    found: dict[str, Reranker] = {}
    for spec in settings.rerankers:
        factory, argument = plugins.load("rlm_search.rerankers", spec, RERANKERS)
        if spec.partition(":")[0] in RERANKERS and not argument:
            raise ConfigError(f"`{spec}` needs a model", hint=f"{spec}:NAME, of sentence-transformers, or a folder")
        name = factory.__name__ if spec.partition(":")[0] not in RERANKERS else spec.partition(":")[0]
        found[name.replace("-", "_")] = factory(argument) if argument else factory()
    return found


def policy_of(settings: ToolSettings) -> DocumentPolicy | bool:
    """The policy of the document tools; False where they are not offered.

    Raises:
        ConfigError: a limit below 1.
    """
    try:
        policy = DocumentPolicy(**{name: getattr(settings, name) for name in _POLICY})
    except ValueError as error:
        raise ConfigError(f"[tools] {error}") from None
    return policy if settings.documents else False
