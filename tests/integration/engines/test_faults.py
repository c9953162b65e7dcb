"""What goes wrong on the way to a real server has the right fate and a sentence that helps: no traceback, no secret."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ingest.cli import main as ingest
from retrievers.errors import ConfigError, EngineRejected, EngineUnavailable, RetrieverError
from retrievers.protocols import IndexWriter, Refuses, RetrieverProtocol
from retrievers.registry import open_retriever, open_writer
from retrievers.servers.retriever import ServerRetriever
from retrievers.settings import Settings
from retrievers.testing import chunked, document
from retrievers.types import Document, IndexedDocument
from rlm_search.cli.commands import main as rlm_search
from tests.servers.certificates import make_certificate
from tests.servers.faulty_proxy import Fault, Handler, Proxy, asleep, busy, half, html, locked, overdue, proxy
from tests.servers.search_nodes import ENGINES, dialect_of, fresh_index, product_of

pytestmark = pytest.mark.integration

SLOW = bool(os.environ.get("RLM_SEARCH_TEST_SLOW"))


@dataclass(frozen=True)
class Way:
    """An index behind a proxy."""

    engine: str
    name: str
    proxy: Proxy

    def url(self, scheme: str = "http") -> str:
        return f"{product_of(self.engine)}+{scheme}://{self.proxy.address}/{self.name}"

    def open(self, **server: object) -> RetrieverProtocol:
        return open_retriever(self.url(), embedder="none", settings=Settings.of({"server": server}))

    def write(self, *texts: str) -> None:
        writer = open_writer(self.url(), embedder=None)
        try:
            for number, text in enumerate(texts):
                each = document(f"d{number}", text)
                writer.replace([IndexedDocument(document=each, chunks=chunked(each))])
            writer.flush()
        finally:
            writer.close()


@pytest.fixture(params=ENGINES)
def way(request: pytest.FixtureRequest) -> Iterator[Way]:
    engine = str(request.param)
    with fresh_index(engine) as url, proxy(os.environ[f"{engine.upper()}_URL"]) as between:
        yield Way(engine, url.rpartition("/")[2], between)


def test_a_busy_server_is_written_to_in_the_end(way: Way) -> None:
    way.write("first")
    way.proxy.fault = busy(3)

    way.write("second", "third")

    assert {hit.doc_id for hit in way.open().search("second third")} == {"d0", "d1"}
    assert sum("_bulk" in line for line in way.proxy.seen) >= 5


@pytest.mark.skipif(not SLOW, reason="takes a minute: RLM_SEARCH_TEST_SLOW says so")
def test_a_server_that_is_busy_for_a_minute_is_waited_for(way: Way) -> None:
    way.write("first")
    way.proxy.fault = busy_until(time.monotonic() + 60)

    way.write("second", "third")

    assert {hit.doc_id for hit in way.open().search("second third")} == {"d0", "d1"}
    asked = sum("_bulk" in line for line in way.proxy.seen)
    assert 5 < asked < 40, "pauses grow"


def test_a_bulk_whose_answer_is_cut_in_half_is_sent_again_and_harms_nothing(way: Way) -> None:
    way.write("first")
    way.proxy.fault = half(2, "_bulk")

    way.write("second", "third")

    reader = way.open()
    assert {hit.doc_id for hit in reader.search("second third")} == {"d0", "d1"}
    assert isinstance(reader, ServerRetriever)
    assert reader.count() == 2


def test_a_bulk_that_takes_longer_than_anybody_waits_is_sent_again_and_harms_nothing(way: Way) -> None:
    way.write("first")
    way.proxy.fault = overdue(2, seconds=4)
    writer = open_writer(way.url(), embedder=None, settings=Settings.of({"server": {"timeout_seconds": 2}}))
    for name, text in (("d0", "second"), ("d1", "third")):
        each = document(name, text)
        writer.replace([IndexedDocument(document=each, chunks=chunked(each))])
    writer.flush()
    assert isinstance(writer, Refuses)
    assert not writer.take_refused()
    writer.close()

    reader = way.open()
    assert isinstance(reader, ServerRetriever)
    assert [(hit.doc_id, hit.preview) for hit in reader.search("first second")] == [("d0", "second")]
    assert [each.document.text for each in reader.export()] == ["second", "third"]
    assert sum("_bulk" in line for line in way.proxy.seen) >= 4


def test_a_server_that_is_gone_in_a_bulk_and_comes_back_is_waited_for(way: Way) -> None:
    way.write("first")
    left = [6]

    def gone(handler: Handler) -> bool:
        left[0] -= 1
        return left[0] > 0 and _hang_up(handler)

    writer = open_writer(way.url(), embedder=None)
    way.proxy.fault = gone
    each = document("d1", "second")
    writer.replace([IndexedDocument(document=each, chunks=chunked(each))])
    writer.flush()
    writer.close()
    assert way.open().search("second")[0].doc_id == "d1"


def test_a_server_that_is_not_there_ends_a_run_at_once(
    way: Way, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RLM_SEARCH_HOME", str(tmp_path / "home"))
    (tmp_path / "a.txt").write_text("A lighthouse.")
    nowhere = f"{product_of(way.engine)}+http://127.0.0.1:9/archive"
    begin = time.monotonic()

    for command, words in (
        (ingest, [str(tmp_path / "a.txt"), "--index", nowhere, "--embedder", "none"]),
        (rlm_search.main, ["search", "lighthouse", "--index", nowhere]),
    ):
        with pytest.raises(SystemExit) as ended:
            command(words)
        told = capsys.readouterr().err
        assert ended.value.code == 6
        assert "127.0.0.1:9/archive does not answer" in told
        assert "hint: check that it runs" in told
        assert "Traceback" not in told
    assert time.monotonic() - begin < 60


def test_a_mapping_of_somebody_else_that_conflicts_costs_one_document(way: Way) -> None:
    way.write("first")
    dialect = dialect_of(way.engine, way.name)
    numbers = {"k": {"properties": {"poison": {"type": "integer", "ignore_malformed": False}}}}
    dialect.request("PUT", f"/{way.name}/_mapping", body={"properties": numbers})
    dialect.close()

    writer = open_writer(way.url(), embedder=None)
    for each in (document("bad", "poisoned", poison="no number"), document("good", "harmless")):
        writer.replace([IndexedDocument(document=each, chunks=chunked(each))])
    writer.flush()
    assert isinstance(writer, Refuses)
    refused = writer.take_refused()
    writer.close()
    assert list(refused) == ["bad"]
    assert "poison" in refused["bad"]
    assert [hit.doc_id for hit in way.open().search("poisoned harmless")] == ["good"]


def test_an_index_that_is_deleted_under_a_writer_is_told_and_not_made_again(way: Way) -> None:
    way.write("first")
    writer = open_writer(way.url(), embedder=None)
    dialect = dialect_of(way.engine, way.name)
    dialect.request("DELETE", f"/{way.name}-000001")
    each = document("d1", "second")

    with pytest.raises(ConfigError, match=r"was deleted|there is no index"):
        flushed(writer, each)
    with pytest.raises(ConfigError):
        writer.close()
    assert not dialect.request("GET", f"/{way.name}-000001/_mapping")
    dialect.close()


def test_a_gateway_that_answers_html_to_a_writer_ends_the_run(way: Way) -> None:
    way.write("first")
    writer = open_writer(way.url(), embedder=None)
    way.proxy.fault = html
    each = document("d1", "second")

    with pytest.raises(RetrieverError, match=r"no search server|is no Elasticsearch"):
        flushed(writer, each)
    way.proxy.fault = None
    writer.close()


def test_a_server_that_is_older_than_the_client_says_so(way: Way) -> None:
    way.proxy.fault = older

    with pytest.raises(RetrieverError, match="too old") as refused:
        way.open()
    assert "8.14" in refused.value.hint


def test_half_an_answer_is_asked_for_again(way: Way) -> None:
    way.write("a lighthouse")
    reader = way.open()
    way.proxy.fault = half(1)

    assert reader.search("lighthouse")[0].doc_id == "d0"


def test_a_slow_server_is_not_waited_for_without_end(way: Way) -> None:
    way.write("a lighthouse")
    reader = way.open(timeout_seconds=0.5)
    awake = threading.Event()
    way.proxy.fault = asleep(30, awake)

    with pytest.raises(EngineUnavailable, match=r"takes too long|does not answer"):
        reader.search("lighthouse")
    awake.set()
    way.proxy.fault = None
    assert reader.search("lighthouse")


def test_a_gateway_that_answers_html_is_no_search_server(way: Way) -> None:
    way.write("a lighthouse")
    way.proxy.fault = html

    with pytest.raises(RetrieverError, match=r"no search server|is no Elasticsearch") as refused:
        way.open()
    assert "check" in refused.value.hint


@pytest.mark.parametrize("password", ["", "wr0ng-passw0rd"])
def test_a_wrong_password_is_told_and_not_repeated(way: Way, password: str, monkeypatch: pytest.MonkeyPatch) -> None:
    way.write("a lighthouse")
    way.proxy.fault = locked("reader", "r1ght")
    monkeypatch.setenv(f"{product_of(way.engine).upper()}_USER", "reader")
    monkeypatch.setenv(f"{product_of(way.engine).upper()}_PASSWORD", password)

    with pytest.raises(ConfigError, match="does not let us in") as refused:
        way.open()
    assert "wr0ng" not in f"{refused.value.message}{refused.value.hint}"
    assert refused.value.exit_code == 5
    monkeypatch.setenv(f"{product_of(way.engine).upper()}_PASSWORD", "r1ght")
    assert way.open().search("lighthouse")


@pytest.mark.parametrize(
    ("days", "knows_it", "message"), [(-1, True, "expired"), (30, False, "not trusted"), (90, True, "not yet valid")]
)
def test_a_certificate_that_is_not_trusted_is_refused(
    way: Way, tmp_path: Path, days: int, knows_it: bool, message: str
) -> None:
    certificate = make_certificate(tmp_path, days=days, begin=60 if message == "not yet valid" else -60)
    settings = Settings.of({"server": {"ca_file": str(certificate)}}) if knows_it else None
    with proxy(way.proxy.target, certificate) as behind_tls:
        url = Way(way.engine, way.name, behind_tls).url("https")
        with pytest.raises(ConfigError, match=message):
            open_retriever(url, settings=settings)


def test_the_authority_of_a_certificate_can_be_named(way: Way, tmp_path: Path) -> None:
    way.write("a lighthouse")
    certificate = make_certificate(tmp_path, days=30)
    with proxy(way.proxy.target, certificate) as behind_tls:
        settings = Settings.of({"server": {"ca_file": str(certificate)}})
        reader = open_retriever(Way(way.engine, way.name, behind_tls).url("https"), settings=settings)
        assert reader.search("lighthouse")


def test_an_index_that_is_deleted_under_a_reader_is_told(way: Way) -> None:
    way.write("a lighthouse")
    reader = way.open()
    dialect = dialect_of(way.engine, way.name)
    dialect.request("DELETE", f"/{way.name}-000001")

    with pytest.raises(ConfigError, match="there is no index"):
        reader.search("lighthouse")
    dialect.close()


def test_an_alias_of_two_indexes_is_refused(way: Way) -> None:
    way.write("a lighthouse")
    dialect = dialect_of(way.engine, way.name)
    dialect.request("PUT", f"/{way.name}-000002", body={"aliases": {way.name: {}}})
    dialect.close()

    for opening in (way.open, lambda: way.write("more")):
        with pytest.raises(ConfigError, match="stands for 2 indexes"):
            opening()


def test_an_index_without_room_ends_the_run_and_goes_on_when_there_is_some(way: Way) -> None:
    way.write("a lighthouse")
    _block(way, True)

    with pytest.raises(RetrieverError, match="takes no writes") as refused:
        way.write("another one")
    assert "room" in refused.value.hint
    _block(way, None)
    way.write("another one")
    assert way.open().search("another")


def test_an_opensearch_is_no_elasticsearch(way: Way) -> None:
    if way.engine != "opensearch":
        pytest.skip("the client of OpenSearch asks nobody what he is")
    way.write("a lighthouse")

    with pytest.raises(EngineRejected, match="it is no Elasticsearch"):
        open_retriever(way.url().replace("opensearch", "elasticsearch", 1))


def test_a_server_that_goes_away_under_a_reader_comes_back(way: Way) -> None:
    way.write("a lighthouse")
    reader = way.open()
    gone: Fault = _hang_up
    way.proxy.fault = gone

    with pytest.raises(EngineUnavailable, match="does not answer"):
        reader.search("lighthouse")
    way.proxy.fault = None
    assert reader.search("lighthouse")


def flushed(writer: IndexWriter, each: Document) -> None:
    writer.replace([IndexedDocument(document=each, chunks=chunked(each))])
    writer.flush()


def older(handler: Handler) -> bool:
    """A server that does not know what the client library says it can read."""
    told = b'{"error":{"type":"media_type_header_exception","reason":"Invalid media-type value"},"status":400}'
    handler.answer(400, told, {"content-type": "application/json", "x-elastic-product": "Elasticsearch"})
    return True


def busy_until(moment: float) -> Fault:
    """Too busy to be written to before a moment."""

    def fault(handler: Handler) -> bool:
        return time.monotonic() < moment and busy(1)(handler)

    return fault


def _hang_up(handler: object) -> bool:
    connection = handler.connection  # type: ignore[attr-defined]  # of a request handler
    connection.close()
    handler.close_connection = True  # type: ignore[attr-defined]  # likewise
    return True


def _block(way: Way, value: bool | None) -> None:
    dialect = dialect_of(way.engine, way.name)
    body = {"index": {"blocks.read_only_allow_delete": value}}
    dialect.request("PUT", f"/{way.name}-000001/_settings", body=body)
    dialect.close()
