"""The default engine: an index in a folder, without a server. tantivy for words, memory-mapped files for vectors."""

from __future__ import annotations

from pathlib import Path

from retrievers.embedded.layout import read_manifest
from retrievers.embedded.reader import EmbeddedRetriever
from retrievers.embedded.writer import EmbeddedWriter

__all__ = ["EmbeddedRetriever", "EmbeddedWriter", "embedder_of"]


def embedder_of(path: Path) -> str:
    """The name of the embedder that an index was built with, "" without vectors.

    Raises:
        ConfigError: there is no index at the path.
        IndexMismatch: a newer version wrote it.
    """
    return read_manifest(Path(path)).embedder
