"""Reranking by a tournament: shuffled groups are ordered by a language model, the best of each go on to the next round.

Where relevant results stand anywhere among the candidates, each meets a fair sample of all the others, and the groups
of a round are asked about at once (the ranker of OBLIQ-Bench, Tchuindjo et al. 2026, appendix C).
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from retrievers.rerankers.listwise import order_in, ranking_prompt
from retrievers.rerankers.protocols import Ask, AskAll, H


class TournamentReranker:
    """Lets a language model order shuffled groups, round by round.

    Args:
        ask: a prompt to the model, and its reply.
        batch_size: results in a group.
        top_k_per_batch: results of a group that go on.
        passage_characters: of each result that the model sees.
        seed: of the shuffling, which depends on it and on the query alone.
        ask_all: many prompts at once; by default one after the other.

    Raises:
        ValueError: a size that is none.
    """

    def __init__(
        self,
        ask: Ask,
        *,
        batch_size: int = 20,
        top_k_per_batch: int = 4,
        passage_characters: int = 300,
        seed: int = 42,
        ask_all: AskAll | None = None,
    ) -> None:
        if not 1 <= top_k_per_batch < batch_size or passage_characters < 1:
            raise ValueError("1 <= top_k_per_batch < batch_size and 1 <= passage_characters must hold")
        self._ask_all: AskAll = ask_all or (lambda prompts: [ask(prompt) for prompt in prompts])
        self._batch_size, self._survivors = batch_size, top_k_per_batch
        self._passage_characters = passage_characters
        self._seed = seed

    def rerank(self, query: str, hits: Sequence[H], *, top_k: int = 10) -> list[H]:
        """The best `top_k` of the results: those of the last round, then those that went out, the latest first."""
        shuffle = random.Random(f"{self._seed}\0{query}").shuffle  # noqa: S311 -- no secret: it has to be repeatable
        pool, out = list(hits), []
        while len(pool) > self._batch_size:
            shuffle(pool)
            groups = [pool[at : at + self._batch_size] for at in range(0, len(pool), self._batch_size)]
            ordered = self._ordered(query, groups)
            out.append([hit for group in ordered for hit in group[self._survivors :]])
            pool = [hit for group in ordered for hit in group[: self._survivors]]
        pool = self._ordered(query, [pool])[0]
        return [*pool, *(hit for left in reversed(out) for hit in left)][: max(top_k, 0)]

    def _ordered(self, query: str, groups: Sequence[list[H]]) -> list[list[H]]:
        asked = [group for group in groups if len(group) > 1]
        prompts = [ranking_prompt(query, group, self._passage_characters) for group in asked]
        replies = iter(self._ask_all(prompts) if prompts else ())
        return [
            [group[n] for n in order_in(next(replies), len(group))] if len(group) > 1 else group for group in groups
        ]
