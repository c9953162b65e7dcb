"""pyrlm-runtime's names over the loop of this package: `RLM(adapter, policy).run(query, context) -> (str, Trace)`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrievers.lazy import lazily

if TYPE_CHECKING:
    from rlm_search.compat.pyrlm_runtime.adapters import ModelAdapter, ModelResponse, Usage
    from rlm_search.compat.pyrlm_runtime.async_retrieval import AsyncElasticsearchRetriever
    from rlm_search.compat.pyrlm_runtime.cache import FileCache
    from rlm_search.compat.pyrlm_runtime.context import Context
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

_PUBLIC = {
    "RLM": "rlm",
    "AsyncElasticsearchRetriever": "async_retrieval",
    "AsyncRetrieverProtocol": "retrieval",
    "Context": "context",
    "DocIndexStoreProtocol": "doctools",
    "DocInfo": "doctools",
    "DocumentCache": "doctools",
    "DocumentPolicy": "doctools",
    "DocumentPolicyError": "doctools",
    "ElasticsearchRetriever": "retrieval",
    "ExecResult": "env",
    "ExecutionProfile": "router",
    "FileCache": "cache",
    "ListwiseReranker": "rerank",
    "MaxPDFsExceeded": "doctools",
    "MaxPagesExceeded": "doctools",
    "MaxRecursionExceeded": "policy",
    "MaxStepsExceeded": "policy",
    "MaxSubcallsExceeded": "policy",
    "MaxTablesExceeded": "doctools",
    "MaxTokensExceeded": "policy",
    "ModelAdapter": "adapters",
    "ModelResponse": "adapters",
    "PageInfo": "doctools",
    "PageReaderProtocol": "doctools",
    "Policy": "policy",
    "PolicyError": "policy",
    "PythonREPL": "env",
    "QueryRewriter": "rerank",
    "RerankerProtocol": "rerank",
    "RetrieverProtocol": "retrieval",
    "RouterConfig": "router",
    "RouterResult": "router",
    "SmartRouter": "router",
    "TournamentReranker": "rerank",
    "Trace": "trace",
    "TraceFormatter": "formatting",
    "TraceStep": "trace",
    "Usage": "adapters",
    "create_doc_tools": "doctools",
    "ndcg_at_k": "rerank",
    "recall_at_k": "rerank",
    "union_pool": "rerank",
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

__getattr__ = lazily(__name__, _PUBLIC)
