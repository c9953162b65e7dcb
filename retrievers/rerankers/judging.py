"""How good a ranking is, given which documents are relevant: nDCG and recall."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence


def ndcg_at_k(ranked_doc_ids: Sequence[str], qrels: Mapping[str, float], k: int = 10) -> float:
    """Normalised discounted cumulative gain of the first `k`, with gains of 2^grade - 1 (Burges et al., ICML 2005).

    Args:
        ranked_doc_ids: the ranking, the best first; an id that comes again counts once.
        qrels: the grade of each relevant document; others have 0.
        k: how many of the ranking count.

    Returns:
        Between 0 and 1; 0 where nothing is relevant.
    """
    gains = [2.0 ** max(qrels.get(doc_id, 0.0), 0.0) - 1 for doc_id in list(dict.fromkeys(ranked_doc_ids))[: max(k, 0)]]
    ideal = sorted((2.0**grade - 1 for grade in qrels.values() if grade > 0), reverse=True)[: max(k, 0)]
    best = _discounted(ideal)
    return _discounted(gains) / best if best else 0.0


def recall_at_k(ranked_doc_ids: Sequence[str], qrels: Mapping[str, float], k: int = 10) -> float:
    """The share of the relevant documents that stand among the first `k`; 0 where nothing is relevant."""
    relevant = {doc_id for doc_id, grade in qrels.items() if grade > 0}
    return len(relevant & set(ranked_doc_ids[: max(k, 0)])) / len(relevant) if relevant else 0.0


def _discounted(gains: Sequence[float]) -> float:
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, start=1))
