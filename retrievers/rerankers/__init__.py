"""Put results in a better order, and ask for them in several ways: rerankers, query rewriting, pools, and measures.

None of them knows a model: they are given a callable. `Reranker` is what a reranker of one's own has to be.
"""

from __future__ import annotations

from retrievers.rerankers.cross_encoder import CrossEncoderReranker
from retrievers.rerankers.judging import ndcg_at_k, recall_at_k
from retrievers.rerankers.listwise import ListwiseReranker
from retrievers.rerankers.protocols import Reranker
from retrievers.rerankers.rewriting import QueryRewriter, union_pool
from retrievers.rerankers.tournament import TournamentReranker

__all__ = [
    "CrossEncoderReranker",
    "ListwiseReranker",
    "QueryRewriter",
    "Reranker",
    "TournamentReranker",
    "ndcg_at_k",
    "recall_at_k",
    "union_pool",
]
