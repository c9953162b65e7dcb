"""An embedder for tests: words hashed to directions. Deterministic, instant, no model, any language.

Texts that share words, or the beginnings of words, are near each other; it knows nothing of meaning.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, cast

import numpy as np

from retrievers.errors import ConfigError
from retrievers.types import Matrix, Vector

if TYPE_CHECKING:
    from retrievers.settings import EmbedderSettings

_WORD = re.compile(r"\w+")
_STEM = 5  # characters: "embedder" and "embedding" share a direction besides their own


class HashingEmbedder:
    """Feature hashing (Weinberger et al. 2009) of words and word beginnings into 64 signed dimensions."""

    name = "hashing-64"
    dimensions = 64
    languages: frozenset[str] | None = None

    def embed_documents(self, texts: Sequence[str]) -> Matrix:
        """One unit vector a text, in order: n x 64."""
        return np.array([self.embed_query(text) for text in texts], dtype=np.float32).reshape(-1, self.dimensions)

    def embed_query(self, text: str) -> Vector:
        """The unit vector of the text."""
        vector = np.zeros(self.dimensions, dtype=np.float32)
        for word in _WORD.findall(text.casefold()) or [""]:
            for feature in (word, word[:_STEM]):
                vector += _direction(feature)
        length = np.linalg.norm(vector)
        if length == 0:  # features that cancel out: no direction at all, so any fixed one
            vector[0], length = 1, np.float32(1)
        return cast(Vector, vector / length)


def open_hashing(argument: str, settings: EmbedderSettings, key: str) -> HashingEmbedder:
    """For the registry.

    Raises:
        ConfigError: an argument, which it does not take.
    """
    if argument:
        raise ConfigError(f"the embedder `hashing` takes no argument, and `{argument}` was given")
    return HashingEmbedder()


def _direction(feature: str) -> Vector:
    digest = blake2b(feature.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    bits = np.unpackbits(np.frombuffer(digest, dtype=np.uint8))
    return bits.astype(np.float32) * 2 - 1
