"""Nodes of a real cluster are killed in the middle of a load: the run goes on, and nothing is lost.

Where `OPENSEARCH_CLUSTER_URL` or `ELASTICSEARCH_CLUSTER_URL` names three nodes on this machine that may be killed.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ingest.cli import main as ingest
from retrievers.errors import RetrieverError
from retrievers.registry import open_retriever
from retrievers.servers.connecting import parse_url
from retrievers.servers.opening import connect
from retrievers.servers.retriever import ServerRetriever
from tests.servers.killable import Node, cluster

pytestmark = pytest.mark.integration

FILES, RECORDS = 60, 40
WORDS = "the harbour master wrote down which ferry came in and what it carried that day " * 40


@pytest.fixture(params=["opensearch", "elasticsearch"])
def nodes(request: pytest.FixtureRequest) -> Iterator[list[Node]]:
    with cluster(str(request.param)) as nodes:
        yield nodes


@pytest.fixture
def url_of(request: pytest.FixtureRequest, nodes: list[Node]) -> Iterator[Callable[[list[Node]], str]]:
    """The URL of a new index on some of the nodes."""
    engine = request.node.callspec.params["nodes"]
    name = f"test-{uuid.uuid4().hex[:12]}"

    def made(of: list[Node]) -> str:
        return f"{engine}+http://{','.join(node.host for node in of)}/{name}"

    yield made
    for node in nodes:
        node.start()
    dialect = connect(parse_url(made(nodes)))
    dialect.request("DELETE", f"/{name}-000001")
    dialect.close()


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RLM_SEARCH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RLM_SEARCH_SERVER__SHARDS", "3")
    monkeypatch.setenv("RLM_SEARCH_SERVER__TIMEOUT_SECONDS", "20")
    folder = tmp_path / "archive"
    folder.mkdir()
    for number in range(FILES):
        records = [{"_id": f"f{number}r{n}", "text": f"{number} {n} {WORDS}"} for n in range(RECORDS)]
        (folder / f"{number:03}.jsonl").write_text("".join(json.dumps(each) + "\n" for each in records))
    return folder


class Killer(threading.Thread):
    """Kills a node as soon as some documents are there, and starts it again after a while."""

    def __init__(self, url: str, node: Node, *, back_after: float | None) -> None:
        super().__init__()
        self._url, self._node, self._back_after = url, node, back_after
        self.error: BaseException | None = None
        self.killed_at = 0

    def run(self) -> None:
        try:
            self.killed_at = self._first_documents()
            self._node.kill()
            if self._back_after is not None:
                time.sleep(self._back_after)
                self._node.start()
        except BaseException as error:
            self.error = error
            raise

    def _first_documents(self) -> int:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            with contextlib.suppress(RetrieverError):  # there is no index yet
                if found := opened(self._url).count():
                    return found
            time.sleep(0.2)
        raise TimeoutError("no documents arrived")


def opened(url: str) -> ServerRetriever:
    reader = open_retriever(url, embedder="none")
    assert isinstance(reader, ServerRetriever)
    return reader


def load(url: str, archive: Path, killer: Killer) -> int:
    """Run `ingest` while the killer is about; its exit code."""
    killer.start()
    with pytest.raises(SystemExit) as ended:
        ingest([str(archive), "--index", url, "--embedder", "none", "--workers", "1"])
    killer.join(300)
    assert killer.error is None
    return int(ended.value.code or 0)


def check_whole(url: str) -> None:
    reader = opened(url)
    expected = {f"f{number}r{n}" for number in range(FILES) for n in range(RECORDS)}
    assert {each.doc_id for each in reader.scan()} == expected
    for doc_id in sorted(expected)[::97]:
        assert reader.get(doc_id).content.split()[2:] == WORDS.split()
    reader.close()


def test_one_of_three_nodes_is_killed_and_the_load_goes_on_without_it(
    nodes: list[Node], url_of: Callable[[list[Node]], str], archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RLM_SEARCH_SERVER__REPLICAS", "1")
    monkeypatch.setenv("RLM_SEARCH_INGEST__FLUSH_DOCUMENTS", "200")
    url = url_of(nodes)
    killer = Killer(url, nodes[0], back_after=None)

    assert load(url, archive, killer) == 0
    assert 0 < killer.killed_at < FILES * RECORDS, "it was killed in the middle"
    check_whole(url_of(nodes[1:]))
    nodes[0].start()
    nodes[0].wait_for("green")
    check_whole(url)


def test_a_node_that_holds_the_only_copy_is_killed_and_the_load_goes_on_when_it_is_back(
    nodes: list[Node], url_of: Callable[[list[Node]], str], archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RLM_SEARCH_SERVER__REPLICAS", "0")
    monkeypatch.setenv("RLM_SEARCH_INGEST__FLUSH_DOCUMENTS", "200")
    url = url_of(nodes[-1:])
    killer = Killer(url, nodes[-1], back_after=3.0)

    assert load(url, archive, killer) == 0
    assert 0 < killer.killed_at < FILES * RECORDS, "it was killed in the middle"
    check_whole(url)
