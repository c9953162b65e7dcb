"""Reading and finding in the REPL: pages and their neighbours, patterns, outlines, one hit a document."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from retrievers.types import DocumentSummary, Heading, Hit, RetrievedDocument
from rlm_search import Limits
from rlm_search.matching import BadPattern, Matcher, TooSlow
from rlm_search.testing import MemoryRetriever
from rlm_search.trace.events import DocumentRead, Searched

Tell = Callable[..., Any]
END = "\nes_search('wind')\nFINAL('done')"
BOOK = "\f".join(f"Page {n} of the log. The wind was {n * 5} knots.\nThe gust-limit holds." for n in range(1, 31))


class Listed(MemoryRetriever):
    """One whose documents can be listed, and have an outline."""

    def scan(
        self, *, query: str = "", filters: Any = None, after: str = "", limit: int | None = None
    ) -> Iterator[DocumentSummary]:
        ids = [d for d in sorted(self._documents) if d > after and self._passes(d, filters)]
        return (DocumentSummary(doc_id=d, characters=len(self._documents[d])) for d in ids[:limit])

    def get(self, doc_id: str) -> RetrievedDocument:
        found = super().get(doc_id)
        headings = (Heading(title="Winds", level=1, start=0), Heading(title="Gusts", level=2, start=70))
        return RetrievedDocument(**{**found, "headings": headings})


@pytest.fixture
def listed() -> Listed:
    texts = {"book": BOOK, "log": "She was late.\nThe wind rose to 99 knots, and fell.", "plain": "Nothing."}
    return Listed(texts, {"book": {"year": 2024}, "log": {"year": 2023}})


# --- pages -----------------------------------------------------------------------------------------------------------


def test_pages_come_in_order_with_their_neighbours_and_count_from_one(tell: Tell, listed: Listed) -> None:
    told = tell(
        "\np = es_get_pages('book', pages=[9, 2], radius=1)\nprint([x.number for x in p], p[0].text[:6])"
        "\nprint([x.number for x in es_get_pages('book', max_pages=3)])"
        "\nprint(es_get_pages_text('book', [30, 1]))"
        "\nprint(len(es_get_text('book')), es_get_text('log')[:13])",
        END,
        retriever=listed,
    )
    assert "[1, 2, 3, 8, 9, 10] Page 1" in told.shown
    assert "[1, 2, 3]\n" in told.shown
    assert re.search(r"<!-- Page 1 -->\nPage 1 of.*\n\n?.*\n*<!-- Page 30 -->\nPage 30 of", told.shown, re.DOTALL)
    assert f"{len(BOOK)} She was late." in told.shown
    assert [e.pages for e in told.of(DocumentRead)][:6] == [[1], [2], [3], [8], [9], [10]]


def test_pages_beyond_the_most_are_left_out_and_told(tell: Tell, listed: Listed) -> None:
    told = tell(
        "\nprint(es_get_pages('book', list(range(1, 31)), max_pages=5).note)"
        "\nprint(es_get_pages_text('book', [1, 2, 3], max_pages=2)[-60:])",
        END,
        retriever=listed,
    )
    assert "page 6 and 24 more were left out (max_pages=5)" in told.shown
    assert "page 3 and 0 more were left out (max_pages=2)]" in told.shown


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        ("es_get_pages('book', [0])", "count from 1"),
        ("es_get_pages('book', [99])", "has pages 1 to 30, none of 99 to 99"),
        ("es_get_pages('book', max_pages=0)", "between 1 and 100"),
        ("es_get_pages('book', [1], radius=-1)", "radius must lie"),
        ("es_get_pages_text('log', [1])", "es_get_text('log')"),
        ("es_get_pages('gone')", "no document 'gone'"),
        ("es_get_text('gone')", "no document 'gone'"),
        ("es_find_pages('gone', 'x')", "no document 'gone'"),
        ("es_find_pages('book', [])", "1 to 50 patterns"),
        ("es_find_pages('book', '(', regex=True)", "no regular expression: error: missing )"),
        ("es_find_pages('book', 'x', max_matches=0)", "1 to 1,000"),
        ("es_grep('')", "the pattern is empty"),
        ("es_grep('[')", "no regular expression"),
        ("es_grep('x' * 1500)", "at most 1,000"),
        ("es_grep('wind', {'yeer': 1})", "unknown field 'yeer'"),
        ("es_outline('gone')", "no document 'gone'"),
        ("es_list_logical_doc_ids(0)", "between 1 and 100,000"),
        ("es_hybrid_search_in_doc('gone', 'wind')", "no document 'gone'"),
        ("es_hybrid_search_in_doc('log', ' ')", "the query is empty"),
        ("es_hybrid_search_in_doc('log', 'wind', filters={'yeer': 1})", "unknown field 'yeer'"),
        ("es_hybrid_doc_search('wind', top_k=0)", "between 1 and 200"),
    ],
)
def test_a_mistake_is_told_as_a_sentence(tell: Tell, listed: Listed, call: str, reason: str) -> None:
    assert reason in tell(f"\n{call}", END, retriever=listed).shown


# --- patterns --------------------------------------------------------------------------------------------------------


def test_pages_are_found_by_words_and_by_expressions(tell: Tell, listed: Listed) -> None:
    told = tell(
        "\nr = es_find_pages('book', ['wind was 25', 'GUST LIMIT', 'absent'], max_matches=6)"
        "\nprint([(x.page_num, x.matched_patterns) for x in r][3:5]); print(r.note)"
        "\nr = es_find_pages('book', r'\\b(5|1[05])0 knots', regex=True)"
        "\nprint([(x.page_num, x.pages, x.snippet) for x in r])"
        "\nprint(es_get('book', pages=r[0].pages).text[:7], len(es_find_pages('book', 'gust', False, True)))"
        "\nprint(es_find_pages('log', 'WIND'))",
        END,
        retriever=listed,
    )
    assert "[(4, ['GUST LIMIT']), (5, ['wind was 25', 'GUST LIMIT'])]" in told.shown
    assert "stopped before page 7: max_matches reached" in told.shown
    assert "(10, [10], 'Page 10 of the log. The wind was 50 knots.'), (20, [20]," in told.shown
    assert "Page 10 20" in told.shown
    assert "snippet='The wind rose to 99 knots, and fell.'" in told.shown


def test_pages_that_match_are_read_with_their_neighbours(tell: Tell, listed: Listed) -> None:
    told = tell(
        "\nprint(es_find_pages_text('book', 'was 25 knots', radius=1))"
        "\nprint(repr(es_find_pages_text('book', 'absent')), es_find_pages_text('log', 'wind'))",
        END,
        retriever=listed,
    )
    assert re.findall(r"<!-- Page (\d+)", told.shown) == ["4", "5", "6"]
    assert "'' The wind rose" in told.shown


def test_all_documents_are_looked_through_and_how_many_is_told(tell: Tell, listed: Listed) -> None:
    told = tell(
        "\nr = es_grep(r'\\b(95|99) knots')\nprint(r)\nprint(cite(r[-1], 'The wind rose to 99 knots'))"
        "\nr = es_grep('knots', max_matches=10)\nprint(len(r), r.note)"
        "\nprint(es_grep('knots', after='book').coverage, es_grep('knots', {'year': 2024}, 1000).coverage)",
        END,
        retriever=listed,
    )
    assert "doc_id='book'  pages=[19]" in told.shown
    assert "looked through 3 documents, which is all; 2 match" in told.shown
    assert "[1]" in told.shown
    assert "there are more matches in 'book'; go on behind it with after='book'" in told.shown
    assert "through 2 documents, which is all; 1 match looked through 1 documents, which is all; 1 match" in told.shown
    searched = [e for e in told.of(Searched) if e.function == "es_grep"]
    assert len(searched[0].hits) == 2


def test_a_pattern_that_never_ends_is_told_and_costs_seconds(
    tell: Tell, listed: Listed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rlm_search.tools.patterns.MATCH_SECONDS", 0.3)
    listed = Listed({"trap": "a" * 5_000})
    started = time.monotonic()
    told = tell("\nes_grep('(a+)+b')", "\nes_find_pages('trap', '(a|aa)+$b', regex=True)", END, retriever=listed)
    assert told.shown.count("write a simpler pattern") == 2
    assert told.answer.status == "answered"
    assert time.monotonic() - started < 5


def test_a_matcher_gives_spans_of_code_points_and_says_what_is_wrong() -> None:
    with Matcher([r"wi.d", r"\d+"], most=2) as matcher:
        assert matcher.spans("é😀 the wind 12, 3 and 4") == [[(7, 11)], [(12, 14), (16, 17)]]
        assert matcher.spans("") == [[], []]
        assert matcher.spans("lone \ud800 wind") == [[(7, 11)], []]
    with pytest.raises(BadPattern, match="unterminated"):
        Matcher(["[a"])
    with pytest.raises(TooSlow), Matcher(["(x+x+)+y"], seconds=0.2) as matcher:
        matcher.spans("x" * 3_000)


# --- outline, lists, one hit a document ------------------------------------------------------------------------------


def test_the_outline_gives_headings_with_their_pages(tell: Tell, listed: Listed) -> None:
    told = tell("\no = es_outline('book')\nprint(o)\nprint(o.headings[1].pages, o.page_count)", END, retriever=listed)
    assert "level=2  title='Gusts'  start=70  pages=[2]" in told.shown
    assert "[2] 30" in told.shown


def test_ids_are_listed_where_the_retriever_can(tell: Tell, listed: Listed) -> None:
    assert "['book', 'log']" in tell("\nprint(es_list_logical_doc_ids(2))", END, retriever=listed).shown

    class Foreign(MemoryRetriever):
        def list_logical_doc_ids(self, *, max_docs: int = 10_000) -> list[str]:
            return ["b", "a"]

    assert "['a', 'b']" in tell("\nprint(es_list_logical_doc_ids())", END, retriever=Foreign({})).shown
    assert "not defined" in tell("\nprint(es_list_logical_doc_ids())", END).shown


def test_one_hit_a_document_says_how_many_there_were_and_on_which_pages(tell: Tell, listed: Listed) -> None:
    told = tell(
        "\nh = es_search('wind knots', top_k=2, deduplicate_by_doc=True)"
        "\nprint([(x.doc_id, x.hit_count, x.matched_page_numbers[:3]) for x in h])"
        "\nh = es_hybrid_doc_search('wind knots', top_k=5)\nprint(sorted(x.doc_id for x in h))"
        "\nprint(len(es_vector_search('wind', deduplicate_by_doc=True)), len(es_hybrid_search('wind', 4, None, True)))",
        END,
        retriever=listed,
    )
    assert "('book', 30, [1, 2, 3])" in told.shown
    assert "('log', 1, [])" in told.shown
    assert "['book', 'log']" in told.shown
    assert "\n2 2" in told.shown


def test_one_document_is_searched_even_where_the_index_knows_no_such_field(tell: Tell, listed: Listed) -> None:
    told = tell(
        "\nprint({h.doc_id for h in es_hybrid_search_in_doc('log', 'wind knots')})"
        "\nprint(es_hybrid_search_in_doc('plain', 'wind'))",
        END,
        retriever=listed,
    )
    assert "{'log'}" in told.shown
    assert "no hits" in told.shown


def test_a_retriever_that_ignores_filters_gives_no_hits_of_other_documents(tell: Tell) -> None:
    class Deaf:
        def search(self, query: str, *, top_k: int = 10, filters: Any = None) -> Sequence[Hit]:
            return [Hit(doc_id="a", preview="x"), Hit(doc_id="p1", preview="y", metadata={"doc_id": "b"})]

        def get(self, doc_id: str) -> Any:
            return "text"

    told = tell(
        "\nprint([h.doc_id for h in es_hybrid_search_in_doc('b', 'x')], len(es_hybrid_doc_search('x')))",
        END,
        retriever=Deaf(),
    )
    assert "['p1'] 2" in told.shown


def test_each_of_them_is_charged_as_a_search(tell: Tell, listed: Listed) -> None:
    calls = "es_grep('x'); es_find_pages('log', 'x'); es_outline('log'); es_list_logical_doc_ids()"
    told = tell(f"\n{calls}\nes_hybrid_doc_search('x')", retriever=listed, limits=Limits(searches=4, steps=3))
    assert told.answer.status == "out_of_budget"
    assert [e.function for e in told.of(Searched)] == [
        "es_grep", "es_find_pages", "es_outline", "es_list_logical_doc_ids"
    ]  # fmt: skip
