"""Every number that decides an order, and how a hybrid search mixes its legs.

The two legs are put on one scale and added (`retrievers.fusion`), and what a document's path says is added to each of
its passages. A document in a language that the embedder does not know is judged by its words alone, and so is every one
where the words of the query find mostly such documents: then the query is in their language.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from retrievers.embedded.schema import UNIT_BITS
from retrievers.fusion import LEXICAL_WEIGHT, OVER_FETCH, PRIOR_WEIGHT, SEMANTIC_WEIGHT, scaled

FIELD_BOOSTS: Final[Mapping[str, float]] = {"title": 0.5, "headings": 0.3, "name": 1.0}
"""BM25 weight of the short fields in a search by words; the text itself has 1."""

PRIOR_BOOSTS: Final[Mapping[str, float]] = {"name": 1.0}
"""BM25 weight of the fields that tell which document is meant: its path; its title is in every passage's score."""

PART_WEIGHT: Final = 0.7
"""Of the parts of a word that mixes letters and digits: `2018` of `FY2018`."""

PHRASE_WEIGHT: Final = 2.0
"""Of a quoted phrase beside other words, on top of its own words."""

COMPOUND_WEIGHT: Final = 0.5
"""Of a hyphenated word written as one: `10k` of `10-K`."""

DEPTH: Final = OVER_FETCH
"""Candidates of each leg of a hybrid search."""

_TELLING: Final = 10
"""Results by words that tell the language of a query."""

Keys = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Ranked:
    """Units (or documents: unit 0) and their scores, best first; `languages` as `rows.language_code` tells them."""

    keys: Keys
    scores: Scores
    languages: npt.NDArray[np.int64]

    @classmethod
    def empty(cls) -> Ranked:
        """Nothing found."""
        return cls(np.empty(0, np.int64), np.empty(0, np.float32), np.empty(0, np.int64))


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """What a hybrid search mixes: units by words, units by meaning (best chunk of each), documents by name.

    `rows` are the vector rows of the best chunks, beside `semantic`.
    """

    lexical: Ranked
    semantic: Ranked
    rows: npt.NDArray[np.intp]
    prior: Ranked


def mixed(
    candidates: Candidates,
    *,
    unknown_languages: frozenset[int] = frozenset(),
    prior_weight: float = PRIOR_WEIGHT,
    lexical_weight: float = LEXICAL_WEIGHT,
    semantic_weight: float = SEMANTIC_WEIGHT,
) -> Ranked:
    """One order of all candidates.

    Args:
        candidates: of both legs, and documents by name.
        unknown_languages: codes of the languages that the embedder does not know.
        prior_weight: of the document's name, against the legs.
        lexical_weight: of the words.
        semantic_weight: of the meaning.
    """
    lexical, semantic = candidates.lexical, candidates.semantic
    if unknown_languages and _is_foreign(lexical, unknown_languages):
        semantic = Ranked.empty()
    keys, firsts = np.unique(np.concatenate([lexical.keys, semantic.keys]), return_index=True)
    languages = np.concatenate([lexical.languages, semantic.languages])[firsts]
    words = _spread(lexical.keys, scaled(lexical.scores), keys)
    meaning = _spread(semantic.keys, scaled(semantic.scores), keys)
    both = lexical_weight * words + semantic_weight * meaning
    if unknown_languages:
        foreign = np.isin(languages, list(unknown_languages))
        both[foreign] = (lexical_weight + semantic_weight) * words[foreign]
    both += prior_weight * _spread(
        candidates.prior.keys, _of_best(candidates.prior.scores), keys >> UNIT_BITS << UNIT_BITS
    )
    order = np.argsort(-both, kind="stable")
    return Ranked(keys[order], both[order], languages[order])


def _is_foreign(lexical: Ranked, unknown_languages: frozenset[int]) -> bool:
    """Whether what the words find best is mostly in languages that the embedder does not know."""
    scores, languages = lexical.scores[:_TELLING], lexical.languages[:_TELLING]
    return bool(scores[np.isin(languages, list(unknown_languages))].sum() > scores.sum() / 2)


def _of_best(scores: Scores) -> Scores:
    """As a share of the best: names are short, and one that holds half of the words is worth half."""
    return scores / scores.max() if len(scores) else scores


def _spread(keys: Keys, scores: Scores, wanted: Keys) -> Scores:
    """The score of each wanted key, 0 where it has none."""
    if not len(keys):
        return np.zeros(len(wanted), np.float32)
    order = np.argsort(keys)
    places = np.minimum(np.searchsorted(keys, wanted, sorter=order), len(keys) - 1)
    found = order[places]
    return np.where(keys[found] == wanted, scores[found], np.float32(0))
