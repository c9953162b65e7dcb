"""Reranking by a cross-encoder: a small model that reads query and passage together and gives a score."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any, TypeAlias

from retrievers.errors import ConfigError
from retrievers.plugins import require
from retrievers.rerankers.protocols import H, passage_of

Scorer: TypeAlias = Callable[[Sequence[tuple[str, str]]], Sequence[float]]
"""Pairs of query and passage, and the score of each."""


class CrossEncoderReranker:
    """Orders results by the scores of a cross-encoder, which is loaded at its first use.

    Args:
        model: the name or folder of a model of sentence-transformers (extra `sentence-transformers`), or a function
            that scores pairs.
        passage_characters: of each result that it sees.

    Raises:
        ConfigError: at the first use, where the extra is missing or the model cannot be loaded.
    """

    def __init__(self, model: str | Scorer, *, passage_characters: int = 2_000) -> None:
        self._model = model
        self._passage_characters = passage_characters
        self._lock = Lock()

    def rerank(self, query: str, hits: Sequence[H], *, top_k: int = 10) -> list[H]:
        """The best `top_k` of the results; equal scores keep their order."""
        if not hits:
            return []
        pairs = [(query, passage_of(hit, self._passage_characters)) for hit in hits]
        scores = [float(score) for score in self._scorer()(pairs)]
        best = sorted(range(len(hits)), key=lambda n: -scores[n])
        return [hits[n] for n in best[: max(top_k, 0)]]

    def _scorer(self) -> Scorer:
        with self._lock:
            if isinstance(self._model, str):
                self._model = _loaded(self._model)
            return self._model


def _loaded(name: str) -> Scorer:
    library: Any = require(
        "sentence_transformers", extra="sentence-transformers", purpose="reranking by a cross-encoder"
    )
    try:
        model = library.CrossEncoder(name)
    except (OSError, ValueError) as error:
        raise ConfigError(f"the cross-encoder `{name}` cannot be loaded ({type(error).__name__})") from error
    scorer: Scorer = model.predict
    return scorer
