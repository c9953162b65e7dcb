"""Asking in several ways: a language model says a query in other words, and the results of all are one pool."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from retrievers.rerankers.protocols import Ask, H

_OBJECT = re.compile(r"\{.*\}", re.DOTALL)
_PROMPT = (
    "Say the search query below in {n} other ways: other words for the same, what a document that answers it would "
    'say, its parts. Keep names and numbers, and its language. Reply with JSON alone: {{"rewrites": ["…", "…"]}}\n\n'
    "Query: {query}"
)
_LONGEST = 300


class QueryRewriter:
    """Lets a language model say a query in other words, in one call.

    Args:
        ask: a prompt to the model, and its reply.
        n: how many other ways.
        prompt: with `{n}` and `{query}`; asks for `{"rewrites": [...]}`. A reply that is a list of lines is read, too.

    Raises:
        ValueError: `n` is below 1.
    """

    def __init__(self, ask: Ask, *, n: int = 4, prompt: str = _PROMPT) -> None:
        if n < 1:
            raise ValueError("n must be at least 1")
        self._ask, self.n, self._prompt = ask, n, prompt

    def rewrite(self, query: str) -> list[str]:
        """At most `n` other ways, none of them the query itself; none where the reply is of no use."""
        found = _rewrites(self._ask(self._prompt.format(n=self.n, query=query)))
        different = dict.fromkeys(" ".join(text.split())[:_LONGEST] for text in found)
        return [text for text in different if text and text != query][: self.n]


def union_pool(pools: Sequence[Sequence[H]], *, id_key: str = "doc_id") -> list[H]:
    """The results of several searches as one list, each id once, in the order in which they first appear."""
    first: dict[str, H] = {}
    for hit in (hit for pool in pools for hit in pool):
        first.setdefault(str(hit[id_key]), hit)
    return list(first.values())


def _rewrites(reply: str) -> list[str]:
    if found := _OBJECT.search(reply):
        try:
            given = json.loads(found[0]).get("rewrites")
        except ValueError:
            given = None
        if isinstance(given, list):
            return [text for text in given if isinstance(text, str)]
    lines = [line.strip().lstrip("-*•0123456789.) ").strip("\"' ") for line in reply.splitlines()]
    return [line for line in lines if 5 <= len(line) <= _LONGEST and not line.startswith(("{", "```"))]
