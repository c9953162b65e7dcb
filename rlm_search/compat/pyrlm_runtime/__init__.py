"""pyrlm-runtime's names over the loop of this package: `RLM(adapter, policy).run(query, context) -> (str, Trace)`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rlm_search.compat.pyrlm_runtime.adapters import ModelAdapter, ModelResponse, Usage
    from rlm_search.compat.pyrlm_runtime.cache import FileCache
    from rlm_search.compat.pyrlm_runtime.policy import (
        MaxRecursionExceeded,
        MaxStepsExceeded,
        MaxSubcallsExceeded,
        MaxTokensExceeded,
        Policy,
        PolicyError,
    )
    from rlm_search.compat.pyrlm_runtime.rerank import (
        ListwiseReranker,
        QueryRewriter,
        TournamentReranker,
        ndcg_at_k,
        recall_at_k,
        union_pool,
    )
    from rlm_search.compat.pyrlm_runtime.retrieval import ElasticsearchRetriever, RetrieverProtocol
    from rlm_search.compat.pyrlm_runtime.rlm import RLM
    from rlm_search.compat.pyrlm_runtime.router import ExecutionProfile, RouterConfig, RouterResult, SmartRouter
    from rlm_search.compat.pyrlm_runtime.trace import Trace, TraceStep
    from rlm_search.context import Context
    from rlm_search.tools.pdfs import DocumentPolicy

_HERE = "rlm_search.compat.pyrlm_runtime"
_PUBLIC = {
    "RLM": f"{_HERE}.rlm",
    "Context": "rlm_search.context",
    "DocumentPolicy": "rlm_search.tools.pdfs",
    "ElasticsearchRetriever": f"{_HERE}.retrieval",
    "ExecutionProfile": f"{_HERE}.router",
    "FileCache": f"{_HERE}.cache",
    "ListwiseReranker": f"{_HERE}.rerank",
    "MaxRecursionExceeded": f"{_HERE}.policy",
    "MaxStepsExceeded": f"{_HERE}.policy",
    "MaxSubcallsExceeded": f"{_HERE}.policy",
    "MaxTokensExceeded": f"{_HERE}.policy",
    "ModelAdapter": f"{_HERE}.adapters",
    "ModelResponse": f"{_HERE}.adapters",
    "Policy": f"{_HERE}.policy",
    "PolicyError": f"{_HERE}.policy",
    "QueryRewriter": f"{_HERE}.rerank",
    "RetrieverProtocol": f"{_HERE}.retrieval",
    "RouterConfig": f"{_HERE}.router",
    "RouterResult": f"{_HERE}.router",
    "SmartRouter": f"{_HERE}.router",
    "TournamentReranker": f"{_HERE}.rerank",
    "Trace": f"{_HERE}.trace",
    "TraceStep": f"{_HERE}.trace",
    "Usage": f"{_HERE}.adapters",
    "ndcg_at_k": f"{_HERE}.rerank",
    "recall_at_k": f"{_HERE}.rerank",
    "union_pool": f"{_HERE}.rerank",
}

__all__ = [
    "RLM",
    "Context",
    "DocumentPolicy",
    "ElasticsearchRetriever",
    "ExecutionProfile",
    "FileCache",
    "ListwiseReranker",
    "MaxRecursionExceeded",
    "MaxStepsExceeded",
    "MaxSubcallsExceeded",
    "MaxTokensExceeded",
    "ModelAdapter",
    "ModelResponse",
    "Policy",
    "PolicyError",
    "QueryRewriter",
    "RetrieverProtocol",
    "RouterConfig",
    "RouterResult",
    "SmartRouter",
    "TournamentReranker",
    "Trace",
    "TraceStep",
    "Usage",
    "ndcg_at_k",
    "recall_at_k",
    "union_pool",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for."""
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_PUBLIC[name]), name)
    globals()[name] = value
    return value
