"""What a writer promises: whole commits, late vectors, compaction, locks, and plain words when something is wrong."""

from __future__ import annotations

import errno
import gc
import os
import shutil
import weakref
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from retrievers.embedded import EmbeddedRetriever, EmbeddedWriter, embedder_of
from retrievers.embedded.layout import write_failed
from retrievers.embedded.scan import nearest
from retrievers.embedded.vectors import VectorFiles
from retrievers.embedders.hashing import HashingEmbedder
from retrievers.errors import (
    ConfigError,
    DocumentNotFound,
    EngineRejected,
    EngineUnavailable,
    IndexLocked,
    IndexMismatch,
)
from retrievers.testing import document
from retrievers.types import Matrix

from .conftest import EMBEDDER, embedded, open_writer, text_only

Make = Callable[..., EmbeddedRetriever]


def unit_vectors(rng: np.random.Generator, count: int, dimensions: int) -> Matrix:
    drawn = rng.standard_normal((count, dimensions)).astype(np.float32)
    unit: Matrix = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    return unit


def test_what_was_not_flushed_is_not_there(writer: EmbeddedWriter, reader: EmbeddedRetriever) -> None:
    writer.replace([embedded(document("a", "wind"))])
    assert reader.search("wind") == []
    writer.flush()
    assert len(reader.search("wind")) == 1


def test_rows_behind_the_last_commit_are_cut_off(path: Path, index: Make) -> None:
    index(document("a", "wind turbines"))
    vectors = path / "vectors"
    before = {file.name: file.stat().st_size for file in vectors.iterdir()}
    for file in vectors.iterdir():
        with file.open("ab") as appended:
            appended.write(b"left by a crash" * 9)
    reader = EmbeddedRetriever(path, HashingEmbedder)
    assert reader.vector_search("wind")[0].doc_id == "a"
    writer = open_writer(path)
    assert {file.name: file.stat().st_size for file in vectors.iterdir()} == before
    writer.replace([embedded(document("b", "kitchen mugs"))])
    writer.close()
    assert reader.vector_search("kitchen mugs")[0].doc_id == "b"


def test_replaced_documents_vanish_from_a_search_by_meaning(writer: EmbeddedWriter, reader: EmbeddedRetriever) -> None:
    writer.replace([embedded(document("a", "wind turbines")), embedded(document("b", "kitchen"))])
    writer.flush()
    writer.replace([embedded(document("a", "mugs"))])
    writer.delete(["b"])
    writer.flush()
    assert [hit.preview for hit in reader.vector_search("wind turbines")] == ["mugs"]
    assert reader.describe().vectors == 1


def test_a_document_replaced_twice_between_flushes_is_there_once(
    writer: EmbeddedWriter, reader: EmbeddedRetriever
) -> None:
    for text in ("first wording", "second wording", "third wording"):
        writer.replace([embedded(document("a", text))])
    writer.flush()
    assert [hit.preview for hit in reader.search("wording")] == ["third wording"]
    assert [hit.preview for hit in reader.vector_search("wording")] == ["third wording"]
    assert reader.count() == 1


def test_vectors_are_taken_once(writer: EmbeddedWriter, reader: EmbeddedRetriever) -> None:
    done = embedded(document("a", "wind turbines"))
    writer.replace([done])
    assert done.vectors is not None
    writer.set_vectors("a", done.document.content_hash, done.vectors)
    writer.flush()
    writer.set_vectors("a", done.document.content_hash, done.vectors)
    writer.flush()
    assert reader.describe().vectors == 1


def test_vectors_of_the_wrong_shape_are_refused(writer: EmbeddedWriter) -> None:
    one = text_only(document("a", "wind turbines"))
    writer.replace([one])
    with pytest.raises(EngineRejected, match="2 x 64, the index wants 1 x 64"):
        writer.set_vectors("a", one.document.content_hash, np.zeros((2, 64), np.float32))
    with pytest.raises(EngineRejected, match="1 x 3"):
        writer.set_vectors("a", one.document.content_hash, np.zeros((1, 3), np.float32))


def test_missing_vectors_are_listed_across_sessions(path: Path) -> None:
    writer = open_writer(path)
    writer.replace([text_only(document("a", "wind")), embedded(document("b", "mugs")), text_only(document("e", ""))])
    writer.close()
    writer = open_writer(path)
    writer.replace([text_only(document("c", "new"))])
    assert sorted(writer.missing_vectors()) == ["a", "c"]
    restored = writer.chunks_of("c")  # flushes
    assert restored is not None
    assert restored.document.text == "new"
    assert sorted(writer.missing_vectors()) == ["a", "c"]
    writer.close()


def test_what_lacks_vectors_is_found_again_and_anew_while_the_rest_is_not_looked_through(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("retrievers.embedded.writer._LISTED", 2)
    writer = open_writer(path)
    writer.replace([embedded(document(name, f"wind {name}")) for name in "abcdef"])
    writer.replace([text_only(document("refused", "wind"))])
    writer.flush()
    assert [list(writer.missing_vectors()) for _ in range(2)] == [["refused"], ["refused"]]

    writer.replace([text_only(document("a", "changed")), text_only(document("g", "new"))])
    writer.flush()
    assert sorted(writer.missing_vectors()) == ["a", "g", "refused"]
    writer.close()


def test_compaction_reclaims_dead_rows_and_readers_go_on(path: Path, rng: np.random.Generator) -> None:
    writer = EmbeddedWriter(path, embedder_name="drawn", dimensions=16)
    for number in range(20):
        one = text_only(document(f"d{number}", f"wind number{number}"))
        writer.replace([one])
        writer.set_vectors(one.document.id, one.document.content_hash, unit_vectors(rng, 1, 16))
    writer.flush()
    old = EmbeddedRetriever(path).snapshot()
    writer.delete([f"d{number}" for number in range(12)])
    writer.close()
    assert {file.stem for file in (path / "vectors").iterdir()} == {"000001"}
    now = EmbeddedRetriever(path).snapshot()
    assert (len(now.vectors), now.vectors.live_count) == (8, 8)
    query = unit_vectors(rng, 1, 16)[0]
    assert len(nearest(old.vectors, query, 20, None)[0]) == 20
    writer = EmbeddedWriter(path, embedder_name="drawn", dimensions=16)
    writer.compact()
    writer.close()
    assert len(EmbeddedRetriever(path).snapshot().vectors) == 8


def test_a_compaction_cut_short_leaves_no_files(path: Path, index: Make) -> None:
    reader = index(document("a", "wind turbines"))
    (path / "vectors" / "000001.i8").write_bytes(b"half a copy")
    open_writer(path).close()
    assert {file.stem for file in (path / "vectors").iterdir()} == {"000000"}
    assert reader.vector_search("wind")[0].doc_id == "a"


def test_dead_rows_are_no_candidates(path: Path, rng: np.random.Generator) -> None:
    writer = EmbeddedWriter(path, embedder_name="drawn", dimensions=16)
    many = [text_only(document(f"d{number:03}", "wind")) for number in range(400)]
    writer.replace(many)
    for one in many:
        writer.set_vectors(one.document.id, one.document.content_hash, unit_vectors(rng, 1, 16))
    writer.flush()
    writer.delete([one.document.id for one in many[:100]])
    writer.flush()
    now = EmbeddedRetriever(path).snapshot()
    rows, scores = nearest(now.vectors, unit_vectors(rng, 1, 16)[0], 5, None)
    assert (rows >= 100).all()
    assert (np.diff(scores) <= 0).all()
    writer.close()


def test_the_nearest_are_the_nearest(path: Path, rng: np.random.Generator) -> None:
    writer = EmbeddedWriter(path, embedder_name="drawn", dimensions=64)
    one = text_only(document("a", "x" * 8 * 3000), size=8)
    vectors = unit_vectors(rng, 3000, 64)
    writer.replace([one])
    writer.set_vectors("a", one.document.content_hash, vectors)
    writer.flush()
    now = EmbeddedRetriever(path).snapshot()
    hits = 0
    for query in unit_vectors(rng, 50, 64):
        exact = set(np.argsort(vectors @ query)[-10:].tolist())
        hits += len(exact & set(nearest(now.vectors, query, 10, None)[0].tolist()))
        some = np.arange(0, 3000, 3)
        exact = set(some[np.argsort(vectors[some] @ query)[-10:]].tolist())
        assert len(exact & set(nearest(now.vectors, query, 10, some)[0].tolist())) >= 9
    assert hits >= 0.99 * 500
    writer.close()


def test_a_second_writer_is_told_who_writes(writer: EmbeddedWriter, path: Path) -> None:
    with pytest.raises(IndexLocked, match=f"process {os.getpid()}"):
        open_writer(path)


def test_the_lock_is_let_go_after_a_refusal(path: Path, index: Make) -> None:
    index(document("a", "wind"))
    with pytest.raises(IndexMismatch, match="built with hashing-64, not other"):
        EmbeddedWriter(path, embedder_name="other", dimensions=64)
    with pytest.raises(IndexMismatch, match="64 dimensions"):
        EmbeddedWriter(path, embedder_name=EMBEDDER.name, dimensions=32)
    open_writer(path).close()


def test_a_newer_format_is_refused_with_a_hint(path: Path, index: Make) -> None:
    index(document("a", "wind"))
    (path / "index.json").write_text('{"format": 99, "something": "new"}')
    with pytest.raises(IndexMismatch, match="format 99") as caught:
        EmbeddedRetriever(path)
    assert "upgrade" in caught.value.hint


def test_what_is_no_index_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no index at"):
        EmbeddedRetriever(tmp_path / "nowhere")
    (tmp_path / "photo.jpg").write_bytes(b"")
    with pytest.raises(ConfigError, match="is no index"):
        EmbeddedRetriever(tmp_path)
    with pytest.raises(ConfigError, match=r"not empty: it holds photo\.jpg"):
        open_writer(tmp_path)
    with pytest.raises(ConfigError, match="a file"):
        EmbeddedRetriever(tmp_path / "photo.jpg")


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\xff", b'{"format": 2, "embedder": 3}'])
def test_a_damaged_manifest_is_one_line(path: Path, index: Make, content: bytes) -> None:
    index(document("a", "wind"))
    (path / "index.json").write_bytes(content)
    with pytest.raises(ConfigError, match="damaged or not ours"):
        EmbeddedRetriever(path)


def test_a_damaged_text_index_is_one_line(path: Path, index: Make) -> None:
    index(document("a", "wind"))
    (path / "text" / "meta.json").write_text("nonsense")
    with pytest.raises(ConfigError, match="cannot be opened"):
        EmbeddedRetriever(path)


def test_an_index_that_disappears_is_one_line(path: Path, index: Make) -> None:
    reader = index(document("a", "wind"))
    assert reader.search("wind")
    shutil.rmtree(path)
    with pytest.raises(EngineUnavailable):
        reader.search("wind")


def test_a_creation_cut_short_is_begun_again(path: Path) -> None:
    (path / "text").mkdir(parents=True)
    (path / "text" / "meta.json").write_text("half")
    writer = open_writer(path)
    writer.replace([embedded(document("a", "wind"))])
    writer.close()
    assert embedder_of(path) == EMBEDDER.name


def test_opening_to_read_writes_nothing(path: Path, index: Make) -> None:
    index(document("a", "wind"))
    before = {file: file.stat().st_mtime_ns for file in path.rglob("*")}
    reader = EmbeddedRetriever(path, HashingEmbedder)
    reader.hybrid_search("wind")
    reader.describe()
    assert {file: file.stat().st_mtime_ns for file in path.rglob("*")} == before


def test_a_full_disk_is_one_line_and_loses_no_commit(path: Path, index: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    index(document("a", "wind"))
    writer = open_writer(path)
    writer.replace([embedded(document("b", "mugs"))])

    def full(_: VectorFiles) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(VectorFiles, "sync", full)
        with pytest.raises(ConfigError, match="No space left on device") as caught:
            writer.flush()
    assert caught.value.exit_code == 5
    writer.close()
    reader = EmbeddedRetriever(path, HashingEmbedder)
    assert [summary.doc_id for summary in reader.scan()] == ["a"]
    writer = open_writer(path)
    writer.replace([embedded(document("b", "mugs"))])
    writer.close()
    assert reader.count() == 2


def test_text_that_no_file_can_hold_is_made_whole(writer: EmbeddedWriter, reader: EmbeddedRetriever) -> None:
    odd = document("a", "wind \ud800 turbines", title="T\udfff", year="\ud801", tags=["\ud802", "b"])
    writer.replace([embedded(odd)])
    writer.flush()
    assert reader.get("a").content == "wind \ufffd turbines"
    assert reader.search("turbines")[0].title == "T\ufffd"


def test_ids_of_any_kind_work(writer: EmbeddedWriter, reader: EmbeddedRetriever) -> None:
    ids = ["", " ", "a b", "#head", "x" * 3000, "東京", "a\nb"]
    writer.replace([embedded(document(each, "wind")) for each in ids])
    writer.flush()
    assert {hit.doc_id for hit in reader.search("wind", top_k=50)} == set(ids)
    assert all(reader.get(each).content == "wind" for each in ids)
    writer.delete(ids)
    writer.flush()
    assert reader.count() == 0


def test_a_missing_document_names_itself(index: Make) -> None:
    reader = index(document("a", "wind"))
    for call in (lambda: reader.get("b"), lambda: reader.read("b", 0, 1), lambda: reader.read_pages("b", 1, 1)):
        with pytest.raises(DocumentNotFound, match="`b`"):
            call()


def test_closing_twice_and_flushing_nothing_are_harmless(path: Path) -> None:
    writer = open_writer(path)
    writer.flush()
    writer.close()
    writer.close()


def test_a_state_that_nobody_reads_any_more_lets_go_of_its_files_at_once(tmp_path: Path) -> None:
    open_writer(tmp_path / "index").close()
    reader = EmbeddedRetriever(tmp_path / "index")
    state = weakref.ref(reader.snapshot())
    gc.disable()
    try:
        del reader
        assert state() is None
    finally:
        gc.enable()


def test_the_cause_of_a_failed_write_is_told_however_long_its_path_is(tmp_path: Path) -> None:
    text = (
        "Failed to open file for write: 'IoError { io_error: Custom { kind: StorageFull, error: PathError { path: \""
        + "x" * 400
        + '", err: Os { code: 28, kind: StorageFull, message: "No space left on device" } } } }\''
    )
    assert str(write_failed(tmp_path, ValueError(text))).endswith(": No space left on device")
