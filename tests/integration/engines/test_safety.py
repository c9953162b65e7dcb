"""Other people's data is safe: a key that may only read is enough, and what must hold is held in every request."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from retrievers.embedders.hashing import HashingEmbedder
from retrievers.errors import ConfigError, DocumentNotFound, FilterError, RetrieverError
from retrievers.registry import open_retriever, open_writer
from retrievers.servers.opening import open_versions
from retrievers.servers.retriever import ServerRetriever
from retrievers.settings import ServerSettings, Settings
from retrievers.testing import CORPUS, chunked
from retrievers.types import IndexedDocument
from tests.servers.faulty_proxy import Handler, Proxy, proxy
from tests.servers.search_nodes import ENGINES, fresh_index, product_of, server_url

pytestmark = pytest.mark.integration

EMBEDDER = HashingEmbedder()
READING = re.compile(
    r"POST (/[^/]+)?/(_search|_msearch|_mget|_count|_pit|_search/point_in_time)"
    r"|GET /[^/]+/_mapping|DELETE /(_pit|_search/point_in_time)|GET /"
)
"""What a key that may read may ask."""

OUTSIDE = ("solaris", "poem")
MUST = {"company": "Northwind"}


@dataclass(frozen=True)
class Guarded:
    """An index behind a proxy that lets through what reads."""

    url: str
    proxy: Proxy
    refused: list[str]

    def open(self, **retriever: Any) -> ServerRetriever:
        opened = open_retriever(self.url, embedder=EMBEDDER, settings=Settings.of({"retriever": retriever}))
        assert isinstance(opened, ServerRetriever)
        return opened


@pytest.fixture(scope="module", params=ENGINES)
def guarded(request: pytest.FixtureRequest) -> Iterator[Guarded]:
    engine = str(request.param)
    refused: list[str] = []

    def reading_only(handler: Handler) -> bool:
        asked = f"{handler.command} {handler.path.partition('?')[0]}"
        if READING.fullmatch(asked):
            return False
        refused.append(asked)
        handler.answer(403, b'{"error":{"type":"security_exception","reason":"action is unauthorized"},"status":403}')
        return True

    with fresh_index(engine) as url, proxy(server_url(engine)) as between:
        writer = open_writer(url, embedder=EMBEDDER)
        for each in CORPUS:
            chunks = chunked(each)
            vectors = EMBEDDER.embed_documents([chunk.embedding_text for chunk in chunks])
            writer.replace([IndexedDocument(document=each, chunks=chunks, vectors=vectors)])
        writer.close()
        between.fault = reading_only
        through = f"{product_of(engine)}+http://{between.address}/{url.rpartition('/')[2]}"
        yield Guarded(through, between, refused)


def everything(reader: ServerRetriever) -> dict[str, Callable[[Any], Any]]:
    """Every way to ask, with filters."""
    return {
        "search": lambda asked: [hit.doc_id for hit in reader.search("wind solar mugs tide", top_k=50, filters=asked)],
        "vector_search": lambda asked: [hit.doc_id for hit in reader.vector_search("wind", top_k=50, filters=asked)],
        "hybrid_search": lambda asked: [hit.doc_id for hit in reader.hybrid_search("wind", top_k=50, filters=asked)],
        "scan": lambda asked: [each.doc_id for each in reader.scan(filters=asked)],
        "scan by words": lambda asked: [each.doc_id for each in reader.scan(query="the", filters=asked)],
        "facets": lambda asked: [facet.value for facet in reader.facets("doc_id", filters=asked)],
    }


def test_a_key_that_may_read_is_enough_to_ask(guarded: Guarded) -> None:
    reader = guarded.open()

    for name, ask in everything(reader).items():
        assert ask({"company": {"exists": True}}), name
    assert reader.get("northwind").content
    assert reader.read("northwind", 0, 10).text
    assert reader.read_pages("northwind", 1, 2)
    assert reader.count("wind") >= 1
    assert reader.describe().documents == len(CORPUS)
    assert {item.document.id for item in reader.export()} == {each.id for each in CORPUS}
    assert guarded.refused == []


def test_a_key_that_may_read_cannot_write_and_is_told(guarded: Guarded) -> None:
    with pytest.raises(ConfigError, match="does not let us in"):
        open_writer(guarded.url, embedder=EMBEDDER)
    guarded.refused.clear()


ATTACKS: list[Any] = [
    {"or": [{"company": "Solaris"}, {"company": "Northwind"}]},
    {"or": []},
    {"not": {"company": "Northwind"}},
    {"not": {"not": {"company": "Solaris"}}},
    {"company": {"exists": False}},
    {"company": ["Solaris", "Northwind", ""]},
    {"company": {"prefix": ""}},
    {"doc_id": "solaris"},
    {"doc_id": {"gte": ""}},
    {"doc_id": ["solaris", "poem"]},
    {"company": "Northwind", "or": [{"doc_id": "poem"}]},
    {"kind": "unit"},
    {"k.company": "Solaris"},
    {"_id": "solaris#head"},
    {"wide": "company"},
    {"head": True},
    {"query": {"match_all": {}}},
    {"bool": {"must": [{"match_all": {}}]}},
    {"$or": [{"company": "Solaris"}]},
]


@pytest.mark.parametrize("attack", ATTACKS, ids=repr)
def test_no_filter_widens_what_must_hold(guarded: Guarded, attack: Any) -> None:
    held = guarded.open(must=MUST)

    for name, ask in everything(held).items():
        try:
            found = ask(attack)
        except FilterError:
            continue
        assert not set(found) & set(OUTSIDE), name


@pytest.mark.parametrize(
    "doc_id", [*OUTSIDE, "northwind,solaris", "*", "sol*", "solaris#head", "../solaris", "", "_all"]
)
def test_no_id_widens_what_must_hold(guarded: Guarded, doc_id: str) -> None:
    held = guarded.open(must=MUST)

    for read in (held.get, lambda name: held.read(name, 0, 9), lambda name: held.read_pages(name, 1, 1)):
        with pytest.raises(DocumentNotFound):
            read(doc_id)


@pytest.mark.parametrize("after", ["", "a", "memo", "northwind", "\x00", "solari", "~"])
def test_no_place_to_begin_widens_a_scan(guarded: Guarded, after: str) -> None:
    held = guarded.open(must=MUST)

    assert {each.doc_id for each in held.scan(after=after)} <= allowed()
    assert {item.document.id for item in held.export(after=after)} <= allowed()
    assert {facet.value for facet in held.facets("company")} == {"Northwind"}
    assert held.count() == len(allowed())


def allowed() -> set[str]:
    return {each.id for each in CORPUS} - set(OUTSIDE)


def test_a_query_is_words_and_never_the_language_of_a_server(guarded: Guarded) -> None:
    held = guarded.open(must=MUST)

    for query in ("company:Solaris", "* OR *", '") OR (doc_id:poem', '{"match_all": {}}', "_exists_:company", "/.*/"):
        assert not {hit.doc_id for hit in held.search(query, top_k=50)} & set(OUTSIDE)
        assert not {each.doc_id for each in held.scan(query=query)} & set(OUTSIDE)


def test_an_index_that_is_not_on_the_list_is_not_opened_at_all(guarded: Guarded) -> None:
    only = {"allowed": ["other-*"]}
    before = len(guarded.proxy.seen)

    for opening in (
        lambda: open_retriever(guarded.url, settings=Settings.of({"server": only})),
        lambda: open_writer(guarded.url, embedder=None, settings=Settings.of({"server": only})),
        lambda: open_versions(guarded.url, ServerSettings(allowed=("other-*",))),
    ):
        with pytest.raises(ConfigError, match="may not be opened"):
            opening()
    assert len(guarded.proxy.seen) == before


def test_what_a_server_says_is_for_the_user_and_not_for_the_model(guarded: Guarded) -> None:
    from retrievers.redaction import without_hosts
    from rlm_search.run import ToolError, telling

    reader = guarded.open()
    fault, guarded.proxy.fault = guarded.proxy.fault, refuses_with_others
    try:
        with pytest.raises(RetrieverError) as for_the_user:
            reader.search("wind")
        with pytest.raises(ToolError) as for_the_model, telling("es_search"):
            reader.search("wind")
    finally:
        guarded.proxy.fault = fault
    assert guarded.proxy.address in for_the_user.value.message
    assert guarded.proxy.address not in without_hosts(for_the_user.value.message)
    for secret in (guarded.proxy.address, "payroll", "node-7"):
        assert secret not in str(for_the_model.value)


def refuses_with_others(handler: Handler) -> bool:
    handler.answer(
        400, b'{"error":{"type":"x","reason":"too many buckets on node-7 with the query payroll"},"status":400}'
    )
    return True
