"""Nearest vectors by scanning: signs of a big index, int8 rows in blocks for candidates, float16 rows for the order.

A scan is bound by the memory that it reads. So where there are many rows, the ones whose signs differ from the query's
in the fewest places are found first, an eighth of their bytes (binary quantisation with rescoring: Yamada, Asai and
Hajishirzi, "Efficient Passage Retrieval with Hashing", ACL 2021), and only a share of the rows is read further.

The query is made int8 as the rows are, so that a block is one call of simsimd: products of int8 in the processor's
own instructions for them, with no float copy of the rows. What the rounding moves is put right by the exact order, for
which more candidates are kept than are wanted.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import simsimd

from retrievers.embedded.vectors import Rows, VectorMap, quantise, signs
from retrievers.types import Vector

BLOCK: Final = 4096
"""Rows that are gathered in a step: they stay in the processor's cache."""

RUN: Final = 16_384
"""Rows in a step where all are scanned as they lie: other threads have their turn between steps."""

SCREENED_ABOVE: Final = 65_536
"""Rows from which on their signs are screened first; fewer are scanned all, in some milliseconds."""

SHARE: Final = 16
SPARE: Final = 16
"""Of the screened rows one in SHARE is scanned, at least SPARE x as many as candidates are kept."""

EXTRA: Final = 64
FACTOR: Final = 4
"""Candidates of the int8 scan: FACTOR x wanted + EXTRA."""

NEVER: Final = 2**16 - 1
"""More places than a row has: it is dead."""

Scores = npt.NDArray[np.float32]


def nearest(vectors: VectorMap, query: Vector, wanted: int, allowed: Rows | None) -> tuple[Rows, Scores]:
    """The rows most similar to the query, best first, with their exact similarity (dot product).

    Only the rows in `allowed` (ascending) where it is given, else all live ones.
    """
    candidates, _ = _candidates(vectors, query, FACTOR * wanted + EXTRA, allowed)
    return _exactly(vectors, query, candidates, wanted)


def nearest_units(vectors: VectorMap, query: Vector, wanted: int, allowed: Rows | None) -> tuple[Rows, Scores]:
    """The best row of each of the most similar units, best first, with its exact similarity."""
    limit = FACTOR * wanted + EXTRA
    while True:
        rows, scores = _candidates(vectors, query, limit, allowed)
        rows = rows[np.argsort(-scores, kind="stable")]
        firsts = np.sort(np.unique(vectors.unit_keys(rows), return_index=True)[1])  # of each unit the best row
        if len(firsts) >= wanted or len(rows) < limit:
            break
        limit *= FACTOR
    return _exactly(vectors, query, rows[firsts[: wanted + wanted // 4 + EXTRA]], wanted)


def _exactly(vectors: VectorMap, query: Vector, rows: Rows, wanted: int) -> tuple[Rows, Scores]:
    exact = np.vecdot(vectors.f16[rows].astype(np.float32), query)
    order = np.argsort(-exact, kind="stable")[:wanted]
    return rows[order], exact[order]


def _candidates(vectors: VectorMap, query: Vector, limit: int, allowed: Rows | None) -> tuple[Rows, Scores]:
    """The best rows by their int8 values, in no order: fewer than `limit` only where there are no more."""
    asked, asked_scale = quantise(query[None, :])
    if len(vectors.sign) and (len(vectors) if allowed is None else len(allowed)) > SCREENED_ABOVE:
        allowed = _screened(vectors, signs(asked), limit, allowed)
    total = len(vectors) if allowed is None else len(allowed)
    best = _Best(limit)
    live = vectors.live if allowed is None else None
    step = RUN if allowed is None else BLOCK
    for begin in range(0, total, step):
        end = min(begin + step, total)
        rows: slice | Rows = slice(begin, end) if allowed is None else allowed[begin:end]
        products = np.asarray(simsimd.cdist(asked, vectors.i8[rows], metric="dot"))[0]
        scores = products.astype(np.float32) * vectors.scale[rows] * asked_scale
        if live is not None:
            scores[~live[begin:end]] = -np.inf
        best.offer(scores, begin)
    found, scores = best.found()
    return (found if allowed is None else allowed[found]), scores


def _screened(vectors: VectorMap, asked: npt.NDArray[np.uint8], limit: int, allowed: Rows | None) -> Rows | None:
    """The rows whose signs are most like the query's, ascending; None for all."""
    total = len(vectors) if allowed is None else len(allowed)
    wanted = max(total // SHARE, SPARE * limit)
    if wanted > total // 2:
        return allowed
    differing = np.empty(total, np.uint16)
    for begin in range(0, total, RUN):
        rows = slice(begin, begin + RUN) if allowed is None else allowed[begin : begin + RUN]
        found = np.asarray(simsimd.cdist(asked, vectors.sign[rows], metric="hamming", dtype="bin8"))
        differing[begin : begin + RUN] = found[0]
    if allowed is None and vectors.live is not None:
        differing[~vectors.live] = NEVER
    most = int(np.searchsorted(np.cumsum(np.bincount(differing)), wanted))
    near = np.flatnonzero(differing <= min(most, NEVER - 1))
    return near if allowed is None else allowed[near]


class _Best:
    """The positions of the highest scores seen, without keeping all of them."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._threshold = np.float32(-np.inf)
        self._positions: list[Rows] = []
        self._scores: list[Scores] = []
        self._held = 0

    def offer(self, scores: Scores, offset: int) -> None:
        above = np.flatnonzero(scores > self._threshold)
        self._positions.append(above + offset)
        self._scores.append(scores[above])
        self._held += len(above)
        if self._held > 4 * self._limit:
            self._shrink()

    def found(self) -> tuple[Rows, Scores]:
        self._shrink()
        return self._positions[0], self._scores[0]

    def _shrink(self) -> None:
        positions = np.concatenate([np.empty(0, np.intp), *self._positions])
        scores = np.concatenate([np.empty(0, np.float32), *self._scores])
        if len(scores) > self._limit:
            kept = np.argpartition(scores, -self._limit)[-self._limit :]
            positions, scores = positions[kept], scores[kept]
            self._threshold = scores.min()
        self._positions, self._scores, self._held = [positions], [scores], len(scores)
