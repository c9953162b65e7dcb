"""Near-duplicates in the engine: held to the contract of all engines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from retrievers.embedded import EmbeddedRetriever
from retrievers.embedders.hashing import HashingEmbedder
from retrievers.protocols import IndexWriter
from retrievers.testing_duplicates import DuplicatesContract

from .conftest import open_writer


class TestEmbeddedEngine(DuplicatesContract):
    @pytest.fixture
    def opened(self, path: Path) -> Callable[[], IndexWriter]:
        return lambda: open_writer(path)

    @pytest.fixture
    def open_reader(self, path: Path) -> Callable[[], EmbeddedRetriever]:
        return lambda: EmbeddedRetriever(path, HashingEmbedder)

    @pytest.fixture
    def open_held(self, path: Path) -> Callable[[Any], EmbeddedRetriever]:
        return lambda must: EmbeddedRetriever(path, HashingEmbedder, must=must)
