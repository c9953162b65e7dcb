"""What an index holds moves to another and is compared, without parsing or embedding again."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from retrievers.copying import Copied, compare, copy, exporting, gaps
from retrievers.embedded import EmbeddedRetriever, EmbeddedWriter
from retrievers.embedders.hashing import HashingEmbedder
from retrievers.testing import CORPUS, chunked
from retrievers.types import IndexedDocument


def written(path: Path, *, leave_out: str = "") -> EmbeddedRetriever:
    embedder = HashingEmbedder()
    writer = EmbeddedWriter(path, embedder_name=embedder.name, dimensions=embedder.dimensions)
    for each in CORPUS:
        if each.id != leave_out:
            chunks = chunked(each)
            matrix = embedder.embed_documents([chunk.embedding_text for chunk in chunks])
            writer.replace([IndexedDocument(document=each, chunks=chunks, vectors=matrix)])
    writer.close()
    return EmbeddedRetriever(path, HashingEmbedder)


def test_a_copy_holds_the_same_documents_chunks_and_vectors(tmp_path: Path) -> None:
    source = written(tmp_path / "one")
    name, dimensions = source.embedder()
    told: list[tuple[int, str]] = []
    writer = EmbeddedWriter(tmp_path / "two", embedder_name=name, dimensions=dimensions)

    copied = copy(exporting(source, "one"), writer, told=lambda done, last: told.append((done.documents, last)))
    writer.close()

    target = EmbeddedRetriever(tmp_path / "two", HashingEmbedder)
    assert isinstance(copied, Copied)
    assert copied.documents == len(CORPUS)
    assert told[-1] == (len(CORPUS), max(each.id for each in CORPUS))
    assert compare(source, target).is_same
    for one, other in zip(source.export(), target.export(), strict=True):
        assert (one.vectors is None) == (other.vectors is None)
        if one.vectors is not None and other.vectors is not None:
            assert np.array_equal(one.vectors, other.vectors)
    assert [hit.doc_id for hit in source.vector_search("wind")] == [hit.doc_id for hit in target.vector_search("wind")]


def test_documents_that_the_target_would_not_take_are_named(tmp_path: Path) -> None:
    class Picky(EmbeddedWriter):
        """As a server: what it takes no row of is taken out at the flush, and told."""

        def take_refused(self) -> dict[str, str]:
            return {"memo": "no room"} if self.holds("memo") else {}

    source = written(tmp_path / "one")
    name, dimensions = source.embedder()
    writer = Picky(tmp_path / "two", embedder_name=name, dimensions=dimensions)

    copied = copy(source, writer)
    writer.close()

    assert copied.refused == {"memo": "no room"}
    assert copied.documents == len(CORPUS) - 1


def test_an_export_begins_behind_an_id(tmp_path: Path) -> None:
    source = written(tmp_path / "one")
    ids = [item.document.id for item in source.export()]

    assert ids == sorted(each.id for each in CORPUS)
    assert [item.document.id for item in source.export(after=ids[1])] == ids[2:]


def test_what_differs_is_named(tmp_path: Path) -> None:
    one, other = written(tmp_path / "one"), written(tmp_path / "two", leave_out="memo")

    assert (compare(one, other).missing, compare(other, one).surplus) == (1, 1)
    assert compare(one, other).named == ["missing memo"]
    assert list(gaps(one)) == []


def test_marks_and_vectors_that_differ_are_named(tmp_path: Path) -> None:
    one, other = written(tmp_path / "one"), written(tmp_path / "two")
    embedder = HashingEmbedder()
    writer = EmbeddedWriter(tmp_path / "two", embedder_name=embedder.name, dimensions=embedder.dimensions)
    writer.mark_duplicates({"memo": "solaris"})
    changed = next(item for item in other.export() if item.document.id == "solaris")
    assert changed.vectors is not None
    writer.replace([IndexedDocument(document=changed.document, chunks=changed.chunks, vectors=-changed.vectors)])
    writer.close()

    found = compare(one, EmbeddedRetriever(tmp_path / "two"))

    assert (found.other_marks, found.other_vectors, found.different) == (1, 1, 0)
    assert found.named == ["other vectors solaris", "marked otherwise memo"]
    assert not found.is_same
