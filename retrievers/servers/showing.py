"""Rows that were found as hits: each with the passage that matches."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from retrievers.embedded.analysis import ANALYSERS, CJK_RUN
from retrievers.embedded.querying import Question
from retrievers.marks import FIELD
from retrievers.servers.dialect import Json
from retrievers.snippets import Readied, Sought, fold, folded_whitespace, passage, sought
from retrievers.types import Hit

_PHRASE_WEIGHT: Final = 20.0
_TELLING: Final = 12
"""Words, the rarest, that a passage is chosen by."""


def text_of(source: Mapping[str, Any]) -> str:
    """The text of a unit, whatever its language; with its furniture, which is not indexed, where it has some."""
    if "whole" in source:
        return str(source["whole"])
    return next((str(value) for name, value in source.items() if name.startswith("text_")), "")


def hits_of(
    question: Question,
    held: Sequence[str],
    found: Sequence[tuple[Json, float, tuple[int, int] | None]],
    *,
    is_held: bool = False,
) -> list[Hit]:
    """The hits of units, each given with its score and the span of the document that its passage lies in, if any.

    Args:
        question: what passages are chosen by.
        held: the analysers of the index.
        found: rows, scores, spans.
        is_held: a filter must hold, and marks of near-duplicates are not told.
    """
    clipped = [_clipped(source, within) for source, _, within in found]
    sought_for = wanted(question, held, [text for _, text in clipped])
    return [
        _hit(source, score, start, text, sought_for, shown_metadata(source["hit"], is_held=is_held))
        for (source, score, _), (start, text) in zip(found, clipped, strict=True)
    ]


def _clipped(source: Json, within: tuple[int, int] | None) -> tuple[int, Readied]:
    """Where a passage may lie: the offset in the document, and the text."""
    text, start, end = text_of(source), source["start"], source["end"]
    if within is None or max(start, within[0]) >= min(end, within[1]):
        return start, Readied(text)
    first, last = max(start, within[0]), min(end, within[1])
    return first, Readied(text[first - start : last - start])


def _hit(
    source: Json, score: float, start: int, text: Readied, sought_for: Sequence[Sought], metadata: Mapping[str, Any]
) -> Hit:
    about = source["hit"]
    begin, finish = passage(text, sought_for)
    return Hit(
        doc_id=source["doc_id"],
        chunk_id=about["chunk_id"],
        preview=folded_whitespace(text.text[begin:finish]),
        score=score,
        start=start + begin,
        end=start + finish,
        pages=(about["page"],) if about["page"] else (),
        title=about["title"],
        source=about["source"],
        metadata=metadata,
    )


def shown_metadata(about: Json, *, is_held: bool = False) -> Mapping[str, Any]:
    """The metadata of a document, with the mark of a near-duplicate, unless a filter must hold."""
    mark = {FIELD: about[FIELD]} if FIELD in about and not is_held else {}
    return {**about["metadata"], **mark}


def wanted(question: Question, held: Sequence[str], texts: Sequence[Readied]) -> tuple[Sought, ...]:
    """What passages should hold; a word that stands in few of the texts that were found tells more than one in all."""
    found = [Sought(fold(phrase), _PHRASE_WEIGHT, anywhere=True) for phrase in question.phrases]
    words = dict.fromkeys([*question.words, *(word for phrase in question.phrases for word in phrase.lower().split())])
    looked_for = [(word, _of_word(tuple(held), word)) for word in words]
    weights = {word: _telling(forms, texts) for word, forms in looked_for}
    for word, forms in sorted(looked_for, key=lambda pair: -weights[pair[0]])[:_TELLING]:
        found += [Sought(each.prefix, max(weights[word], 0.01) / len(forms), each.anywhere) for each in forms]
    return tuple(dict.fromkeys(found))


def _telling(forms: Sequence[Sought], texts: Sequence[Readied]) -> float:
    """More, the fewer texts hold a word in one of its forms."""
    holding = sum(1 for text in texts if any(map(text.holds, forms)))
    return math.log(1 + len(texts) / (1 + holding))


@lru_cache(maxsize=10_000)
def _of_word(held: tuple[str, ...], word: str) -> tuple[Sought, ...]:
    if CJK_RUN.search(word):
        return tuple(Sought(word[i : i + 2], anywhere=True) for i in range(max(len(word) - 1, 1)))
    stems = [term for name in held for term in ANALYSERS[name].terms(word)[:1]]
    found = [sought(word, stem) for stem in stems]
    return (min(found, key=lambda each: len(each.prefix)),) if found else ()
