"""Rows of an index that was made by something else: found, mixed, counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from retrievers.embedded import scoring
from retrievers.embedded.scoring import Candidates, Ranked
from retrievers.servers.dialect import Json

_SPARSE: Final = 10
"""Pages for each row, at most, where the numbers of rows are taken for pages."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row that was found."""

    id: str
    score: float
    source: Json


def mixed(legs: Sequence[Sequence[Row]]) -> list[Row]:
    """The rows of both legs in one order."""
    numbers: dict[str, int] = {}
    rows: dict[int, Row] = {}
    ranked = []
    for leg in legs:
        keys = [numbers.setdefault(row.id, len(numbers)) for row in leg]
        rows |= {key: row for key, row in zip(keys, leg, strict=True) if key not in rows}
        scores = np.array([row.score for row in leg], np.float32)
        ranked.append(Ranked(np.array(keys, np.int64), scores, np.zeros(len(leg), np.int64)))
    lexical, semantic = ranked
    order = scoring.mixed(
        Candidates(lexical=lexical, semantic=semantic, rows=np.empty(0, np.intp), prior=Ranked.empty())
    )
    found = zip(order.keys.tolist(), order.scores.tolist(), strict=True)
    return [Row(rows[key].id, score, rows[key].source) for key, score in found]


def page_starts(numbers: Sequence[int], texts: Sequence[str]) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Where each page of a document begins, and the labels of the pages, from the page of each of its rows in order.

    Page n is the n-th where the numbers count the pages: several rows may make one page, and one that has no row is
    empty. Numbers that count something else (years, say) become labels of the rows.
    """
    starts = [0]
    for text in texts[:-1]:
        starts.append(starts[-1] + len(text) + 1)
    if not any(numbers):
        return (), ()
    last = max(numbers)
    if last > _SPARSE * len(numbers) + _SPARSE:
        return tuple(starts), tuple(map(str, numbers))
    end = starts[-1] + len(texts[-1])
    begins = [end] * (last + 1)
    for number, start in zip(reversed(numbers), reversed(starts), strict=True):
        begins[number] = start
    for number in range(last - 1, 0, -1):
        begins[number] = min(begins[number], begins[number + 1])
    return (0, *begins[2:]), ()
