"""Another embedder makes the vectors of an index anew from its own text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from retrievers.embedded import EmbeddedRetriever, embedder_of
from retrievers.embedders.hashing import HashingEmbedder
from retrievers.types import Matrix, Vector
from tests.unit.ingest.conftest import Run

NARROW = f"{__name__}:Narrow"
INDEX = Path(".rlm-search/index")


class Narrow:
    """Another embedder than the one of the tests."""

    name, dimensions, languages = "narrow", 32, None

    def __init__(self) -> None:
        self._inner = HashingEmbedder()

    def embed_documents(self, texts: Sequence[str]) -> Matrix:
        return self._inner.embed_documents(texts)[:, :32]

    def embed_query(self, text: str) -> Vector:
        return self._inner.embed_query(text)[:32]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    for name, text in {"a.txt": "One crane.", "b.txt": "Two.", "c.lines": "1 one\n2 two", "bad.txt": "FAIL"}.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def ingest(run: Run, *arguments: str) -> Any:
    code, out, err = run(*arguments, "--json")
    assert code in (0, 4), err
    return json.loads(out)


def texts() -> dict[str, object]:
    return {item.document.id: (item.document, list(item.chunks)) for item in EmbeddedRetriever(INDEX).export()}


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("first", ["none", NARROW])
def test_no_file_is_read_and_nothing_but_vectors_changes(run: Run, first: str) -> None:
    before = ingest(run, "files", "--embedder", first)
    documents = texts()
    code, _, err = run("files", "--embedder", "hashing")
    assert code == 5
    assert "ingest reembed --embedder" in err

    report = ingest(run, "reembed", "--embedder", "hashing")

    assert (report["files"]["found"], report["documents"]) == (0, 0)
    assert report["holds"] == {**before["holds"], "vectors": before["holds"]["chunks"]}
    assert (texts(), embedder_of(INDEX)) == (documents, "hashing-64")
    assert EmbeddedRetriever(INDEX, embedder=HashingEmbedder).vector_search("one crane")[0].doc_id.startswith("a-")
    assert report["failures"] == before["failures"]
    assert ingest(run, "files")["files"]["read"] == 0  # it is known what was read


@pytest.mark.usefixtures("files")
def test_one_that_is_stopped_leaves_the_old_index_and_goes_on(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    ingest(run, "files", "--embedder", NARROW)
    documents = texts()

    def stop(*_: object) -> None:
        raise SystemExit(130)

    for place in ("retrievers.copying._copy_ledger", "ingest.pipeline.IngestRun.run"):
        with monkeypatch.context() as patched:
            patched.setattr(place, stop)
            code, _, err = run("reembed", "--embedder", "hashing")
            assert code == 130, err
        assert (embedder_of(INDEX), texts()) == ("narrow", documents)
    Path("files/b.txt").unlink()
    ingest(run, "files", "--sync", "--embedder", NARROW)

    ingest(run, "reembed", "--embedder", "hashing")

    assert embedder_of(INDEX) == "hashing-64"
    assert sorted(texts()) == sorted(id_ for id_ in documents if not id_.startswith("b-"))
    assert ingest(run, "files")["files"]["read"] == 0


@pytest.mark.usefixtures("files")
def test_an_index_of_a_version_without_ledgers_loses_nothing_that_is_known(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("ingest.writing.tell", lambda *_: False)
        ingest(run, "files", "--embedder", "none")

    ingest(run, "reembed", "--embedder", "hashing")

    assert ingest(run, "files")["files"]["read"] == 0


def test_without_an_index_or_an_embedder_it_says_so(run: Run, files: Path) -> None:
    assert "there is no index" in run("reembed", "--embedder", "hashing")[2]
    ingest(run, "files", "--embedder", "none")
    code, _, err = run("reembed")
    assert (code, "--embedder SPEC" in err) == (5, True)
