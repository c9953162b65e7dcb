"""Reclaim dead vector rows: copy the living ones to the files of a new generation."""

from __future__ import annotations

from typing import Final

import numpy as np

from retrievers.embedded.vectors import COLUMNS, VectorFiles, VectorMap

_BLOCK: Final = 16_384


def dead_share(vectors: VectorMap) -> float:
    """Which part of the rows belongs to documents that are gone."""
    return 1 - vectors.live_count / len(vectors) if len(vectors) else 0.0


def copy_live_rows(vectors: VectorMap, target: VectorFiles) -> None:
    """Append the living rows, in bounded memory."""
    alive = np.arange(len(vectors)) if vectors.live is None else np.flatnonzero(vectors.live)
    for begin in range(0, len(alive), _BLOCK):
        rows = alive[begin : begin + _BLOCK]
        target.extend({column: getattr(vectors, column)[rows] for column in COLUMNS})
