"""What searches can do beyond the engine: ask in other words, and let a model put the hits in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from retrievers.fusion import Leg, reciprocal_rank
from retrievers.rerankers import ListwiseReranker, QueryRewriter, Reranker, TournamentReranker
from retrievers.types import Hit
from rlm_search.run import ToolError

BatchAsk: TypeAlias = Callable[[list[str]], list[Any]]
"""Prompts to the sub-model, and its answers in order: `llm_batch`, which charges them."""

CANDIDATES = 50
"""Hits that are put in order, where fewer are wanted."""
MAX_REWRITES = 8
_REWRITES = 4


class Ranking:
    """Rewrites queries and reranks hits, by the sub-model or by rerankers that the run was given.

    Args:
        ask: the sub-model.
        rerankers: by name, as the model may choose them; the first is taken where none is named.
    """

    def __init__(self, ask: BatchAsk, rerankers: Mapping[str, Reranker]) -> None:
        def ask_all(prompts: Sequence[str]) -> list[str]:
            return [reply if isinstance(reply, str) else "" for reply in ask(list(prompts))]

        def ask_one(prompt: str) -> str:
            return ask_all([prompt])[0]

        self._ask = ask_one
        self._rerankers: dict[str, Reranker] = {
            **rerankers,
            "listwise": ListwiseReranker(ask_one),
            "tournament": TournamentReranker(ask_one, ask_all=ask_all),
        }

    def queries(self, function: str, query: str, multi_query: bool | int) -> list[str]:
        """The query, and as many other ways to say it as are wanted."""
        number = _REWRITES if multi_query is True else int(multi_query)
        if not 0 <= number <= MAX_REWRITES:
            raise ToolError(f"{function}: multi_query must lie between 0 and {MAX_REWRITES}, not {number}")
        return [query, *(QueryRewriter(self._ask, n=number).rewrite(query) if number else [])]

    def reranker(self, function: str, rerank: bool | str) -> Reranker | None:
        """The one that is meant; None for none."""
        if not rerank:
            return None
        name = next(iter(self._rerankers)) if rerank is True else rerank
        if name not in self._rerankers:
            raise ToolError(f"{function}: rerank must be True or one of {', '.join(self._rerankers)}, not {name!r}")
        return self._rerankers[name]


def reranked(reranker: Reranker, query: str, hits: Sequence[Hit], top_k: int) -> list[Hit]:
    """The best of the hits in their new order, with scores that say so."""
    best = reranker.rerank(query, list(hits), top_k=top_k)
    return [replace(hit, score=1 / rank) for rank, hit in enumerate(best, 1)]


def fused(lists: Sequence[Sequence[Hit]]) -> list[Hit]:
    """The hits of several searches as one ranking, by reciprocal rank."""
    if len(lists) == 1:
        return list(lists[0])
    first: dict[tuple[str, str, int], Hit] = {}
    legs = []
    for hits in lists:
        keys = [(hit.doc_id, hit.chunk_id, hit.start if not hit.chunk_id else 0) for hit in hits]
        for key, hit in zip(keys, hits, strict=True):
            first.setdefault(key, hit)
        legs.append(Leg([(key, hit.score) for key, hit in zip(keys, hits, strict=True)]))
    return [replace(first[key], score=score) for key, score in reciprocal_rank(legs)]
