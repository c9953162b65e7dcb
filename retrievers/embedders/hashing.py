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
        words = _WORD.findall(text.casefold()) or [""]
        signs = b"".join(_signs(feature) for word in words for feature in (word, word[:_STEM]))
        bits = np.unpackbits(np.frombuffer(signs, dtype=np.uint8)).reshape(-1, self.dimensions)
        vector = (bits.sum(axis=0, dtype=np.int32) * 2 - len(bits)).astype(np.float32)
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


def _signs(feature: str) -> bytes:
    """One bit a dimension."""
    return blake2b(feature.encode("utf-8", "surrogatepass"), digest_size=8).digest()
