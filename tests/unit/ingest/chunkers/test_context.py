"""The context of a chunk says what the chunk alone does not."""

from __future__ import annotations

from collections.abc import Mapping

from ingest.chunkers.context import RECORDS, Contexts
from retrievers.types import Document, Heading, MetadataValue


def a_document(
    title: str = "Annual Report",
    *,
    name: str = "",
    media_type: str = "text/plain",
    headings: tuple[Heading, ...] = (),
    text: str = "text",
    pages: tuple[int, ...] = (),
) -> Document:
    metadata: Mapping[str, MetadataValue] = {"name": name} if name else {}
    return Document(
        id="d",
        source=name,
        title=title,
        text=text,
        media_type=media_type,
        content_hash="0",
        headings=headings,
        metadata=metadata,
        pages=pages,
    )


def test_the_words_of_the_file_name_follow_a_title_that_does_not_hold_them() -> None:
    assert Contexts(a_document(name="3M_2018_10K.pdf")).at(0) == "Annual Report - 3M 2018 10K"


def test_a_file_name_that_the_title_holds_is_not_repeated() -> None:
    assert Contexts(a_document("Annual Report of 2018", name="annual-report.pdf")).at(0) == "Annual Report of 2018"


def test_the_name_of_a_file_of_records_is_left_out() -> None:
    assert Contexts(a_document(name="corpus.jsonl", media_type=RECORDS)).at(0) == "Annual Report"


def test_a_document_without_a_title_is_introduced_by_its_file_name() -> None:
    assert Contexts(a_document("", name="notes_may.txt")).at(0) == "notes may"


HEADINGS = (
    Heading(title="Part I", level=1, start=10),
    Heading(title="Item 7", level=2, start=20),
    Heading(title="Liquidity", level=3, start=30),
    Heading(title="Part II", level=1, start=40),
)


def test_the_headings_above_a_chunk_are_its_path() -> None:
    contexts = Contexts(a_document(headings=HEADINGS))
    assert contexts.at(9) == "Annual Report"
    assert contexts.at(35) == "Annual Report\nPart I > Item 7 > Liquidity"
    assert contexts.at(40) == "Annual Report\nPart II"


def test_a_long_path_keeps_its_deep_end() -> None:
    headings = tuple(Heading(title=f"{level} " + "x" * 60, level=level, start=level) for level in (1, 2, 3))
    path = Contexts(a_document(headings=headings)).at(3).splitlines()[1]
    assert path == "3 " + "x" * 60


def test_a_chunk_inside_a_page_carries_how_the_page_begins() -> None:
    text = "Consolidated Balance Sheet\n12\n(in millions)\nCash 5\nDebt 7\n"
    contexts = Contexts(a_document(text=text, pages=(0,)))
    assert contexts.at(0) == "Annual Report"
    assert contexts.at(text.index("Debt")) == "Annual Report\nConsolidated Balance Sheet (in millions) Cash 5"


def test_a_running_header_is_not_how_a_page_begins() -> None:
    pages = [f"Table of Contents\nPage {number} of 9\nItem {name}\nwords\n" for number, name in enumerate("ABCDE")]
    starts = tuple(sum(map(len, pages[:number])) for number in range(len(pages)))
    contexts = Contexts(a_document(text="".join(pages), pages=starts))
    assert contexts.at(starts[2] + pages[2].index("words")) == "Annual Report\nItem C"


def test_a_line_on_few_pages_is_no_running_header() -> None:
    pages = ["Notes\nItem\nwords\n"] * 3
    contexts = Contexts(a_document(text="".join(pages), pages=(0, 17, 34)))
    assert contexts.at(17 + pages[1].index("words")) == "Annual Report\nNotes Item"
