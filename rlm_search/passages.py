"""The passages of a long text that share the most words with another: found by looking, without an index."""

from __future__ import annotations

import re
from collections.abc import Iterator

_WORD = re.compile(r"[^\W_]{4,}|\d+")
_MOST_WORDS = 30
_MOST_PLACES = 50
"""Of one word: one that stands everywhere says little about where."""
_STEP = 200


def passages(text: str, words: str, *, number: int = 4, size: int = 800) -> Iterator[tuple[int, str]]:
    """The best passages, each with where it begins, in the order of the text.

    A passage counts for each different word of `words` that it holds as written there, long and rare ones for more.

    Args:
        text: of any length; each word costs one look through it at most.
        words: a question, an answer.
        number: of passages at most.
        size: characters of one.
    """
    found = _scores(text, list(dict.fromkeys(_WORD.findall(words)))[:_MOST_WORDS])
    chosen: list[int] = []
    for place in sorted(found, key=lambda place: (-found[place], place)):
        start = max(place - size // 2 + _STEP // 2, 0)
        if all(abs(start - other) >= size for other in chosen):
            chosen.append(start)
        if len(chosen) == number:
            break
    for start in sorted(chosen):
        yield start, text[start : start + size]


def _scores(text: str, words: list[str]) -> dict[int, float]:
    """By place, in steps: what the words there are worth, those of its neighbours included."""
    worth: dict[int, float] = {}
    for word in words:
        steps = {at // _STEP for at in _places(text, word)}
        for step in steps | {step - 1 for step in steps} | {step + 1 for step in steps}:
            worth[step * _STEP] = worth.get(step * _STEP, 0.0) + (1 + len(word) / 10) / len(steps)
    return worth


def _places(text: str, word: str) -> Iterator[int]:
    at = -1
    for _ in range(_MOST_PLACES):
        at = text.find(word, at + 1)
        if at < 0:
            return
        yield at
