"""What a reranker is: results in, the same results out, the best first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias, TypeVar

H = TypeVar("H", bound=Mapping[str, Any])
"""A result: a `Hit`, or a dict with a `preview` (or `content`) and a `title`."""

Ask: TypeAlias = Callable[[str], str]
"""A prompt to a language model, and its reply; "" where there is none."""
AskAll: TypeAlias = Callable[[Sequence[str]], Sequence[str]]
"""Many prompts at once, and their replies in order."""


class Reranker(Protocol):
    """Puts results in a better order."""

    def rerank(self, query: str, hits: Sequence[H], *, top_k: int = 10) -> list[H]:
        """The best `top_k` of the results, the best first; nothing in them is changed."""
        ...


def passage_of(hit: Mapping[str, Any], characters: int) -> str:
    """What a reranker reads of a result: its title and its passage, on one line, cut."""
    text = str(hit.get("content") or hit.get("preview") or hit.get("text") or "")
    title = str(hit.get("title") or "")
    return " ".join(f"{title}: {text}".split())[:characters] if title else " ".join(text.split())[:characters]
