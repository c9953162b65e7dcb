"""Searches on real servers beyond the contract: many results, several shards, hybrid searches that the server mixes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from retrievers.embedders.hashing import HashingEmbedder
from retrievers.errors import ConfigError, EngineRejected
from retrievers.registry import open_retriever, open_writer
from retrievers.servers.retriever import ServerRetriever
from retrievers.settings import Settings
from retrievers.testing import CORPUS, chunked, document
from retrievers.types import Chunk, IndexedDocument
from tests.servers.search_nodes import ENGINES, fresh_index

pytestmark = pytest.mark.integration

EMBEDDER = HashingEmbedder()
FUSIONS = ("server", "server-rrf")
SHIPS = ("wind", "tide", "fog", "rudder", "pilot", "anchor", "keel", "mast")


def indexed(name: str, text: str, **metadata: Any) -> IndexedDocument:
    each = document(name, text, **metadata)
    chunks = chunked(each)
    return IndexedDocument(document=each, chunks=chunks, vectors=vectors_of(chunks))


def vectors_of(chunks: list[Chunk]) -> Any:
    return EMBEDDER.embed_documents([chunk.embedding_text for chunk in chunks])


def opened(url: str, **server: Any) -> ServerRetriever:
    retriever = open_retriever(url, embedder=EMBEDDER, settings=Settings.of({"server": server}))
    assert isinstance(retriever, ServerRetriever)
    return retriever


@pytest.fixture(scope="module", params=ENGINES)
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Documents of a page of many chunks each, and the corpus of the contract."""
    with fresh_index(str(request.param)) as url:
        writer = open_writer(url, embedder=EMBEDDER)
        for number in range(150):
            about = SHIPS[number % 8]
            text = " ".join(f"The {about} of ship {number} was seen by {SHIPS[n % 8]}." for n in range(30))
            each = document(f"ship{number:03d}", text, about=about)
            chunks = [
                Chunk(id=f"{each.id}#{at}", document_id=each.id, ordinal=n, start=at, end=at + 60, text=text[at:][:60])
                for n, at in enumerate(range(0, len(text) - 60, 60))
            ]
            writer.replace([IndexedDocument(document=each, chunks=chunks, vectors=vectors_of(chunks))])
        writer.replace(
            [IndexedDocument(document=d, chunks=(made := chunked(d)), vectors=vectors_of(made)) for d in CORPUS]
        )
        writer.close()
        yield url


@pytest.mark.parametrize("name", ["vector_search", "hybrid_search"])
@pytest.mark.parametrize("top_k", [7, 60, 300])
def test_a_document_of_many_chunks_takes_no_other_ones_place(url: str, name: str, top_k: int) -> None:
    hits = getattr(opened(url), name)("the fog was seen by the pilot", top_k=top_k)

    places = [(hit.doc_id, hit.chunk_id) for hit in hits]
    assert len(set(places)) == len(places)
    assert len(places) >= min(top_k, 150)
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


@pytest.mark.parametrize(("name", "most"), [("search", 1), ("vector_search", 2), ("hybrid_search", 2)])
def test_a_search_makes_no_more_requests_than_it_must(url: str, name: str, most: int) -> None:
    asked = opened(url)
    search, dialect = getattr(asked, name), asked._dialect
    dialect.request("POST", f"/{url.rpartition('/')[2]}/_refresh")  # the one who wrote is seen to have gone
    search("the fog")  # what the index holds is looked at now and then
    paths: list[str] = []
    plain = dialect.request

    def request(method: str, path: str, **given: Any) -> Any:
        paths.append(path)
        return plain(method, path, **given)

    dialect.request = request  # type: ignore[method-assign]
    assert search("the wind", top_k=3, filters={"about": {"exists": False}})
    looks = sum(path.endswith("_mapping") for path in paths)
    assert len(paths) - 2 * looks <= most, paths


@pytest.mark.parametrize("name", ["search", "vector_search", "hybrid_search"])
def test_more_results_than_a_server_gives_are_refused_in_a_sentence(url: str, name: str) -> None:
    with pytest.raises(EngineRejected, match=r"10,000 results of one search at most, not 10,001"):
        getattr(opened(url), name)("fog", top_k=10_001)
    assert len(getattr(opened(url), name)("fog pilot", top_k=10_000)) >= 37


@pytest.mark.parametrize("fusion", FUSIONS)
def test_the_server_mixes_where_it_can_and_says_so_where_not(url: str, fusion: str) -> None:
    retriever = opened(url, fusion=fusion)
    if url.startswith("elasticsearch"):  # the servers of the tests have the basic licence
        with pytest.raises(ConfigError, match="cannot mix a hybrid search by itself") as refused:
            retriever.hybrid_search("solar panels research spending")
        assert "fusion" in refused.value.hint
        return
    hits = retriever.hybrid_search("solar panels research spending", top_k=5)
    assert hits[0].doc_id == "solaris"
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert {hit.metadata["about"] for hit in retriever.hybrid_search("fog", filters={"about": "fog"})} == {"fog"}
    assert len({hit.doc_id for hit in retriever.hybrid_search("fog pilot", top_k=100)}) == 100


def test_what_must_hold_holds_where_the_server_mixes(url: str) -> None:
    if url.startswith("elasticsearch"):
        pytest.skip("the basic licence of the test servers has no mix of their own")
    settings = Settings.of({"server": {"fusion": "server"}, "retriever": {"must": {"about": "tide"}}})
    retriever = open_retriever(url, embedder=EMBEDDER, settings=settings)

    hits = retriever.hybrid_search("fog pilot", top_k=100, filters={"or": [{"about": "fog"}, {"about": "tide"}]})
    assert {hit.metadata["about"] for hit in hits} == {"tide"}


def test_a_fusion_that_is_unknown_is_told(url: str) -> None:
    with pytest.raises(ConfigError, match="no fusion `magic`"):
        opened(url, fusion="magic")


@pytest.mark.parametrize("engine", ENGINES)
def test_forms_of_a_word_meet_as_in_the_embedded_engine(engine: str, tmp_path: Path) -> None:
    texts = {
        "es": ("Las ciudades y sus luces.", ("ciudad", "luz")),
        "fr": ("Ils ont vendu les lois perdues.", ("vendre", "loi", "perdu")),
        "de": ("Über die Brücken fährt der Zug.", ("Bruecke", "BRÜCKEN")),
    }
    with fresh_index(engine) as url:
        for place in (str(tmp_path / "index"), url):
            writer = open_writer(place, embedder=None)
            for language, (text, _) in texts.items():
                each = document(language, text, language=language)
                writer.replace([IndexedDocument(document=each, chunks=chunked(each))])
            writer.close()
            reader = open_retriever(place, embedder="none")
            for language, (_, words) in texts.items():
                for word in words:
                    assert [hit.doc_id for hit in reader.search(word)] == [language], (place, word)


@pytest.mark.parametrize("engine", ENGINES)
def test_several_shards_score_as_one_does(engine: str) -> None:
    texts = {f"d{n}": " ".join([SHIPS[n % 8]] * (n % 5 + 1)) + f" rare{n % 9}" for n in range(60)}
    found = []
    for shards in (1, 3):
        with fresh_index(engine) as url:
            writer = open_writer(url, embedder=EMBEDDER, settings=Settings.of({"server": {"shards": shards}}))
            writer.replace([indexed(name, text) for name, text in texts.items()])
            writer.close()
            hits = opened(url).search("fog rare4 wind", top_k=60)
            found.append({hit.doc_id: round(hit.score, 3) for hit in hits})
    assert found[0] == found[1]


@pytest.mark.parametrize("kind", ["bbq_hnsw", "hnsw", "int4_hnsw"])
def test_elasticsearch_keeps_vectors_as_it_is_told(kind: str) -> None:
    with fresh_index("elasticsearch") as url:
        settings = Settings.of({"server": {"vectors": kind}})
        writer = open_writer(url, embedder=EMBEDDER, settings=settings)
        writer.replace([indexed(each.id, each.text) for each in CORPUS])
        writer.close()

        assert opened(url).vector_search("solar panels research spending")[0].doc_id == "solaris"


@pytest.mark.parametrize("engine", ENGINES)
def test_a_way_to_keep_vectors_that_a_server_has_not_is_told_before_anything_is_made(engine: str) -> None:
    with fresh_index(engine) as url:
        with pytest.raises(ConfigError, match="does not keep vectors as `wax`"):
            open_writer(url, embedder=EMBEDDER, settings=Settings.of({"server": {"vectors": "wax"}}))
        with pytest.raises(ConfigError, match="no index"):
            open_retriever(url)
