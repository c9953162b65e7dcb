"""An index that another tool made is asked as it stands, on the real servers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from retrievers.embedders.hashing import HashingEmbedder
from retrievers.embedders.recorded import RecordedEmbedder
from retrievers.errors import ConfigError, DocumentNotFound, EngineRejected, FilterError, IndexMismatch
from retrievers.protocols import Counts, Describes, Facets, Scans
from retrievers.registry import open_retriever
from retrievers.servers.foreign import ForeignRetriever
from retrievers.settings import Settings
from tests.servers.search_nodes import ENGINES, dialect_of, fresh_index

pytestmark = pytest.mark.integration

EMBEDDER = HashingEmbedder()
PAGES = [
    ("north", 1, "Northwind made a revenue of ten million.", 2020, "energy"),
    ("north", 2, "The board of Northwind approved the wind park.", 2020, "energy"),
    ("north", 3, "Costs of the turbines rose in winter.", 2020, "energy"),
    ("kitchen", 1, "Please wash your mugs in the kitchen.", 2022, "house"),
]


@pytest.fixture(scope="module", params=ENGINES)
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """An index of pages in the layout of pyrlm-runtime, with fields of its own beside."""
    with fresh_index(str(request.param)) as url:
        write_pages(str(request.param), url)
        yield url


def write_pages(engine: str, url: str) -> None:
    name = url.rpartition("/")[2]
    dialect = dialect_of(engine, name)
    properties: dict[str, Any] = {
        "content": {"type": "text"},
        "embedding": dialect.vector_field(EMBEDDER.dimensions),
        "doc_id": {"type": "keyword"},
        "page_num": {"type": "integer"},
        "metadata": {"properties": {"year": {"type": "integer"}, "published": {"type": "date"}}},
        "team": {"type": "text", "fields": {"raw": {"type": "keyword"}}},
    }
    settings = {"index": {"number_of_replicas": 0, **dialect.index_settings()}}
    dialect.request("PUT", f"/{name}", body={"settings": settings, "mappings": {"properties": properties}})
    lines = []
    for number, (doc, page, text, year, team) in enumerate(PAGES):
        vector = EMBEDDER.embed_documents([text])[0].tolist()
        row = {"content": text, "embedding": vector, "doc_id": doc, "page_num": page, "team": team}
        row["metadata"] = {"year": year, "published": f"{year}-03-0{page}"}
        lines += [json.dumps({"index": {"_id": f"row{number}"}}).encode(), json.dumps(row).encode()]
    dialect.request("POST", f"/{name}/_bulk", params={"refresh": "true"}, lines=lines)
    dialect.close()


def opened(url: str, **asked: Any) -> ForeignRetriever:
    settings = Settings.of({"retriever": asked or {"preset": "pyrlm-runtime"}})
    retriever = open_retriever(url, embedder=EMBEDDER, settings=settings)
    assert isinstance(retriever, ForeignRetriever)
    return retriever


def test_pages_are_found_by_words_by_meaning_and_by_both(url: str) -> None:
    retriever = opened(url)

    for found in (retriever.search("board wind park"), retriever.hybrid_search("board approved the wind park")):
        assert (found[0].doc_id, found[0].pages, found[0].chunk_id) == ("north", (2,), "row1")
        assert "approved the wind park" in found[0].preview
    assert retriever.vector_search("wash your mugs in the kitchen")[0].doc_id == "kitchen"
    assert "embedding" not in retriever.search("kitchen")[0].metadata


def test_a_document_is_the_text_of_its_rows_in_order(url: str) -> None:
    document = opened(url).get("north")

    assert document.content == "\n".join(text for doc, _, text, _, _ in PAGES if doc == "north")
    assert [document.content[at : at + 4] for at in document.pages] == ["Nort", "The ", "Cost"]
    with pytest.raises(DocumentNotFound):
        opened(url).get("nobody")


def test_chunks_under_a_field_that_was_mapped_by_itself_make_pages_by_their_numbers(url: str) -> None:
    """As most tools leave an index: every text a `text` with a `keyword` below it, several chunks to a page."""
    engine = url.partition(":")[0].partition("+")[0]
    with fresh_index(engine) as other:
        name = other.rpartition("/")[2]
        rows = [
            ("Log-1", "4", "fourth page"),
            ("Log-1", "2", "the second"),
            ("Log-1", "2", "goes on"),
            ("Memo", "1", "x"),
        ]
        lines = [
            json.dumps(line).encode()
            for number, (doc, page, text) in enumerate(rows)
            for line in ({"index": {"_id": str(number)}}, {"body": text, "doc": doc, "page": page})
        ]
        dialect = dialect_of(engine, name)
        dialect.request("POST", f"/{name}/_bulk", params={"refresh": "true"}, lines=lines)
        dialect.close()
        retriever = opened(other, fields={"text": "body", "document": "doc", "page": "page"})

        found = retriever.get("Log-1")
        assert found.content == "the second\ngoes on\nfourth page"
        starts = (*found.pages, len(found.content))
        assert [found.content[a:b].strip() for a, b in pairwise(starts)] == [
            "",
            "the second\ngoes on",
            "",
            "fourth page",
        ]
        (hit,) = retriever.search("fourth", filters={"doc": "Log-1"})
        assert (hit.doc_id, hit.pages) == ("Log-1", (4,))
        assert retriever.count() == 2
        assert [(each.value, each.count) for each in retriever.facets("doc")] == [("Log-1", 1), ("Memo", 1)]


def test_it_is_called_wrongly_in_a_sentence(url: str) -> None:
    wrong: Any = None
    with pytest.raises(EngineRejected, match="must be a string"):
        opened(url).search(wrong)
    with pytest.raises(EngineRejected, match=r"10,000 results"):
        opened(url).search("wind", top_k=10_001)


def test_the_server_mixes_where_it_can(url: str) -> None:
    settings = Settings.of({"retriever": {"preset": "pyrlm-runtime"}, "server": {"fusion": "server"}})
    retriever = open_retriever(url, embedder=EMBEDDER, settings=settings)
    if url.startswith("elasticsearch"):
        with pytest.raises(ConfigError, match="cannot mix a hybrid search by itself"):
            retriever.hybrid_search("wind park")
        return
    assert retriever.hybrid_search("board approved the wind park")[0].chunk_id == "row1"


def test_its_own_fields_filter_and_count(url: str) -> None:
    retriever = opened(url)
    assert isinstance(retriever, Counts)
    assert isinstance(retriever, Facets)
    assert isinstance(retriever, Scans)
    assert isinstance(retriever, Describes)

    assert {hit.doc_id for hit in retriever.search("the", filters={"metadata.year": {"gte": 2021}})} <= {"kitchen"}
    assert retriever.count() == 2
    assert retriever.count(filters={"team": "energy"}) == 1
    assert retriever.count(filters={"metadata.published": {"lt": "2021"}}) == 1
    assert retriever.count("turbines winter") == 1
    assert [(facet.value, facet.count) for facet in retriever.facets("team")] == [("energy", 1), ("house", 1)]
    assert [each.doc_id for each in retriever.scan()] == ["kitchen", "north"]
    assert [each.doc_id for each in retriever.scan(after="kitchen")] == ["north"]
    assert {each.name for each in retriever.describe().fields} >= {"doc_id", "metadata.year", "team"}
    told = {each.name: each for each in retriever.describe().fields}
    year, published = told["metadata.year"], told["metadata.published"]
    assert (year.documents, year.lowest, year.highest, year.distinct) == (2, 2020, 2022, 2)
    assert str(published.lowest).startswith("2020-03-01")
    with pytest.raises(FilterError, match=r"metadata\.yeer"):
        retriever.search("x", filters={"metadata.yeer": 2020})


def test_what_must_hold_cannot_be_got_around(url: str) -> None:
    held = opened(url, preset="pyrlm-runtime", must={"team": "house"})

    assert {hit.doc_id for hit in held.search("wind kitchen")} == {"kitchen"}
    assert {
        hit.doc_id for hit in held.vector_search("wind park", filters={"or": [{"team": "energy"}, {"team": "house"}]})
    } == {"kitchen"}
    assert (held.count(), [each.doc_id for each in held.scan()]) == (1, ["kitchen"])
    with pytest.raises(DocumentNotFound):
        held.get("north")


def test_without_vectors_it_says_so(url: str) -> None:
    retriever = opened(url, fields={"text": "content", "document": "doc_id"})

    assert retriever.hybrid_search("wind")[0].doc_id == "north"
    with pytest.raises(ConfigError, match="no vectors"):
        retriever.vector_search("wind")


def test_an_embedder_of_another_length_is_refused(url: str) -> None:
    settings = Settings.of({"retriever": {"preset": "pyrlm-runtime"}})

    with pytest.raises(IndexMismatch, match="dimensions"):
        open_retriever(url, embedder=RecordedEmbedder(name="short", dimensions=3), settings=settings).vector_search("x")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"fields": {"text": "body"}}, "has no field `body`"),
        ({"fields": {"text": "content", "colour": "x"}}, "`colour`"),
        ({"fields": {"title": "content"}}, "which field is the text"),
        ({"fields": {"text": "content", "vector": "team"}}, "is no vector"),
        ({"preset": "nothing"}, "no preset `nothing`"),
    ],
)
def test_a_wrong_name_is_told(url: str, asked: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        opened(url, **asked)


def test_an_index_of_another_tool_is_not_taken_for_ours(url: str) -> None:
    with pytest.raises(ConfigError, match="made by something else"):
        open_retriever(url)
