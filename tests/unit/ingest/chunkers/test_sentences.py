"""Chunks keep every promise of the protocol over made, random and real text."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from itertools import islice, pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.chunkers import MAX_TOKENS, load
from ingest.errors import ConfigError
from retrievers.embedders.tokenizer import count_tokens
from retrievers.types import Chunk, Document, Heading

CHUNKER = load()
SMALL = load(max_tokens=100)


def a_document(
    text: str, *, headings: tuple[Heading, ...] = (), pages: tuple[int, ...] = (), name: str = ""
) -> Document:
    metadata = {"name": name} if name else {}
    return Document(
        id="d",
        source=name,
        title="Title",
        text=text,
        media_type="text/plain",
        content_hash="0",
        headings=headings,
        pages=pages,
        metadata=metadata,
    )


def assert_promises(text: str, chunks: Sequence[Chunk], max_tokens: int = MAX_TOKENS) -> None:
    for chunk in chunks:
        assert chunk.text == text[chunk.start : chunk.end]
        assert count_tokens(chunk.text) <= max_tokens
    if not text.strip():
        assert not chunks
        return
    assert chunks[0].start == 0
    assert chunks[-1].end == len(text)
    for one, other in pairwise(chunks):
        assert one.start < other.start <= one.end < other.end
    assert [chunk.ordinal for chunk in chunks] == list(range(len(chunks)))
    assert len({chunk.id for chunk in chunks}) == len(chunks)


WORDS = st.sampled_from(
    [
        "the",
        "ferry",
        "Dr.",
        "U.S.",
        "3.5",
        "(1,234)",
        "naïve",
        "e\u0301",
        "漢字。",
        "한국어",
        "ไทย",
        "\U0001d518\U0001d52b",
        "👩‍👩‍👧",
        "[SEP]",
        "x" * 120,
    ]
)
GAPS = st.sampled_from(
    [" ", "  ", "\n", "\n\n", "\t", ". ", "! ", ".\n", "", "\u00a0", "\u3000", "。", "\r", "\x0c", "-"]
)
PROSE = st.lists(st.tuples(WORDS, GAPS), max_size=400).map(lambda pairs: "".join(map("".join, pairs)))
CHARACTERS = st.text(st.characters(exclude_categories=[]), max_size=1_500)


@settings(max_examples=120, deadline=None)
@given(PROSE)
def test_chunks_of_random_prose_cover_it_and_stay_within_the_limit(text: str) -> None:
    assert_promises(text, SMALL.chunk(a_document(text)), 100)


@settings(max_examples=120, deadline=None)
@given(CHARACTERS)
def test_chunks_of_random_characters_cover_them_and_stay_within_the_limit(text: str) -> None:
    assert_promises(text, SMALL.chunk(a_document(text)), 100)


@settings(max_examples=60, deadline=None)
@given(PROSE, st.lists(st.integers(0, 2_000)), st.lists(st.integers(0, 2_000)))
def test_pages_and_headings_anywhere_break_no_promise(text: str, pages: list[int], headings: list[int]) -> None:
    document = a_document(
        text,
        pages=tuple(sorted({0, *(page for page in pages if page <= len(text))})),
        headings=tuple(Heading(title="H", level=1, start=start) for start in sorted(headings) if start <= len(text)),
    )
    assert_promises(text, SMALL.chunk(document), 100)


@settings(max_examples=60, deadline=None)
@given(st.text("漢字仮名かなカナ한글ไทยa1 。\n", min_size=1_000, max_size=9_000))
def test_chunks_of_text_without_spaces_cover_it_and_stay_within_the_limit(text: str) -> None:
    assert_promises(text, CHUNKER.chunk(a_document(text)))


@pytest.mark.parametrize(
    "text",
    [
        "x" * 100_000,
        "ab" * 1_200 + "c" * 50,
        "漢" * 20_000,
        "か" * 20_000,
        "ไ" * 20_000,
        "한" * 20_000,
        "a b " * 10_000,
        " " * 100_000 + "end",
        "begin" + "\n" * 100_000,
        "0123456789" * 3_000,
        "..." * 5_000,
        "Aa." * 5_000,
        "\U0001f600" * 5_000,
        "e\u0301\u0302\u0303" * 3_000,
        ("word " * 20 + "\n") * 3_000,
    ],
    ids=lambda text: f"{text[:6]!r} and so on",
)
def test_monotonous_text_is_covered_and_stays_within_the_limit(text: str) -> None:
    assert_promises(text, CHUNKER.chunk(a_document(text)))


def test_a_lone_surrogate_costs_no_chunk() -> None:
    text = "before \ud800 after"
    assert [chunk.text for chunk in CHUNKER.chunk(a_document(text))] == [text]


def test_a_document_without_text_has_no_chunks() -> None:
    assert not CHUNKER.chunk(a_document(""))
    assert not CHUNKER.chunk(a_document(" \n\t "))


SENTENCE = "The ferry left the harbour at seven in the morning and came back at nine in the evening. "


def test_chunks_end_where_sentences_do() -> None:
    chunks = CHUNKER.chunk(a_document(SENTENCE * 60))
    assert len(chunks) > 3
    assert all(chunk.text.rstrip().endswith("evening.") and chunk.text.startswith("The ferry") for chunk in chunks)


def test_the_last_sentence_of_a_chunk_is_repeated_in_the_next_where_it_is_short() -> None:
    chunks = CHUNKER.chunk(a_document(SENTENCE * 60))
    repeated = [count_tokens(one.text[other.start - one.start :]) for one, other in pairwise(chunks)]
    assert all(0 < tokens <= 30 for tokens in repeated)


def test_abbreviations_end_no_sentence() -> None:
    text = "Dr. Hale met Mr. Brook of the U.S. Coast Guard at pier No. 5 with J. Smith. " * 40
    starts = {chunk.text.split()[0] for chunk in CHUNKER.chunk(a_document(text))}
    assert starts == {"Dr."}


def test_a_heading_begins_a_chunk_and_nothing_is_repeated_across_it() -> None:
    first, second = SENTENCE * 8, "Maintenance\n" + SENTENCE * 8
    heading = Heading(title="Maintenance", level=1, start=len(first))
    chunks = CHUNKER.chunk(a_document(first + second, headings=(heading,)))
    assert len(first) in [chunk.start for chunk in chunks]
    assert len(first) in [chunk.end for chunk in chunks]


def test_a_chunk_ends_with_its_page() -> None:
    text = "One short page.\nAnother one.\n"
    chunks = CHUNKER.chunk(a_document(text, pages=(0, 16)))
    assert [chunk.text for chunk in chunks] == ["One short page.\n", "Another one.\n"]


def test_chunks_too_small_for_a_word_are_refused() -> None:
    with pytest.raises(ConfigError, match="50 tokens"):
        load(max_tokens=50)


def test_the_same_text_is_cut_the_same_way_again() -> None:
    text = SENTENCE * 50
    assert CHUNKER.chunk(a_document(text)) == CHUNKER.chunk(a_document(text))


def real_texts() -> list[str]:
    root = os.environ.get("RLM_SEARCH_TEST_DATA")
    if not root:
        pytest.skip("RLM_SEARCH_TEST_DATA is not set")
    texts = []
    for name in ("xquad-ir", "cranfield", "ottqa"):
        with (Path(root) / name / "corpus.jsonl").open(encoding="utf-8") as lines:
            texts += [json.loads(line)["text"] for line in islice(lines, 300)]
    return texts


def test_chunks_of_real_text_keep_every_promise() -> None:
    texts = real_texts()
    for text in [*texts, "\n\n".join(texts)]:
        assert_promises(text, CHUNKER.chunk(a_document(text)))
