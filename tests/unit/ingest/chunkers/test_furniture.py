"""Running headers, footers and page numbers stay in the text, and out of what is indexed and embedded."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

import pytest

from ingest import stages
from ingest.chunkers.furniture import furniture_of
from ingest.sources import find
from ingest.types import SourceFile
from retrievers.embedded import EmbeddedRetriever, EmbeddedWriter
from retrievers.furniture import blotted, within, without
from retrievers.types import IndexedDocument
from tests.unit.ingest.parsers import papers

WORDS = ("crane", "harbour", "ferry", "ledger", "lantern", "anchor", "rudder", "compass", "capstan", "galley")


def found(pages: Sequence[str], labels: Sequence[str] = ()) -> list[str]:
    """The furniture of these pages, each piece without its newline."""
    starts = [0, *accumulate(map(len, pages))][:-1]
    text = "".join(pages)
    return [text[start:end].strip() for start, end in furniture_of(text, starts, labels)]


def test_what_comes_again_on_each_page_is_furniture_but_for_the_first_time() -> None:
    pages = [f"Harbour Board {2000 + n}\nThe {word} is old.\nPage {n} of 10\n" for n, word in enumerate(WORDS)]
    assert found(pages) == [line for n in range(1, 10) for line in (f"Harbour Board {2000 + n}", f"Page {n} of 10")]


def test_left_and_right_pages_may_differ() -> None:
    pages = [f"{('The Gazette', 'Of the harbour')[n % 2]}\nThe {word}.\n" for n, word in enumerate(WORDS)]
    assert found(pages) == ["The Gazette", "Of the harbour"] * 4


def test_page_numbers_go_up_with_the_pages() -> None:
    assert found([f"The {word}.\n- {n + 12} -\n" for n, word in enumerate(WORDS)]) == [
        f"- {n + 12} -" for n in range(1, 10)
    ]
    figures = (7, 3, 12, 5, 81, 2, 9, 44, 6, 1)
    assert found([f"The {word}.\n{figure}\n" for word, figure in zip(WORDS, figures, strict=True)]) == []


def test_printed_labels_are_page_numbers() -> None:
    labels = ["i", "ii", "iii", "iv", "v"]
    pages = [f"The {word}.\n{label}\n" for word, label in zip(WORDS, labels, strict=False)]
    assert found(pages, labels) == labels


@pytest.mark.parametrize(
    "pages",
    [
        [],
        ["One page.\n"],
        ["The same.\n", "The same.\n"],
        [f"The {word}.\nTotal\nof {word}\nand so on, {word}\nand {word}\n" for word in WORDS],
        [f"The {word}\n" if n % 4 else "Now and then\n" for n, word in enumerate(WORDS * 4)],
        ["\n" for _ in WORDS],
    ],
)
def test_other_lines_are_none(pages: list[str]) -> None:
    assert [line for line in found(pages) if line.startswith(("One", "Total", "Now"))] == []
    assert len(found(pages)) <= len(pages)


def test_a_line_below_one_of_the_pages_own_is_none() -> None:
    pages = [f"Alpha {word}\nRepeated below it\n{word} one\n{word} two\n{word} three\n" for word in WORDS]
    assert found(pages) == []


def test_a_piece_knows_its_part_of_the_furniture() -> None:
    furniture = [(0, 5), (10, 15), (20, 25)]
    assert within(furniture, 3, 12) == ((3, 5), (10, 12))
    assert within(furniture, 5, 10) == ()
    assert within(furniture, 16, 30) == ((20, 25),)
    assert without("56789abcdeFGHIJ", within(furniture, 5, 20), 5) == "56789FGHIJ"
    assert without("header", ((0, 6),)) == "header", "rather than nothing"
    assert blotted("ab\ncd\nef", ((3, 6),)) == "ab\n  \nef"


@pytest.fixture
def item(tmp_path: Path) -> IndexedDocument:
    lines = [["Harbour Board of Bergen", f"The {word} is old and has to be replaced."] for word in WORDS]
    (tmp_path / "report.pdf").write_bytes(papers.paper(*lines))
    (file,) = (file for file in find([tmp_path]) if isinstance(file, SourceFile))
    ((item, _),) = (read for read in stages.reader()(file) if isinstance(read, tuple))
    return item


def test_chunks_keep_it_in_their_text_and_not_in_what_is_embedded(item: IndexedDocument) -> None:
    for chunk in item.chunks:
        assert chunk.text == item.document.text[chunk.start : chunk.end]
        assert "Harbour Board of Bergen" in chunk.text
        assert ("Harbour Board of Bergen" in chunk.embedding_text) == (chunk.ordinal == 0)
        assert "is old and has to be replaced" in chunk.embedding_text


def test_the_index_keeps_it_and_finds_the_page_that_had_it_first(item: IndexedDocument, tmp_path: Path) -> None:
    writer = EmbeddedWriter(tmp_path / "index", embedder_name="", dimensions=0)
    writer.replace([item])
    writer.flush()
    assert writer.chunks_of(item.document.id) == IndexedDocument(document=item.document, chunks=list(item.chunks))
    writer.close()
    retriever = EmbeddedRetriever(tmp_path / "index")
    assert [hit.pages for hit in retriever.search("Bergen", top_k=20)] == [(1,)]
    (hit,) = retriever.search("capstan", top_k=20)
    assert "capstan" in hit.preview
    assert retriever.get(item.document.id).content == item.document.text
