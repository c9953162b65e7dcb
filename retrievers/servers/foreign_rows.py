"""Rows of an index that was made by something else: found, mixed, counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from retrievers.embedded import scoring
from retrievers.embedded.scoring import Candidates, Ranked
from retrievers.servers.dialect import Json
from retrievers.types import Facet


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


def facet_of(bucket: Mapping[str, Any], kind: str) -> Facet:
    """A bucket of a count by values, of a field of this type."""
    if kind == "boolean":
        return Facet(value=bool(bucket["key"]), count=bucket["doc_count"])
    if kind == "date":
        return Facet(value=str(bucket.get("key_as_string", bucket["key"])), count=bucket["doc_count"])
    return Facet(value=bucket["key"], count=bucket["doc_count"])
