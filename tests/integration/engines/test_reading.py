"""A very large document on real servers: whole and in order, by page and by span, with memory that stays flat."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from retrievers.registry import open_retriever, open_writer
from retrievers.servers.retriever import ServerRetriever
from retrievers.testing import chunked, document
from retrievers.types import IndexedDocument
from tests.servers.search_nodes import ENGINES, fresh_index

pytestmark = pytest.mark.integration

PAGES: Final = 20_000
PAGE: Final = "Page {:05d} of the log of the harbour: the ferry came at {:02d}, and the fog was thick. "
TEXT: Final = "".join(PAGE.format(number, number % 24) for number in range(1, PAGES + 1))
LENGTH: Final = len(TEXT) // PAGES


@pytest.fixture(scope="module", params=ENGINES)
def reader(request: pytest.FixtureRequest) -> Iterator[ServerRetriever]:
    with fresh_index(str(request.param)) as url:
        big = replace(document("log", TEXT, harbour="north"), pages=tuple(range(0, len(TEXT), LENGTH)))
        small = document("note", "A note that lies beside it.", harbour="south")
        writer = open_writer(url, embedder=None)
        writer.replace([IndexedDocument(document=each, chunks=chunked(each)) for each in (big, small)])
        writer.close()
        retriever = open_retriever(url)
        assert isinstance(retriever, ServerRetriever)
        yield retriever
        retriever.close()


def test_a_document_of_20_000_pages_comes_whole_and_in_order(reader: ServerRetriever) -> None:
    found = reader.get("log")

    assert found.content == TEXT
    assert len(found.pages) == PAGES
    assert found.metadata["harbour"] == "north"


def test_its_pages_and_spans_are_found_without_the_rest(reader: ServerRetriever) -> None:
    before = anonymous_memory()
    for number in (1, 2, 999, 1_000, 1_001, 10_500, PAGES):
        (page,) = reader.read_pages("log", number, number)
        assert page.text == PAGE.format(number, number % 24)
        assert reader.read("log", page.start + 5, page.start + 10).text == f"{number:05d}"
    span = reader.read("log", LENGTH * 5_000, LENGTH * 7_500)
    assert (span.text, len(span.pages)) == (TEXT[LENGTH * 5_000 : LENGTH * 7_500], 2_500)
    assert [page.number for page in reader.read_pages("log", PAGES - 1, PAGES + 9)] == [PAGES - 1, PAGES]
    for number in range(1, 40):
        reader.read_pages("log", number * 497, number * 497)

    assert anonymous_memory() - before < 40


def test_each_result_is_the_page_that_was_asked_for(reader: ServerRetriever) -> None:
    (hit,) = reader.search('"Page 12345 of the log"', top_k=1)

    assert (hit.doc_id, hit.pages) == ("log", (12_345,))
    assert "12345" in hit.preview
    assert TEXT[hit.start : hit.end].startswith("Page 12345")


@pytest.mark.parametrize("top_k", [1, 999, 1_001, 10_000])
def test_as_many_results_come_as_were_asked_for(reader: ServerRetriever, top_k: int) -> None:
    hits = reader.search("ferry harbour", top_k=top_k)

    assert len({hit.chunk_id for hit in hits}) == len(hits) == top_k
    assert all(hit.score > 0 for hit in hits)


def anonymous_memory() -> float:
    """Of this process, in MB."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) / 1e3 for line in status.splitlines() if line.startswith("RssAnon"))
