"""Rows that were found as hits: each with the passage that matches."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from retrievers.embedded.analysis import ANALYSERS, CJK_RUN
from retrievers.embedded.querying import Question
from retrievers.servers.dialect import Json
from retrievers.snippets import Sought, fold, folded_whitespace, passage, sought
from retrievers.types import Hit

_PHRASE_WEIGHT: Final = 20.0
_TELLING: Final = 12
"""Words, the rarest, that a passage is chosen by."""


def text_of(source: Mapping[str, Any]) -> str:
    """The text of a unit, whatever its language; with its furniture, which is not indexed, where it has some."""
    if "whole" in source:
        return str(source["whole"])
    return next((str(value) for name, value in source.items() if name.startswith("text_")), "")


def hit_of(source: Json, score: float, sought_for: Sequence[Sought], within: tuple[int, int] | None) -> Hit:
    """The hit of a unit: its best passage, within the given span of the document where there is one."""
    about, text = source["hit"], text_of(source)
    start, end = source["start"], source["end"]
    if within is not None and max(start, within[0]) < min(end, within[1]):
        first, last = max(start, within[0]), min(end, within[1])
        start, text = first, text[first - source["start"] : last - source["start"]]
    begin, finish = passage(text, sought_for)
    return Hit(
        doc_id=source["doc_id"],
        chunk_id=about["chunk_id"],
        preview=folded_whitespace(text[begin:finish]),
        score=score,
        start=start + begin,
        end=start + finish,
        pages=(about["page"],) if about["page"] else (),
        title=about["title"],
        source=about["source"],
        metadata=shown_metadata(about),
    )


def shown_metadata(about: Json) -> Mapping[str, Any]:
    """The metadata of a document, with the mark of a near-duplicate."""
    mark = {"duplicate_of": about["duplicate_of"]} if "duplicate_of" in about else {}
    return {**about["metadata"], **mark}


def wanted(question: Question, held: Sequence[str], texts: Sequence[str]) -> tuple[Sought, ...]:
    """What passages should hold; a word that stands in few of the texts that were found tells more than one in all."""
    found = [Sought(fold(phrase), _PHRASE_WEIGHT, anywhere=True) for phrase in question.phrases]
    words = dict.fromkeys([*question.words, *(word for phrase in question.phrases for word in phrase.lower().split())])
    folded = [fold(text) for text in texts]
    looked_for = [(word, _of_word(held, word)) for word in words]
    weights = {
        word: math.log(1 + len(folded) / (1 + sum(any(each.prefix in text for each in forms) for text in folded)))
        for word, forms in looked_for
    }
    for word, forms in sorted(looked_for, key=lambda pair: -weights[pair[0]])[:_TELLING]:
        found += [Sought(each.prefix, max(weights[word], 0.01) / len(forms), each.anywhere) for each in forms]
    return tuple(dict.fromkeys(found))


def _of_word(held: Sequence[str], word: str) -> list[Sought]:
    if CJK_RUN.search(word):
        return [Sought(word[i : i + 2], anywhere=True) for i in range(max(len(word) - 1, 1))]
    stems = [term for name in held for term in ANALYSERS[name].terms(word)[:1]]
    found = [sought(word, stem) for stem in stems]
    return [min(found, key=lambda each: len(each.prefix))] if found else []
