"""Ids and values of any script, length and punctuation can be walked over and asked for by prefix."""

from __future__ import annotations

from pathlib import Path

import pytest

from retrievers.embedded import EmbeddedRetriever, EmbeddedWriter
from retrievers.testing import chunked
from retrievers.types import Document, IndexedDocument

IDS = [
    "a",
    "traffic-2021-2023-c1bae7de",
    "日本語文書の識別子です-0f00ba12",
    "long-" * 30 + "1",
    "long-" * 30 + "2",
    "<odd> \"id\" & 'more' (1+1)*[2]{3}^$.\\|?#~/",
    "\U0001f600\U0001f600",
    "é\uffff",
]


@pytest.fixture(scope="module")
def retriever(tmp_path_factory: pytest.TempPathFactory) -> EmbeddedRetriever:
    path: Path = tmp_path_factory.mktemp("ids") / "index"
    writer = EmbeddedWriter(path, embedder_name="", dimensions=0)
    for name in IDS:
        document = Document(
            id=name, source=f"{name}.txt", title=name, text=f"Text of {name}", media_type="text/plain",
            content_hash=name, metadata={"label": name},
        )  # fmt: skip
        writer.replace([IndexedDocument(document=document, chunks=chunked(document), vectors=None)])
    writer.close()
    return EmbeddedRetriever(path)


def test_a_scan_gives_every_id_once_in_order(retriever: EmbeddedRetriever) -> None:
    assert [summary.doc_id for summary in retriever.scan()] == sorted(IDS)


@pytest.mark.parametrize("after", IDS)
def test_a_scan_begins_behind_any_id(retriever: EmbeddedRetriever, after: str) -> None:
    assert [summary.doc_id for summary in retriever.scan(after=after)] == [name for name in sorted(IDS) if name > after]


@pytest.mark.parametrize("name", IDS)
def test_any_value_is_found_by_its_beginning(retriever: EmbeddedRetriever, name: str) -> None:
    filters = {"label": {"prefix": name[: max(1, len(name) // 2)]}}

    assert name in [summary.doc_id for summary in retriever.scan(filters=filters)]
