"""Every engine that is written to keeps a ledger beside its documents, true with the same flush."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from retrievers.copying import compare, copy, exporting
from retrievers.protocols import IndexWriter, KeepsLedger
from retrievers.registry import open_retriever, open_writer
from retrievers.testing import CORPUS, chunked
from retrievers.types import IndexedDocument, LedgerEntry
from tests.servers.search_nodes import ENGINES, fresh_index

ON_SERVERS = [pytest.param(engine, marks=pytest.mark.integration) for engine in ENGINES]


@pytest.fixture(params=["embedded", *ON_SERVERS])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "embedded":
        yield str(tmp_path / "index")
        return
    with fresh_index(request.param) as url:
        yield url


def opened(url: str) -> IndexWriter:
    return open_writer(url, embedder=None)


def ledger_of(writer: IndexWriter) -> KeepsLedger:
    assert isinstance(writer, KeepsLedger)
    return writer


def entry(author: str, number: int, body: bytes = b"\x00body") -> LedgerEntry:
    return LedgerEntry(author=author, number=number, body=body)


def read(url: str, **known: int) -> list[LedgerEntry]:
    reader = open_retriever(url, embedder="none")
    return list(cast("KeepsLedger", reader).read_ledger(known))


def test_entries_become_true_with_a_flush_and_are_read_in_order(url: str) -> None:
    written = [entry("b", 1), entry("a", 1, b"x" * 3_000_000), entry("b", 2)]
    writer = opened(url)
    assert ledger_of(writer).is_empty
    ledger_of(writer).write_ledger(written[:1])
    assert read(url) == []
    writer.flush()
    ledger_of(writer).write_ledger(written[1:])
    writer.close()

    assert read(url) == written
    assert read(url, b=1) == written[1:]
    assert read(url, a=1, b=2) == []
    writer = opened(url)
    assert ledger_of(writer).ledger_ends() == {"a": 1, "b": 2}
    writer.close()


def test_a_ledger_that_is_begun_anew_voids_what_was_there(url: str) -> None:
    writer = opened(url)
    ledger_of(writer).write_ledger([entry("a", number) for number in range(1, 4)])
    writer.flush()
    ledger_of(writer).write_ledger([entry("b", 1), entry("b", 2)], anew=True)
    writer.flush()
    ledger_of(writer).write_ledger([entry("b", 3)])
    writer.close()

    assert read(url) == [entry("b", 1), entry("b", 2), entry("b", 3)]
    writer = opened(url)
    assert ledger_of(writer).ledger_ends() == {"b": 3}
    ledger_of(writer).write_ledger([entry("a", 4)])
    writer.close()
    assert read(url, b=3) == [entry("a", 4)]


def test_a_ledger_is_no_document(url: str) -> None:
    writer = opened(url)
    ledger_of(writer).write_ledger([entry("wind", 1, b"wind wind")])
    writer.flush()
    assert ledger_of(writer).is_empty
    writer.replace([IndexedDocument(document=each, chunks=chunked(each)) for each in CORPUS])
    writer.close()

    reader = open_retriever(url, embedder="none")
    assert len(list(exporting(reader, url).export())) == len(CORPUS)
    assert {hit.doc_id for hit in reader.search("wind")} <= {each.id for each in CORPUS}


def test_a_copy_takes_the_ledger_along(url: str, tmp_path: Path) -> None:
    writer = opened(url)
    writer.replace([IndexedDocument(document=each, chunks=chunked(each)) for each in CORPUS])
    ledger_of(writer).write_ledger([entry("a", 1), entry("a", 2)])
    writer.close()
    other = str(tmp_path / "copy")
    source = exporting(open_retriever(url, embedder="none"), url)

    for _ in range(2):  # a copy that was stopped is made again
        writer = opened(other)
        copy(source, writer)
        writer.close()

    assert read(other) == [entry("a", 1), entry("a", 2)]
    assert compare(source, exporting(open_retriever(other, embedder="none"), other)).is_same


def test_a_filter_that_must_hold_leaves_no_way_around_it(url: str) -> None:
    from retrievers.settings import Settings

    writer = opened(url)
    ledger_of(writer).write_ledger([entry("a", 1)])
    writer.close()
    settings = Settings.of({"retriever": {"must": {"doc_id": "x"}}})

    reader = open_retriever(url, embedder="none", settings=settings)

    assert list(cast("KeepsLedger", reader).read_ledger({})) == []
