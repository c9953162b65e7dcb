"""Citations hold: what was never seen, or is not there, gets no marker, and made-up markers do not reach an answer."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from rlm_search.citations import Citations
from rlm_search.documents import Documents
from rlm_search.errors import ToldToModel
from rlm_search.evidence import Evidence
from rlm_search.testing import MemoryRetriever

RULES = "Rules of the port.\fNo berthing is allowed above 32 knots.\fThe harbour master decides. See [12]."


@pytest.fixture
def evidence() -> Evidence:
    evidence = Evidence()
    evidence.add("rules", 19, 61, title="Rules", source="rules.txt")
    return evidence


@pytest.fixture
def citations(evidence: Evidence) -> Citations:
    return Citations(Documents(MemoryRetriever({"rules": RULES, "secret": "The password is swordfish."})), evidence)


def test_a_citation_knows_document_pages_and_exact_span(citations: Citations) -> None:
    citation = citations.cite("rules", "allowed  above 32\nknots")
    assert (citation.marker, citation.doc_id, citation.pages) == ("[1]", "rules", (2,))
    assert RULES[citation.start : citation.end] == citation.quote == "allowed above 32 knots"
    assert (citation.title, citation.source) == ("Rules", "rules.txt")


def test_the_same_span_has_the_same_marker(citations: Citations) -> None:
    first = citations.cite("rules", "above 32 knots", near=(19, 61))
    assert citations.cite("rules", "The harbour master").marker == "[2]"
    assert citations.cite("rules", "above  32  knots") == first
    assert [c.marker for c in citations.all()] == ["[1]", "[2]"]


def test_the_hit_decides_where_a_quote_that_stands_twice_is(evidence: Evidence) -> None:
    text = "Paid on Monday. " + "Filler. " * 1_000 + "Paid on Monday."
    citations = Citations(Documents(MemoryRetriever({"rules": text})), evidence)
    assert citations.cite("rules", "Paid on Monday", near=(len(text) - 15, len(text))).start == len(text) - 15
    assert citations.cite("rules", "Paid on Monday", near=(0, 15)).start == 0


def test_a_quote_outside_of_the_hit_is_found_in_the_rest_of_the_document(citations: Citations) -> None:
    assert citations.cite("rules", "Rules of the port", near=(61, 70)).pages == (1,)


def test_a_document_never_returned_is_refused_even_if_the_quote_is_true(citations: Citations) -> None:
    with pytest.raises(ToldToModel, match="no search or read of this run returned it"):
        citations.cite("secret", "The password is swordfish")
    assert citations.all() == ()


def test_before_any_search_there_is_nothing_to_cite() -> None:
    citations = Citations(Documents(MemoryRetriever({"rules": RULES})), Evidence())
    with pytest.raises(ToldToModel, match="nothing was searched yet"):
        citations.cite("rules", "above 32 knots")


def test_a_wrong_quote_is_told_the_closest_passage(citations: Citations) -> None:
    with pytest.raises(ToldToModel, match="No berthing is allowed above 32 knots"):
        citations.cite("rules", "berthing is allowed up to 35 knots")


def test_a_quote_with_nothing_in_common_is_told_so(citations: Citations) -> None:
    with pytest.raises(ToldToModel, match="nothing like it"):
        citations.cite("rules", "quarterly dividend payout")


@pytest.mark.parametrize(("quote", "reason"), [("32", "too short"), ("No berthing " * 100, "at most 1,000")])
def test_a_quote_has_a_least_and_a_greatest_length(citations: Citations, quote: str, reason: str) -> None:
    with pytest.raises(ToldToModel, match=reason):
        citations.cite("rules", quote)


def test_a_document_that_was_deleted_meanwhile_is_told(evidence: Evidence) -> None:
    citations = Citations(Documents(MemoryRetriever({})), evidence)
    with pytest.raises(ToldToModel, match="no longer in the index"):
        citations.cite("rules", "above 32 knots")


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("32 knots [1].", "32 knots [1]."),
        ("32 knots [7].", "32 knots."),
        ("32 knots [1][7], always [ 1 ].", "32 knots [1], always [ 1 ]."),
        ("32 knots [1, 2].", "32 knots [1][2]."),
        ("32 knots [1; 9].", "32 knots [1]."),
        ("32 knots [^2].", "32 knots [2]."),
        ("32 knots 【7†source】.", "32 knots."),
        ("32 knots 【1】.", "32 knots [1]."),
        ("In [2019] it was 32.", "In [2019] it was 32."),
        ("Use `a[7]` or\n```\nb[8]\n```\n", "Use `a[7]` or\n```\nb[8]\n```\n"),
        ("An [open fence\n```\nc[9]", "An [open fence\n```\nc[9]"),
    ],
)
def test_only_markers_that_were_given_stay(citations: Citations, said: str, kept: str) -> None:
    citations.cite("rules", "above 32 knots")
    citations.cite("rules", "The harbour master")
    assert citations.check(said).text == kept


def test_an_answer_lists_what_it_cites_and_what_was_made_up(citations: Citations) -> None:
    for quote in ("above 32 knots", "The harbour master", "Rules of the port"):
        citations.cite("rules", quote)
    checked = citations.check("B [3]. A [1]. C [9] [10]. [1]")
    assert [c.marker for c in checked.citations] == ["[1]", "[3]"]
    assert checked.unknown == ("[9]", "[10]")


def test_markers_given_at_once_from_many_threads_are_all_different(evidence: Evidence) -> None:
    text = " ".join(f"Sentence number {n} stands here." for n in range(200))
    citations = Citations(Documents(MemoryRetriever({"rules": text})), evidence)
    with ThreadPoolExecutor(8) as threads:
        quotes = [f"number {n} stands" for n in range(200)] * 2
        markers = [c.marker for c in threads.map(lambda q: citations.cite("rules", q), quotes)]
    assert len(set(markers)) == 200
    assert markers[:200] == markers[200:]


TWICE = {"rules": RULES, "copy": f"Sent again: {RULES[19:61]}", "log": "A quiet day at the port of Northquay."}


@pytest.fixture
def several() -> tuple[Citations, Evidence]:
    evidence = Evidence()
    for doc_id, text in TWICE.items():
        evidence.add(doc_id, 0, len(text), title=doc_id.title(), text=text)
    return Citations(Documents(MemoryRetriever(TWICE)), evidence), evidence


def test_a_quote_that_stands_in_several_documents_names_them(several: tuple[Citations, Evidence]) -> None:
    citations, _ = several
    assert citations.cite("rules", "allowed above  32 knots").also == ("copy",)
    assert citations.cite("copy", "Sent again: No berthing").also == ()


def test_a_quote_of_another_document_is_told_with_its_name(several: tuple[Citations, Evidence]) -> None:
    citations, _ = several
    with pytest.raises(ToldToModel, match="not in 'log'; it stands in 'rules', 'copy': cite that"):
        citations.cite("log", "allowed above 32 knots")


def test_what_was_given_long_ago_is_forgotten_before_it_fills_the_memory() -> None:
    evidence = Evidence()
    for number in range(40):
        evidence.add(f"d{number}", 0, 100_000, text=f"{number:06}" + "x" * 99_994)
    assert evidence.holding(lambda text: "x" in text, other_than="d39") == tuple(f"d{n}" for n in range(30, 39))
    assert evidence.find("d0") is not None
