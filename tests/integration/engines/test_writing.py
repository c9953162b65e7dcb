"""Writing to real servers: refused documents, more fields than a server has room for, refreshing, replacing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ingest.cli import main as ingest
from retrievers.embedders.recorded import RecordedEmbedder
from retrievers.protocols import RetrieverProtocol
from retrievers.registry import open_retriever, open_writer
from retrievers.servers.mapping import MOST_METADATA
from retrievers.servers.retriever import ServerRetriever
from retrievers.servers.writer import ServerWriter
from retrievers.testing import chunked, document
from retrievers.types import Document, IndexedDocument
from tests.servers.search_nodes import ENGINES, dialect_of, fresh_index

pytestmark = pytest.mark.integration


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def url(engine: str) -> Iterator[str]:
    with fresh_index(engine) as url:
        yield url


def name_of(url: str) -> str:
    return url.rpartition("/")[2]


def opened(url: str) -> ServerWriter:
    writer = open_writer(url, embedder=None)
    assert isinstance(writer, ServerWriter)
    return writer


def put(writer: ServerWriter, *documents: Document) -> None:
    writer.replace([IndexedDocument(document=each, chunks=chunked(each)) for each in documents])


def test_a_refused_document_is_named_and_the_others_are_there(engine: str, url: str) -> None:
    opened(url).close()
    spoil(engine, url)
    writer = opened(url)

    put(writer, document("good", "the good one"), document("bad", "the bad one " * 3_000, poison="no number"))
    writer.flush()

    assert list(refused := writer.take_refused()) == ["bad"]
    assert "poison" in refused["bad"]
    assert writer.take_refused() == {}
    writer.close()
    reader = open_retriever(url)
    assert {hit.doc_id for hit in reader.search("one")} == {"good"}


def test_a_refused_file_is_a_dead_letter_and_retried(
    engine: str, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RLM_SEARCH_HOME", str(tmp_path / "home"))
    opened(url).close()
    spoil(engine, url)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "good.txt").write_text("A good one.")
    (tmp_path / "in" / "bad.jsonl").write_text(json.dumps({"_id": "b", "text": "A bad one.", "poison": "no number"}))
    words = ["--index", url, "--embedder", "none"]

    assert run([str(tmp_path / "in"), *words]) == 4
    capsys.readouterr()
    assert run(["failures", "--index", url, "--json"]) in (0, 4)
    (failure,) = json.loads(capsys.readouterr().out)["failures"]
    assert (failure["kind"], failure["stage"]) == ("write", "write")
    assert "poison" in failure["message"]

    (tmp_path / "in" / "bad.jsonl").write_text(json.dumps({"_id": "b", "text": "A mended one.", "poison": 3}))
    assert run(["retry", "--index", url, "--embedder", "none"]) == 0
    assert open_retriever(url).search("mended")[0].doc_id == "b"


def test_another_machine_reads_no_file_again_and_an_index_that_was_deleted_is_filled_again(
    engine: str, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in").mkdir()
    for name, text in {"a.txt": "One.", "b.txt": "Two.", "c.jsonl": '{"_id": "x", "text": "Three."}\n'}.items():
        (tmp_path / "in" / name).write_text(text)

    def ingest_on(machine: str, *words: str) -> dict[str, object]:
        monkeypatch.setenv("RLM_SEARCH_HOME", str(tmp_path / machine))
        assert run([*words, "--index", url, "--json"]) == 0
        found: dict[str, object] = json.loads(capsys.readouterr().out)
        return found

    files = (str(tmp_path / "in"), "--embedder", "hashing")
    first = ingest_on("one", *files)
    told = ingest_on("other", "status")
    assert told["holds"] == {"documents": 3, "chunks": 3, "vectors": 3}
    assert told["files"] == {"vectors": 3}
    again = ingest_on("other", *files)
    assert (again["documents"], again["vectors"], again["holds"]) == (0, 0, first["holds"])
    (tmp_path / "in" / "b.txt").write_text("Changed.")
    assert ingest_on("other", *files)["documents"] == 1
    assert ingest_on("one", *files)["documents"] == 0

    dialect = dialect_of(engine, name_of(url))
    for name in dialect.request("GET", f"/{name_of(url)}-*/_alias"):
        dialect.request("DELETE", f"/{name}")
    dialect.close()
    assert ingest_on("one", *files)["documents"] == 3


def test_metadata_beyond_the_servers_fields_is_found_by_its_text(url: str) -> None:
    writer = opened(url)
    many = {f"field{n}": n for n in range(MOST_METADATA + 40)}
    put(writer, replace(document("wide", "a wide one"), metadata=many), document("narrow", "a narrow one", field1=1))
    writer.flush()
    last = f"field{MOST_METADATA + 39}"

    assert any("metadata fields beyond" in warning for warning in writer.warnings)
    writer.close()
    reader = open_retriever(url)
    assert isinstance(reader, ServerRetriever)
    assert [each.doc_id for each in reader.scan(filters={last: str(many[last])})] == ["wide"]
    assert [each.doc_id for each in reader.scan(filters={last: {"exists": False}})] == ["narrow"]
    assert [each.doc_id for each in reader.scan(filters={last: {"prefix": "33"}})] == ["wide"]
    assert [(facet.value, facet.count) for facet in reader.facets(last)] == [(str(many[last]), 1)]
    assert next(field for field in reader.describe().fields if field.name == last).documents == 1
    assert reader.count(filters={"field1": {"gte": 1}}) == 2


def test_the_index_refreshes_by_itself_again_even_after_a_crash(engine: str, url: str) -> None:
    crashed = opened(url)
    assert refresh_of(engine, url) == "-1"
    put(crashed, document("a", "the first words"))
    crashed._dialect.close()  # it ends here, without `close`

    second = opened(url)
    put(second, document("b", "the second words"))
    second.close()

    assert refresh_of(engine, url) == "1000ms"
    assert open_retriever(url).search("second")[0].doc_id == "b"


def test_readers_see_nothing_half_while_a_document_is_replaced(url: str) -> None:
    pages = tuple(range(0, 60_000, 600))
    old, new = ("old words " * 6_000)[:60_000], ("new words " * 6_000)[:60_000]
    writer = opened(url)
    put(writer, replace(document("a", old), pages=pages))
    writer.flush()
    reader = open_retriever(url)
    seen: set[str] = set()
    for _ in range(3):
        put(writer, replace(document("a", new), pages=pages))
        writer._settle()
        seen |= words_in(reader)
        assert seen == {"old"}
    writer.flush()

    assert words_in(reader) == {"new"}
    assert reader.get("a").content == new
    writer.close()


def test_another_embedder_is_refused(url: str) -> None:
    from retrievers.errors import IndexMismatch

    opened(url).close()
    with pytest.raises(IndexMismatch, match="was built with no embedder, not eight"):
        open_writer(url, embedder=RecordedEmbedder(name="eight", dimensions=8))


def words_in(reader: RetrieverProtocol) -> set[str]:
    """Which version the hits are of."""
    previews = [hit.preview for hit in reader.search("words", top_k=100)]
    assert len(previews) == 100
    return {word for preview in previews for word in ("old", "new") if word in preview}


def run(words: list[str]) -> int:
    with pytest.raises(SystemExit) as ended:
        ingest(words)
    return int(ended.value.code or 0)


def spoil(engine: str, url: str) -> None:
    """Let the server take nothing but numbers in one field, as an index of somebody else may."""
    dialect = dialect_of(engine, name_of(url))
    poison = {"type": "integer", "ignore_malformed": False}
    body = {"properties": {"k": {"properties": {"poison": poison}}}}
    dialect.request("PUT", f"/{name_of(url)}/_mapping", body=body)
    dialect.close()


def refresh_of(engine: str, url: str) -> str:
    dialect = dialect_of(engine, name_of(url))
    (settings,) = dialect.request("GET", f"/{name_of(url)}/_settings").values()
    dialect.close()
    return str(settings["settings"]["index"]["refresh_interval"])
