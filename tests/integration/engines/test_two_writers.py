"""Two machines write to one index at once, or one of them dies: readers see whole documents, old or new."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from retrievers.embedders.hashing import HashingEmbedder
from retrievers.registry import open_retriever, open_writer
from retrievers.servers import bulk, presence
from retrievers.servers.retriever import ServerRetriever
from retrievers.servers.writer import ServerWriter
from retrievers.testing import chunked, document
from retrievers.types import Document, IndexedDocument
from tests.servers.faulty_proxy import Proxy, held, proxy
from tests.servers.search_nodes import ENGINES, dialect_of, fresh_index, product_of, server_url

pytestmark = pytest.mark.integration

EMBEDDER = HashingEmbedder()
LENGTH = 36_000
PAGES = tuple(range(0, LENGTH, 600))


@dataclass(frozen=True)
class Shared:
    """An index, and the way of one of two machines to it."""

    engine: str
    url: str
    slow: Proxy

    @property
    def name(self) -> str:
        return self.url.rpartition("/")[2]

    def writer(self, *, is_slow: bool = False) -> ServerWriter:
        slow = f"{product_of(self.engine)}+http://{self.slow.address}/{self.name}"
        writer = open_writer(slow if is_slow else self.url, embedder=EMBEDDER)
        assert isinstance(writer, ServerWriter)
        return writer

    def reader(self) -> ServerRetriever:
        reader = open_retriever(self.url, embedder=EMBEDDER)
        assert isinstance(reader, ServerRetriever)
        return reader

    def rows(self, **terms: str) -> int:
        """How many rows there are, seen or not."""
        dialect = dialect_of(self.engine, self.name)
        dialect.request("POST", f"/{self.name}/_refresh")
        query = {"bool": {"filter": [{"term": {name: value}} for name, value in terms.items()]}}
        found = dialect.request("POST", f"/{self.name}/_count", body={"query": query})
        dialect.close()
        return int(found["count"])


@pytest.fixture(params=ENGINES)
def shared(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shared]:
    monkeypatch.setattr(bulk, "BULK_BYTES", 20_000)  # so that a document takes several requests
    engine = str(request.param)
    with fresh_index(engine) as url, proxy(server_url(engine)) as slow:
        yield Shared(engine, url, slow)


def edition(word: str) -> Document:
    """The document in sixty pages, in the edition of this word."""
    return replace(document("a", (f"{word} words " * 6_000)[:LENGTH]), pages=PAGES)


def put(writer: ServerWriter, *documents: Document) -> None:
    for each in documents:
        chunks = chunked(each, size=6_000)
        vectors = EMBEDDER.embed_documents([chunk.embedding_text for chunk in chunks])
        writer.replace([IndexedDocument(document=each, chunks=chunks, vectors=vectors)])


def seen(reader: ServerRetriever) -> set[str]:
    """Which editions the searches find, the counts count and the reads read."""
    found = set()
    for search in (reader.search, reader.vector_search, reader.hybrid_search):
        found |= {hit.preview.split()[0] for hit in search("old or new words", top_k=100, filters={"doc_id": "a"})}
    assert len(reader.search("words", top_k=200)) == len(PAGES)
    found |= {word for word in ("old", "new") if reader.count(word)}
    found |= {reader.get("a").content.split()[0], reader.read_pages("a", 60, 60)[0].text.split()[0]}
    return found


def test_a_flush_of_one_shows_nothing_that_the_other_has_half_sent(shared: Shared) -> None:
    first = shared.writer()
    put(first, edition("old"))
    first.flush()
    reader = shared.reader()
    second = shared.writer(is_slow=True)
    waits, goes_on = threading.Event(), threading.Event()
    shared.slow.fault = held(b"#head", waits, goes_on)
    writing = threading.Thread(target=lambda: (put(second, edition("new")), second.flush()))  # type: ignore[func-returns-value]
    writing.start()

    assert waits.wait(30)
    first.flush()
    assert shared.rows(kind="unit") > len(PAGES), "the other one has sent something"
    assert seen(reader) == {"old"}
    takes_away, ends = threading.Event(), threading.Event()
    shared.slow.fault = held(b'"delete"', takes_away, ends)
    goes_on.set()
    assert takes_away.wait(30)
    first.flush()
    assert shared.rows(kind="unit") > len(PAGES), "the old rows are still there"
    assert seen(reader) == {"new"}

    ends.set()
    writing.join(30)
    second.close()
    first.close()
    assert seen(reader) == {"new"}
    assert shared.rows(kind="unit") == len(PAGES)
    assert shared.rows(kind="writer") == 0


def test_what_a_crash_left_half_sent_is_not_seen_and_goes_in_time(
    shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = shared.writer()
    put(first, edition("old"))
    first.close()
    crashed = shared.writer()
    monkeypatch.setattr(crashed._bulk, "settle", lambda: pytest.fail("it does not come to that"))
    put(crashed, edition("new"))
    crashed._bulk._wait()
    crashed._bulk._actions.clear()  # the head among them
    crashed._dialect.close()

    other = shared.writer()
    put(other, document("b", "something else"))
    other.close()
    assert shared.rows(kind="unit") > len(PAGES) + 1
    assert seen(shared.reader()) == {"old"}

    now = time.time()
    monkeypatch.setattr("time.time", lambda: now + 2 * presence.FORGOTTEN_SECONDS)
    shared.writer().close()
    assert shared.rows(kind="unit") == len(PAGES) + 1
    assert shared.rows(kind="writer") == 0
    assert seen(shared.reader()) == {"old"}


def test_of_two_who_write_one_document_at_the_same_moment_one_is_told(shared: Shared) -> None:
    first, second = shared.writer(), shared.writer()
    assert first.holds("a") == second.holds("a") == ""
    put(first, edition("old"))
    put(second, edition("new"))
    first.flush()
    second.flush()

    assert first.take_refused() == {}
    assert "same moment" in second.take_refused()["a"]
    assert seen(shared.reader()) == {"old"}
    put(second, edition("new"))
    second.close()
    first.close()
    assert seen(shared.reader()) == {"new"}
    assert shared.rows(kind="unit") == len(PAGES)


def test_writing_the_same_again_changes_nothing(shared: Shared) -> None:
    for _ in range(2):
        writer = shared.writer()
        put(writer, edition("old"))
        put(writer, edition("new"))
        put(writer, edition("old"))
        writer.close()
        assert writer.take_refused() == {}

    assert seen(shared.reader()) == {"old"}
    assert shared.rows(kind="unit") == len(PAGES)
    assert shared.reader().describe().vectors == shared.rows(kind="vector")


def test_a_document_that_gets_its_vectors_and_another_source_in_one_batch_is_no_conflict(shared: Shared) -> None:
    writer = shared.writer()
    each = document("a", "a lighthouse")
    chunks = chunked(each)
    writer.replace([IndexedDocument(document=each, chunks=chunks)])
    writer.flush()
    vectors = EMBEDDER.embed_documents([chunk.embedding_text for chunk in chunks])
    writer.set_vectors("a", each.content_hash, vectors)
    other = replace(each, sources=("one.txt", "two.txt"))
    writer.replace([IndexedDocument(document=other, chunks=chunks, vectors=vectors)])
    writer.close()

    assert writer.take_refused() == {}
    assert shared.reader().get("a").sources == ("one.txt", "two.txt")
    assert shared.rows(kind="vector") == len(chunks)


@pytest.mark.parametrize("ends", ["well", "in a crash"])
def test_the_interval_that_an_index_had_is_put_back(shared: Shared, ends: str) -> None:
    shared.writer().close()
    dialect = dialect_of(shared.engine, shared.name)
    dialect.request("PUT", f"/{shared.name}/_settings", body={"index": {"refresh_interval": "7s"}})

    writer = shared.writer()
    put(writer, document("b", "something"))
    if ends == "well":
        writer.close()
    else:
        writer._dialect.close()
        shared.writer().close()

    (found,) = dialect.request("GET", f"/{shared.name}/_settings").values()
    dialect.close()
    assert found["settings"]["index"]["refresh_interval"] == "7s"
