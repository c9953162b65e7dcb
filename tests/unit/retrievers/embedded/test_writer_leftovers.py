"""What a killed writer leaves behind does not stop the next one."""

from pathlib import Path

from retrievers.embedded import EmbeddedRetriever, EmbeddedWriter
from retrievers.testing import document
from retrievers.types import IndexedDocument


def test_a_list_of_deleted_rows_that_no_commit_names_is_no_obstacle(tmp_path: Path) -> None:
    write(tmp_path, "one", "two")
    for opstamp in range(60):  # whatever number the next commit has
        for segment in (tmp_path / "text").glob("*.store"):
            left = segment.with_suffix(f".{opstamp}.del")
            if not left.exists():
                left.write_bytes(b"left")

    write(tmp_path, "one", "three")

    assert {found.doc_id for found in EmbeddedRetriever(tmp_path).scan()} == {"one", "two", "three"}


def write(path: Path, *names: str) -> None:
    writer = EmbeddedWriter(path, embedder_name="", dimensions=0)
    for name in names:
        writer.replace([IndexedDocument(document=document(name, f"text of {name}"), chunks=[])])
        writer.flush()
    writer.close()
