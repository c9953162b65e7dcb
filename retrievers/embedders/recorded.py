"""The embedder of an index by name alone: enough to write to it, not to embed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from retrievers.errors import ConfigError
from retrievers.types import Matrix, Vector


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedEmbedder:
    """The embedder of an index by name: enough to open it for writing, not to embed."""

    name: str
    dimensions: int
    languages: frozenset[str] | None = None

    def embed_documents(self, texts: Sequence[str]) -> Matrix:
        """Not this one."""
        raise ConfigError(f"the embedder {self.name} is not open")

    def embed_query(self, text: str) -> Vector:
        """Not this one."""
        raise ConfigError(f"the embedder {self.name} is not open")
