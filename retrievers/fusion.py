"""Fusion: merge rankings of the same things that do not share a scale.

The default is the normalised mix: each leg's scores are put on one scale by their own mean and spread, weighted and
added. It is the convex combination of Bruch, Gai and Ingber ("An Analysis of Fusion Functions for Hybrid Retrieval",
TOIS 2023) over distribution-based scores (as in OpenSearch's `z_score` and Qdrant's `dbsf`), which keeps a leg whose
best result stands out apart from one whose candidates are all alike; min-max scaling stretches both to the same top.
Reciprocal rank fusion (Cormack, Clarke and Buettcher, SIGIR 2009) is there for legs whose scores mean nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeAlias, TypeVar

if TYPE_CHECKING:  # what needs no scaled scores needs no numpy
    import numpy as np
    import numpy.typing as npt

K = TypeVar("K", bound=Hashable)
Ranking: TypeAlias = Sequence[tuple[K, float]]
"""Keys with scores, best first."""

Scores: TypeAlias = "npt.NDArray[np.floating]"
"""The scores of one leg, best first."""

LEXICAL_WEIGHT: Final = 0.8
SEMANTIC_WEIGHT: Final = 1.2
PRIOR_WEIGHT: Final = 0.75
"""What words, meaning and the name of the document count in a hybrid search (docs/decisions/0005-fusion.md)."""

OVER_FETCH: Final = 200
"""How many results each leg contributes at least: what only one leg ranks high must reach the mix."""


@dataclass(frozen=True, slots=True)
class Leg(Generic[K]):
    """One ranking and how much it counts."""

    ranking: Ranking[K]
    weight: float = 1.0


def depth_for(top_k: int) -> int:
    """How deep to ask each leg for a fused list of `top_k`."""
    return max(OVER_FETCH, 2 * top_k)


def normalised_mix(legs: Sequence[Leg[K]], *, prior: Callable[[K], float] | None = None) -> list[tuple[K, float]]:
    """Add the legs' scaled scores, and a prior of each key where one is given.

    Args:
        legs: a leg without results, or of weight 0, changes nothing.
        prior: a score of the key itself, such as that of its document, already weighted.

    Returns:
        Every key of every leg, best first; ties in the order in which the legs name them.
    """
    import numpy as np

    mixed: dict[K, float] = {}
    for leg in legs:
        if leg.weight == 0:
            continue
        for (key, _), score in zip(leg.ranking, scaled(np.array([s for _, s in leg.ranking])).tolist(), strict=True):
            mixed[key] = mixed.get(key, 0.0) + leg.weight * score
    if prior is not None:
        mixed = {key: score + prior(key) for key, score in mixed.items()}
    return _sorted(mixed)


def reciprocal_rank(legs: Sequence[Leg[K]], *, k: int = 60) -> list[tuple[K, float]]:
    """Add `weight / (k + rank)` over the legs, ranks from 1; best first."""
    fused: dict[K, float] = {}
    for leg in legs:
        for rank, (key, _) in enumerate(leg.ranking, start=1):
            fused[key] = fused.get(key, 0.0) + leg.weight / (k + rank)
    return _sorted({key: score for key, score in fused.items() if score > 0})


def scaled(scores: Scores) -> Scores:
    """Put scores on the common scale: 0 at one standard deviation below their mean and under, 1 at three above it.

    What a leg did not find counts 0, as its worst candidates do. Scores that are all equal are all 1.
    """
    import numpy as np

    if not len(scores):
        return scores
    spread = scores.std()
    if spread <= 1e-9 * max(abs(float(scores.max())), 1e-9):
        return np.ones_like(scores)
    on_scale: Scores = np.maximum((scores - scores.mean()) / (4 * spread) + 0.25, 0)
    return on_scale


def _sorted(scores: dict[K, float]) -> list[tuple[K, float]]:
    return sorted(scores.items(), key=lambda entry: -entry[1])
