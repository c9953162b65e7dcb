"""The document tools of pyrlm-runtime over an index: on request only, pages from 1, within a policy."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from retrievers.types import DocumentSummary
from rlm_search import DocumentPolicy
from rlm_search.tables import as_markdown, tables_in
from rlm_search.testing import MemoryRetriever
from rlm_search.trace.events import DocumentRead, Searched

Tell = Callable[..., Any]
END = "\nes_search('sales')\nFINAL('done')"
REPORT = "\f".join(
    [
        "Annual report of 3M.\nSales rose.",
        "Consolidated Statement\n(Millions) 2018 2017 2016\nNet sales $ 32,765 $ 31,657 $ 30,109\nOperating expenses\n"
        "Cost of sales 16,682 16,055 15,118\nOther - (12.5%) 3\n\nNo table here.",
        "| port | knots |\n|---|---|\n| Lyon | 32 |\n\nAnd so on.",
        *(f"Page {n} of the report." for n in range(4, 13)),
    ]
)


class Listed(MemoryRetriever):
    """One whose documents can be listed."""

    def scan(
        self, *, query: str = "", filters: Any = None, after: str = "", limit: int | None = None
    ) -> Iterator[DocumentSummary]:
        for doc_id in sorted(self._documents):
            document = self.get(doc_id)
            if self._passes(doc_id, filters):
                yield DocumentSummary(
                    doc_id=doc_id, title=document.title, source=document.source, pages=len(document.pages)
                )


@pytest.fixture
def reports() -> Listed:
    texts = {"report": REPORT, "note": "Sales of a note.", "other": "Sales one.\fSales two."}
    return Listed(texts, {"report": {"year": 2018}})


def test_they_are_offered_on_request_only(tell: Tell, reports: Listed) -> None:
    assert "not defined" in tell("\nlist_pdfs()", END, retriever=reports).shown
    assert "- list_pdfs(" in tell(END, retriever=reports, doc_tools=True).model.asked[0].messages[0].content


def test_documents_with_pages_are_listed_looked_up_and_searched(tell: Tell, reports: Listed) -> None:
    told = tell(
        "\nprint(list_pdfs()); print(list_pdfs('sales'))"
        "\nprint(get_pdf_info('report.txt'))\nprint(resolve_doc_path('report'), resolve_doc_path('annual report'))"
        "\nprint(search_corpus('sales')); print(search_corpus_structured('annual report')[0].path)"
        "\nprint(search_in_pdf('other.txt', 'sales', 1))\nprint(search_in_pdf('other', 'absent'))",
        END,
        retriever=reports,
        doc_tools=True,
    )
    assert "Documents (2):\n1. Other (2 pages)\n   path: other.txt\n   id: other\n2. Report (12 pages)" in told.shown
    assert "Documents found for 'sales' (3):" in told.shown
    assert re.search(r"Page 2: \d+ characters, 1 tables", told.shown)
    assert "report.txt report.txt" in told.shown
    assert "'sales' in Other: 1 passages\n--- Page 1 ---\n…Sales one.…" in told.shown
    assert "Nothing in Other matches 'absent'." in told.shown
    assert {"list_pdfs", "search_corpus", "search_in_pdf"} <= {e.function for e in told.of(Searched)}


def test_pages_are_read_from_one_and_can_be_cited(tell: Tell, reports: Listed) -> None:
    told = tell(
        "\nprint(read_pdf_pages('report.txt', [12, 4])); print(read_pdf_pages('report', max_chars=40))"
        "\nprint(cite('report', 'Page 12 of the report'))",
        END,
        retriever=reports,
        doc_tools=True,
    )
    assert "<!-- Page 4 -->\nPage 4 of the report." in told.shown
    assert re.findall(r"<!-- Page (\d+)", told.shown)[:3] == ["4", "12", "1"]
    assert "more characters; read fewer pages]" in told.shown
    assert "[1]" in told.shown
    assert [e.pages for e in told.of(DocumentRead)][:2] == [[4], [12]]


def test_tables_come_as_markdown(tell: Tell, reports: Listed) -> None:
    told = tell(
        "\nprint(extract_table('report.txt', 2))\nprint(extract_table('report', 3, 0))",
        END,
        retriever=reports,
        doc_tools=True,
    )
    assert "| (Millions) | 2018 | 2017 | 2016 |\n| --- | --- | --- | --- |\n| Net sales | $ 32,765 |" in told.shown
    assert "| Operating expenses |  |  |  |\n| Cost of sales | 16,682 | 16,055 | 15,118 |" in told.shown
    assert "| Other | - | (12.5%) | 3 |" in told.shown
    assert "| port | knots |\n| --- | --- |\n| Lyon | 32 |" in told.shown


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        ("read_pdf_pages('report.txt', [0])", "has pages 1 to 12, counted from 1, not 0"),
        ("read_pdf_pages('gone.pdf')", "no document 'gone.pdf'"),
        ("read_pdf_pages('note')", "has no pages; read it with es_get('note')"),
        ("read_pdf_pages('report', max_chars=0)", "at least 1"),
        ("extract_table('report', 1)", "page 1 has 0 tables"),
        ("extract_table('report', 2, 1)", "page 2 has 1 tables, counted from 0, not 1"),
        ("search_corpus('')", "the query is empty"),
        ("resolve_doc_path('zzz')", "no document 'zzz'"),
        ("search_in_pdf('report', 'x', 999)", "between 1 and 200"),
    ],
)
def test_a_mistake_is_told_as_a_sentence(tell: Tell, reports: Listed, call: str, reason: str) -> None:
    assert reason in tell(f"\n{call}", END, retriever=reports, doc_tools=True).shown


@pytest.mark.parametrize(
    ("policy", "calls", "reason"),
    [
        ({"max_pdfs_per_query": 1}, "read_pdf_pages('report'); read_pdf_pages('other')", "at most 1 documents"),
        ({"max_pages_per_pdf": 3}, "read_pdf_pages('report'); read_pdf_pages('report', [4])", "at most 3 pages of a"),
        ({"max_total_pages": 4}, "read_pdf_pages('report'); read_pdf_pages('other')", "at most 4 pages may be read"),
        ({"max_table_extractions": 1}, "extract_table('report', 2); extract_table('report', 3)", "at most 1 tables"),
    ],
)
def test_the_policy_is_kept(tell: Tell, reports: Listed, policy: dict[str, int], calls: str, reason: str) -> None:
    assert reason in tell(f"\n{calls}", END, retriever=reports, doc_tools=DocumentPolicy(**policy)).shown


def test_a_page_read_again_costs_nothing_and_each_run_begins_anew(tell: Tell, reports: Listed) -> None:
    policy = DocumentPolicy(max_total_pages=2, max_table_extractions=1)
    for _ in range(2):
        told = tell(
            "\nfor _ in range(3):\n    read_pdf_pages('report', [2, 3]); extract_table('report', 2)\nprint('fine')",
            END,
            retriever=reports,
            doc_tools=policy,
        )
        assert "fine" in told.shown


def test_a_policy_that_allows_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="`max_total_pages` is 0"):
        DocumentPolicy(max_total_pages=0)


def test_prose_is_no_table() -> None:
    assert (
        tables_in("In 2018 sales rose by 3% to $ 32,765 million.\nThe year 2017 was worse.\n- a point\n- another\n")
        == []
    )
    assert tables_in("") == []
    assert as_markdown([["a|b", "c"], ["d"]]) == "| a\\|b | c |\n| --- | --- |\n| d |  |"
    assert tables_in("name\tknots\nLyon\t32")[0] == [["name", "knots"], ["Lyon", "32"]]
