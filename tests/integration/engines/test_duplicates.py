"""Near-duplicates on real servers: held to the contract of all engines, and copied with the index."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from retrievers.copying import compare, copy
from retrievers.embedded import EmbeddedRetriever, EmbeddedWriter
from retrievers.embedders.hashing import HashingEmbedder
from retrievers.protocols import IndexWriter
from retrievers.registry import open_retriever, open_writer
from retrievers.settings import Settings
from retrievers.testing_duplicates import DuplicatesContract, write_group
from tests.servers.search_nodes import ENGINES, fresh_index

pytestmark = pytest.mark.integration

EMBEDDER = HashingEmbedder()


@pytest.fixture(scope="module", params=ENGINES)
def group(request: pytest.FixtureRequest) -> Iterator[str]:
    with fresh_index(str(request.param)) as url:
        write_group(open_writer(url, embedder=EMBEDDER))
        yield url


class TestServers(DuplicatesContract):
    @pytest.fixture
    def url(self, group: str) -> Iterator[str]:
        with fresh_index(group.partition(":")[0].partition("+")[0]) as url:
            yield url

    @pytest.fixture
    def opened(self, url: str) -> Callable[[], IndexWriter]:
        return lambda: open_writer(url, embedder=EMBEDDER)

    @pytest.fixture
    def open_reader(self, url: str) -> Callable[[], Any]:
        return lambda: open_retriever(url, embedder=EMBEDDER)

    @pytest.fixture
    def open_held(self, group: str) -> Callable[[Any], Any]:
        return lambda must: open_retriever(
            group, embedder=EMBEDDER, settings=Settings.of({"retriever": {"must": must}})
        )

    @pytest.fixture
    def reader(self, group: str) -> Any:
        return open_retriever(group, embedder=EMBEDDER)

    def test_marks_are_copied(self, reader: Any, tmp_path: Path) -> None:
        writer = EmbeddedWriter(tmp_path / "index", embedder_name=EMBEDDER.name, dimensions=EMBEDDER.dimensions)
        copy(reader, writer)
        writer.close()

        here = EmbeddedRetriever(tmp_path / "index", HashingEmbedder)
        assert sorted({hit.doc_id for hit in here.hybrid_search("pilot fog")}) == ["fog-a", "rudder"]
        assert [each.doc_id for each in here.scan(filters={"duplicate_of": "fog-a"})] == ["fog-b", "fog-c"]
        assert compare(reader, here).is_same
