"""What goes wrong on the way to a real server has the right fate and a sentence that helps: no traceback, no secret."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from retrievers.errors import ConfigError, EngineRejected, EngineUnavailable, RetrieverError
from retrievers.protocols import RetrieverProtocol
from retrievers.registry import open_retriever, open_writer
from retrievers.settings import Settings
from retrievers.testing import chunked, document
from retrievers.types import IndexedDocument
from tests.servers.certificates import make_certificate
from tests.servers.faulty_proxy import Fault, Proxy, asleep, busy, half, html, locked, proxy
from tests.servers.search_nodes import ENGINES, dialect_of, fresh_index, product_of

pytestmark = pytest.mark.integration


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


@pytest.mark.parametrize(("days", "knows_it", "message"), [(-1, True, "expired"), (30, False, "not trusted")])
def test_a_certificate_that_is_not_trusted_is_refused(
    way: Way, tmp_path: Path, days: int, knows_it: bool, message: str
) -> None:
    certificate = make_certificate(tmp_path, days=days)
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
