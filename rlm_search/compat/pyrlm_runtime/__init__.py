"""pyrlm-runtime's names over the loop of this package: `RLM(adapter, policy).run(query, context) -> (str, Trace)`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rlm_search.compat.pyrlm_runtime.adapters import ModelAdapter, ModelResponse, Usage
    from rlm_search.compat.pyrlm_runtime.async_retrieval import AsyncElasticsearchRetriever
    from rlm_search.compat.pyrlm_runtime.cache import FileCache
    from rlm_search.compat.pyrlm_runtime.doctools import (
        DocIndexStoreProtocol,
        DocInfo,
        DocumentCache,
        DocumentPolicy,
        DocumentPolicyError,
        MaxPagesExceeded,
        MaxPDFsExceeded,
        MaxTablesExceeded,
        PageInfo,
        PageReaderProtocol,
        create_doc_tools,
    )
    from rlm_search.compat.pyrlm_runtime.env import ExecResult, PythonREPL
    from rlm_search.compat.pyrlm_runtime.formatting import TraceFormatter
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
        RerankerProtocol,
        TournamentReranker,
        ndcg_at_k,
        recall_at_k,
        union_pool,
    )
    from rlm_search.compat.pyrlm_runtime.retrieval import (
        AsyncRetrieverProtocol,
        ElasticsearchRetriever,
        RetrieverProtocol,
    )
    from rlm_search.compat.pyrlm_runtime.rlm import RLM
    from rlm_search.compat.pyrlm_runtime.router import ExecutionProfile, RouterConfig, RouterResult, SmartRouter
    from rlm_search.compat.pyrlm_runtime.trace import Trace, TraceStep
    from rlm_search.context import Context

_HERE = "rlm_search.compat.pyrlm_runtime"
_PUBLIC = {
    "RLM": f"{_HERE}.rlm",
    "AsyncElasticsearchRetriever": f"{_HERE}.async_retrieval",
    "AsyncRetrieverProtocol": f"{_HERE}.retrieval",
    "Context": "rlm_search.context",
    "DocIndexStoreProtocol": f"{_HERE}.doctools",
    "DocInfo": f"{_HERE}.doctools",
    "DocumentCache": f"{_HERE}.doctools",
    "DocumentPolicy": f"{_HERE}.doctools",
    "DocumentPolicyError": f"{_HERE}.doctools",
    "ElasticsearchRetriever": f"{_HERE}.retrieval",
    "ExecResult": f"{_HERE}.env",
    "ExecutionProfile": f"{_HERE}.router",
    "FileCache": f"{_HERE}.cache",
    "ListwiseReranker": f"{_HERE}.rerank",
    "MaxPDFsExceeded": f"{_HERE}.doctools",
    "MaxPagesExceeded": f"{_HERE}.doctools",
    "MaxRecursionExceeded": f"{_HERE}.policy",
    "MaxStepsExceeded": f"{_HERE}.policy",
    "MaxSubcallsExceeded": f"{_HERE}.policy",
    "MaxTablesExceeded": f"{_HERE}.doctools",
    "MaxTokensExceeded": f"{_HERE}.policy",
    "ModelAdapter": f"{_HERE}.adapters",
    "ModelResponse": f"{_HERE}.adapters",
    "PageInfo": f"{_HERE}.doctools",
    "PageReaderProtocol": f"{_HERE}.doctools",
    "Policy": f"{_HERE}.policy",
    "PolicyError": f"{_HERE}.policy",
    "PythonREPL": f"{_HERE}.env",
    "QueryRewriter": f"{_HERE}.rerank",
    "RerankerProtocol": f"{_HERE}.rerank",
    "RetrieverProtocol": f"{_HERE}.retrieval",
    "RouterConfig": f"{_HERE}.router",
    "RouterResult": f"{_HERE}.router",
    "SmartRouter": f"{_HERE}.router",
    "TournamentReranker": f"{_HERE}.rerank",
    "Trace": f"{_HERE}.trace",
    "TraceFormatter": f"{_HERE}.formatting",
    "TraceStep": f"{_HERE}.trace",
    "Usage": f"{_HERE}.adapters",
    "create_doc_tools": f"{_HERE}.doctools",
    "ndcg_at_k": f"{_HERE}.rerank",
    "recall_at_k": f"{_HERE}.rerank",
    "union_pool": f"{_HERE}.rerank",
}

__all__ = [
    "RLM",
    "AsyncElasticsearchRetriever",
    "AsyncRetrieverProtocol",
    "Context",
    "DocIndexStoreProtocol",
    "DocInfo",
    "DocumentCache",
    "DocumentPolicy",
    "DocumentPolicyError",
    "ElasticsearchRetriever",
    "ExecResult",
    "ExecutionProfile",
    "FileCache",
    "ListwiseReranker",
    "MaxPDFsExceeded",
    "MaxPagesExceeded",
    "MaxRecursionExceeded",
    "MaxStepsExceeded",
    "MaxSubcallsExceeded",
    "MaxTablesExceeded",
    "MaxTokensExceeded",
    "ModelAdapter",
    "ModelResponse",
    "PageInfo",
    "PageReaderProtocol",
    "Policy",
    "PolicyError",
    "PythonREPL",
    "QueryRewriter",
    "RerankerProtocol",
    "RetrieverProtocol",
    "RouterConfig",
    "RouterResult",
    "SmartRouter",
    "TournamentReranker",
    "Trace",
    "TraceFormatter",
    "TraceStep",
    "Usage",
    "create_doc_tools",
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
