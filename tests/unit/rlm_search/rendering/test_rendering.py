"""An answer reads the same in every format: markers, what they stand for, what nothing stands for, what was tried."""

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from rlm_search import Answer, Citation
from rlm_search.rendering import FORMATS, Format, render
from rlm_search.types import Doubt, SearchRecord

TEXT = "It is 32 knots [1]. The master decides.\n\n- Ask him\n\n```\nx[1]\n```"
CITATION = Citation(
    marker="[1]",
    doc_id="rules-1",
    start=10,
    end=40,
    pages=(2, 3),
    quote="No berthing\nabove 32 knots",
    source="port/rules.pdf",
    title="Rules of the port",
)
ANSWER = Answer(
    text=TEXT,
    status="answered",
    citations=(CITATION,),
    doubts=(Doubt(kind="unsupported", start=20, end=39, reason="no master"),),
)
NOT_FOUND = Answer(
    text="Nothing about gusts.",
    status="not_found",
    reason="the documents do not hold the answer",
    searches=(
        SearchRecord(function="es_search", query="gust", filters={"year": 2024}, hits=3),
        SearchRecord(function="es_search", query="gust", filters={"year": 2024}, hits=3),
        SearchRecord(function="es_count", query="squall", filters=None, hits=0),
    ),
)
HOSTILE = (
    "<script>alert(1)</script> ![x](http://evil.test/?q) [y](http://evil.test) <img src=x onerror=e> *b* `c` | \x1b[31m"
)


class Seen(HTMLParser):
    """The elements and attributes of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def test_text_has_markers_a_list_and_a_word_behind_what_nothing_stands_for() -> None:
    assert render(ANSWER) == (
        "It is 32 knots [1]. The master decides. [not supported: no master]\n\n- Ask him\n\n```\nx[1]\n```\n\n"
        "[1] Rules of the port, p. 2–3  port/rules.pdf\n    “No berthing above 32 knots”"  # noqa: RUF001 - a range
    )


def test_markdown_has_footnotes_and_leaves_code_alone() -> None:
    assert render(ANSWER, "markdown", question="What is the *limit*?") == (
        "# What is the \\*limit\\*?\n\n"
        "It is 32 knots [^1]. The master decides. *(not supported: no master)*\n\n- Ask him\n\n```\nx[1]\n```\n\n"
        "[^1]: **Rules of the port, p. 2–3** port/rules.pdf “No berthing above 32 knots”"  # noqa: RUF001 - a range
    )


def test_a_page_links_markers_to_their_quotes_and_marks_what_nothing_stands_for() -> None:
    page = render(ANSWER, "html", question="What is the limit?")
    assert '<a href="#citation-1">[1]</a>' in page
    assert '<li id="citation-1">[1] <cite>Rules of the port, p. 2–3</cite>' in page  # noqa: RUF001 - a range
    assert "<blockquote>No berthing above 32 knots</blockquote>" in page
    assert '<mark title="not supported: no master">The master decides.</mark>' in page
    assert "<pre><code>x[1]</code></pre>" in page
    assert "<h1>What is the limit?</h1>" in page


def test_other_documents_with_the_same_words_are_named() -> None:
    answer = replace(ANSWER, citations=(replace(CITATION, also=("copy-1", "copy-2")),))
    assert render(answer).endswith("knots”\n    also in copy-1, copy-2")
    assert render(answer, "markdown").endswith("knots” (also in copy-1, copy-2)")
    assert "also in copy-1, copy-2</span></li>" in render(answer, "html")


def test_json_is_the_answer_with_its_doubts() -> None:
    answer = json.loads(render(ANSWER, "json", question="q"))
    assert (answer["question"], answer["text"], answer["citations"][0]["pages"]) == ("q", TEXT, [2, 3])
    assert answer["doubts"] == [{"kind": "unsupported", "start": 20, "end": 39, "reason": "no master"}]


@pytest.mark.parametrize("form", FORMATS)
def test_that_nothing_was_found_is_an_answer_with_the_searches_that_were_tried(form: Format) -> None:
    shown = render(NOT_FOUND, form)
    for said in ("Nothing about gusts", "gust", "squall", "2024"):
        assert said in shown
    if form != "json":
        assert "Not found" in shown
        assert shown.count("squall") == 1
        assert "3 hits" in shown


def test_the_searches_of_an_answer_are_not_listed() -> None:
    found: dict[str, Any] = json.loads(render(NOT_FOUND, "json")) | {"status": "answered"}
    assert "squall" not in render(found)


def test_what_documents_and_models_say_is_no_html() -> None:
    hostile = Answer(
        text=f"{HOSTILE} [1]",
        status="failed",
        reason=HOSTILE,
        citations=(
            Citation(marker="[1]", doc_id="d", start=0, end=9, pages=(), quote=HOSTILE, source=HOSTILE, title=HOSTILE),
        ),
        rejected=(HOSTILE,),
        doubts=(Doubt(kind="unsupported", start=0, end=9, reason=f'" onmouseover="e {HOSTILE}'),),
    )
    seen = Seen(render(hostile, "html", question=HOSTILE, note=HOSTILE))
    assert not {"script", "img", "iframe", "object", "form"} & set(seen.tags)
    assert not [name for name, _ in seen.attributes if name.startswith("on")]
    assert {value for name, value in seen.attributes if name in ("href", "src")} == {"#citation-1"}
    assert "alert(1)" in seen.text
    assert "\x1b" not in render(hostile, "html")


def test_showing_the_markdown_fetches_nothing() -> None:
    hostile = Answer(
        text=f"{HOSTILE} `<b>` [^2] [1]",
        status="answered",
        citations=(
            Citation(marker="[1]", doc_id="d", start=0, end=9, pages=(), quote=HOSTILE, source="s", title="![t](u)"),
        ),
    )
    shown = render(hostile, "markdown")
    assert "![" not in shown
    assert "<script>" not in shown.replace("\\<script>", "").replace("\\<script\\>", "")
    assert "`<b>`" in shown
    assert "\\[^2]" in shown
    assert "\x1b" not in shown


def test_an_answer_read_from_a_trace_is_rendered_the_same() -> None:
    for form in ("text", "markdown", "html"):
        kept = json.loads(render(ANSWER, "json"))
        assert render(kept, form) == render(ANSWER, form)


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(ValueError, match="no format 'pdf': there are text, json, markdown, html"):
        render(ANSWER, "pdf")  # type: ignore[arg-type]
