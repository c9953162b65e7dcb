"""Rerankers and query rewriting over an adapter, and the measures of a ranking.

A `cache_namespace` is taken and changes nothing: replies are kept by all that shapes them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from retrievers import rerankers
from retrievers.rerankers import ndcg_at_k, recall_at_k, union_pool
from rlm_search.compat.pyrlm_runtime.adapters import AdaptedModel, ModelAdapter
from rlm_search.compat.pyrlm_runtime.cache import FileCache
from rlm_search.types import CallOptions, Message, Model

__all__ = [
    "ListwiseReranker",
    "QueryRewriter",
    "RerankerProtocol",
    "TournamentReranker",
    "ndcg_at_k",
    "recall_at_k",
    "union_pool",
]


class RerankerProtocol(Protocol):
    """What a reranker of one's own has to be."""

    def rerank(self, query: str, docs: Sequence[dict[str, Any]], top_k: int = 10) -> list[dict[str, Any]]:
        """The best `top_k`."""
        ...


class ListwiseReranker:
    """Has a model order the results in windows that slide from the last to the first."""

    def __init__(
        self,
        adapter: ModelAdapter,
        *,
        window_size: int = 20,
        step: int = 10,
        max_passage_chars: int = 300,
        max_tokens: int = 200,
        temperature: float = 0.0,
        system_prompt: str | None = None,
        cache: FileCache | None = None,
        cache_namespace: str = "",
    ) -> None:
        self._inner = rerankers.ListwiseReranker(
            _ask(adapter, system_prompt, max_tokens, temperature, cache),
            window_size=window_size,
            step=step,
            passage_characters=max_passage_chars,
        )

    def rerank(self, query: str, docs: Sequence[dict[str, Any]], top_k: int = 10) -> list[dict[str, Any]]:
        """The best `top_k`."""
        return self._inner.rerank(query, docs, top_k=top_k)


class TournamentReranker:
    """Has a model order shuffled groups of results; the best of each group go on."""

    def __init__(
        self,
        adapter: ModelAdapter,
        *,
        batch_size: int = 20,
        top_k_per_batch: int = 4,
        max_passage_chars: int = 300,
        max_tokens: int = 200,
        temperature: float = 0.0,
        system_prompt: str | None = None,
        cache: FileCache | None = None,
        cache_namespace: str = "",
        shuffle_seed: int | None = 42,
    ) -> None:
        self._inner = rerankers.TournamentReranker(
            _ask(adapter, system_prompt, max_tokens, temperature, cache),
            batch_size=batch_size,
            top_k_per_batch=top_k_per_batch,
            passage_characters=max_passage_chars,
            seed=shuffle_seed or 0,
        )

    def rerank(self, query: str, docs: Sequence[dict[str, Any]], top_k: int = 10) -> list[dict[str, Any]]:
        """The best `top_k`."""
        return self._inner.rerank(query, docs, top_k=top_k)


class QueryRewriter:
    """Has a model say a query in other words, as the system prompt tells it to: `{"rewrites": […]}`, or lines."""

    def __init__(
        self,
        adapter: ModelAdapter,
        *,
        n: int = 5,
        system_prompt: str,
        max_tokens: int = 400,
        cache: FileCache | None = None,
        cache_namespace: str = "",
    ) -> None:
        ask = _ask(adapter, system_prompt, max_tokens, 0.0, cache)
        self.n = n
        self._inner = rerankers.QueryRewriter(ask, n=n, prompt="{query}")

    def rewrite(self, query: str) -> list[str]:
        """At most `n` other ways."""
        return self._inner.rewrite(query)


def _ask(
    adapter: ModelAdapter, system: str | None, max_tokens: int, temperature: float, cache: FileCache | None
) -> Callable[[str], str]:
    model: Model = AdaptedModel(adapter, max_tokens=max_tokens)
    model = cache.around(model) if cache is not None else model
    options = CallOptions(max_tokens=max_tokens, temperature=temperature)
    before = [Message("system", system)] if system else []
    return lambda prompt: model.complete([*before, Message("user", prompt)], options).text
