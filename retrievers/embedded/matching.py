"""What a passage should hold for a question: its words by their stems, rare ones weighing more, and its phrases."""

from __future__ import annotations

from typing import Final

from retrievers.embedded.analysis import ANALYSERS, CJK_RUN
from retrievers.embedded.querying import Question
from retrievers.embedded.snapshot import Snapshot
from retrievers.snippets import Sought, fold, sought

_PHRASE_WEIGHT: Final = 20.0

_TELLING: Final = 12
"""Words, the rarest, that a passage is chosen by."""


def wanted(now: Snapshot, question: Question) -> tuple[Sought, ...]:
    """The words and phrases of a question as a passage holds them."""
    found = [Sought(fold(phrase), _PHRASE_WEIGHT, anywhere=True) for phrase in question.phrases]
    words = dict.fromkeys([*question.words, *(word for phrase in question.phrases for word in phrase.lower().split())])
    weights = {word: now.queries.rarity(word) for word in words}
    for word in sorted(weights, key=lambda word: -weights[word])[:_TELLING]:
        found += _of_word(now, word, weights[word])
    return tuple(dict.fromkeys(found))


def _of_word(now: Snapshot, word: str, weight: float) -> list[Sought]:
    run = CJK_RUN.search(word)
    if run:
        pairs = [word[i : i + 2] for i in range(max(len(word) - 1, 1))]
        return [Sought(pair, weight / len(pairs), anywhere=True) for pair in pairs]
    stems = [term for name in now.held for term in ANALYSERS[name].terms(word)[:1]]
    found = [sought(word, stem, weight) for stem in stems]
    return [min(found, key=lambda each: len(each.prefix))] if found else []
