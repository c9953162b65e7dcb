"""The registry: which URL opens what, and with which embedder an index is asked."""

from pathlib import Path

import numpy as np
import pytest

from retrievers.embedders.hashing import open_hashing
from retrievers.errors import ConfigError, EngineUnavailable, IndexMismatch
from retrievers.protocols import Embedder
from retrievers.registry import open_embedder, open_retriever, open_writer
from retrievers.settings import EmbedderSettings, Settings
from retrievers.types import Chunk, Document, IndexedDocument, Matrix

TEXT = "The harbour master keeps the keys of the lock."


@pytest.fixture
def hashing() -> Embedder:
    return open_hashing("", EmbedderSettings(), "")


@pytest.fixture
def index(tmp_path: Path, hashing: Embedder) -> Path:
    writer = open_writer(tmp_path / "index", embedder=hashing)
    writer.replace([_harbour(hashing.embed_documents([TEXT]))])
    writer.close()
    return tmp_path / "index"


def _harbour(vectors: Matrix) -> IndexedDocument:
    document = Document(
        id="harbour", source="harbour.txt", title="Harbour", text=TEXT, media_type="text/plain", content_hash="1"
    )
    chunk = Chunk(id="harbour#c0", document_id="harbour", ordinal=0, start=0, end=len(TEXT), text=TEXT)
    return IndexedDocument(document=document, chunks=[chunk], vectors=vectors)


def test_an_index_is_asked_with_the_embedder_it_was_built_with(index: Path) -> None:
    assert [hit.doc_id for hit in open_retriever(index).vector_search("harbour keys")] == ["harbour"]


@pytest.mark.parametrize("given", ["hashing", None])
def test_an_embedder_can_be_named_or_given(index: Path, given: str | None, hashing: Embedder) -> None:
    retriever = open_retriever(index, embedder=given or hashing)

    assert retriever.hybrid_search("keys")[0].doc_id == "harbour"
    assert open_retriever(index, embedder=lambda: hashing).vector_search("keys")


def test_another_embedder_is_refused_on_open_with_the_way_out(index: Path) -> None:
    with pytest.raises(IndexMismatch, match="was built with hashing") as caught:
        open_retriever(index, settings=Settings.of({"embedder": {"spec": "minilm"}}))

    assert "ingest reembed" in caught.value.hint
    assert "`hashing`" in caught.value.hint  # what can be asked for, not the name that the index knows it by


def test_without_an_embedder_words_still_find(index: Path) -> None:
    retriever = open_retriever(index, embedder="none")

    assert retriever.hybrid_search("keys")[0].doc_id == "harbour"
    with pytest.raises(ConfigError, match="embedder"):
        retriever.vector_search("keys")


def test_an_index_cannot_make_the_reader_load_what_it_names(tmp_path: Path) -> None:
    class Foreign:
        name, dimensions, languages = "os:system", 2, None

    writer = open_writer(tmp_path, embedder=Foreign())  # type: ignore[arg-type]  # only its name is looked at
    writer.replace([_harbour(np.ones((1, 2), np.float32))])
    writer.close()

    with pytest.raises(ConfigError, match="was built with the embedder os:system"):
        open_retriever(tmp_path).vector_search("x")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("opensearch://user:secret@localhost:9200/papers", "the URL of the index holds credentials"),
        ("elasticsearch://localhost/", "no name is no name for an index"),
        ("opensearch://localhost:port/papers", "cannot read the URL"),
        ("gopher://localhost", "no engine for `gopher://`"),
        ("no_such_module:Thing", "no module named no_such_module"),
    ],
)
def test_what_cannot_be_opened_is_told_in_a_sentence(url: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        open_retriever(url)


@pytest.mark.parametrize("engine", ["opensearch", "elasticsearch"])
def test_a_server_that_does_not_answer_is_told_in_a_sentence(engine: str) -> None:
    with pytest.raises(EngineUnavailable, match=r"the server 127\.0\.0\.1:9/x does not answer"):
        open_writer(f"{engine}://127.0.0.1:9/x", embedder=None)
    with pytest.raises(EngineUnavailable, match="does not answer"):
        open_retriever(f"{engine}://127.0.0.1:9/x")


def test_a_class_of_ones_own_is_not_held_to_a_mandatory_filter() -> None:
    with pytest.raises(ConfigError, match=r"cannot be held to `retriever.must`"):
        open_retriever(
            "examples.custom_retriever:NotesRetriever", settings=Settings.of({"retriever": {"must": {"team": "a"}}})
        )


def test_a_class_of_ones_own_opens_by_module_and_name() -> None:
    retriever = open_retriever("examples.custom_retriever:NotesRetriever")

    assert retriever.search("harbour")


def test_an_embedder_is_opened_by_its_spec() -> None:
    named = open_embedder("hashing")
    own = open_embedder("retrievers.embedders.onnx:OnnxEmbedder")

    assert named is not None
    assert named.dimensions > 0
    assert own is not None
    assert open_embedder("none") is None
    assert open_embedder() is not None
    with pytest.raises(ConfigError, match="unknown embedder `minilmm`: did you mean `minilm`"):
        open_embedder("minilmm")
