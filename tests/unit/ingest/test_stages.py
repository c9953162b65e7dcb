"""A file becomes documents with identity, language, metadata, chunks and warnings."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from ingest import chunkers, parsers
from ingest.sources import find
from ingest.stages import reader, version
from ingest.types import SourceFile, Warned
from retrievers.types import IndexedDocument

READ = reader()


def read_all(path: Path) -> list[tuple[IndexedDocument, tuple[Warned, ...]]]:
    return [
        item for file in find([path]) if isinstance(file, SourceFile) for item in READ(file) if isinstance(item, tuple)
    ]


def test_a_file_becomes_a_document_that_is_ready_to_be_written(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    content = b"# Harbour log\n\nThe ferry left the harbour at seven in the morning.\n"
    (folder / "log_may-2024.md").write_bytes(content)
    ((item, warnings),) = read_all(tmp_path)
    document, sha256 = item.document, hashlib.sha256(content).hexdigest()
    assert (document.id, document.content_hash) == (f"log_may-2024-{sha256[:8]}", sha256)
    assert (document.source, document.sources) == ("logs/log_may-2024.md", ("logs/log_may-2024.md",))
    assert (document.title, document.language, document.media_type) == ("Harbour log", "en", "text/markdown")
    described = {"name": "log_may-2024.md", "extension": "md", "folder": "logs", "size": len(content)}
    assert described.items() <= document.metadata.items()
    assert [(chunk.text, chunk.context) for chunk in item.chunks] == [(document.text, "Harbour log - log may 2024")]
    assert not warnings


def test_the_same_content_under_two_names_has_the_same_hash(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("the same")
    (tmp_path / "b.txt").write_text("the same")
    (one, _), (other, _) = read_all(tmp_path)
    assert one.document.content_hash == other.document.content_hash
    assert one.document.id != other.document.id


def test_records_keep_their_ids_and_name_their_file(tmp_path: Path) -> None:
    (tmp_path / "c.jsonl").write_text('{"_id": "d 1", "title": "T", "text": "x", "name": "own"}\n{"text": "y"}\n')
    (first, _), (second, _) = read_all(tmp_path)
    assert (first.document.id, first.document.source, first.document.title) == ("d 1", "c.jsonl#d 1", "T")
    assert first.document.metadata["name"] == "own"
    assert second.document.source == "c.jsonl#2"
    assert second.document.id.startswith("c-")


@pytest.mark.parametrize(("name", "content"), [("a.txt", b""), ("b.txt", b" \n\t\n"), ("c.html", b"<p></p>")])
def test_a_file_without_text_is_a_document_with_a_warning(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    ((item, warnings),) = read_all(tmp_path)
    assert (item.document.text, list(item.chunks)) == ("", [])
    assert [(warned.kind, warned.source, warned.message) for warned in warnings] == [
        ("empty", name, "it holds no text")
    ]


def test_what_no_index_holds_does_not_come_through(tmp_path: Path) -> None:
    (tmp_path / "c.jsonl").write_text('{"_id": "a\\ud800", "title": "b\\u0000", "text": "lone \\udfff end"}')
    ((item, _),) = read_all(tmp_path)
    assert (item.document.id, item.document.title, item.document.text) == ("a\ufffd", "b", "lone \ufffd end")


def test_documents_come_without_chunks_where_none_are_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("some text")
    (file,) = find([tmp_path])
    assert isinstance(file, SourceFile)
    ((indexed, _),) = (item for item in reader(chunk=False)(file) if isinstance(item, tuple))
    assert not indexed.chunks


def test_the_version_names_the_parsers_and_the_chunker() -> None:
    assert f"parsers-{parsers.version()}" in version()
    assert f"chunker-{chunkers.VERSION}" in version()
