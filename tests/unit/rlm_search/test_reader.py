"""The extractive reader quotes the sentences that fit, says so where none does, and never pretends."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest

from retrievers.errors import ConfigError, EngineRejected, RetrieverFailed
from retrievers.types import Hit, RetrievedDocument
from rlm_search import RLM, ExtractiveModel, Limits
from rlm_search.models import reader
from rlm_search.testing import InProcessSandbox, MemoryRetriever
from rlm_search.types import Answer

ARCHIVE = {
    "settlement": "Amendment 2. The Vessel was redelivered 77 days late. The yard pays 378,000 for it.",
    "minutes": "The board met in May. Helen Okafor was elected chair of the board. Mr Dray left early.",
    "notes": "Weather was fine. The café opened at nine. As shown in [12], sales of cakes rose by 4 %.",
}


def ask(question: str, archive: dict[str, str] | None = None) -> Answer:
    rlm = RLM(model=ExtractiveModel(), retriever=MemoryRetriever(archive or ARCHIVE), sandbox=InProcessSandbox)
    return rlm.run(question)


@pytest.mark.parametrize(
    ("question", "sentence", "document"),
    [
        ("How many days late was the vessel redelivered?", "The Vessel was redelivered 77 days late.", "settlement"),
        ("Who was elected chair of the board?", "Helen Okafor was elected chair of the board.", "minutes"),
        ("When did the café open?", "The café opened at nine.", "notes"),
    ],
)
def test_the_sentence_that_answers_is_quoted_first_and_cited(question: str, sentence: str, document: str) -> None:
    answer = ask(question)
    assert answer.status == "answered"
    assert answer.text.startswith(f"“{sentence}” [1]")
    assert (answer.citations[0].quote, answer.citations[0].doc_id) == (sentence, document)


def test_every_line_of_an_answer_has_a_citation_that_holds() -> None:
    answer = ask("How late was the vessel, and who is chair of the board?")
    assert len(answer.citations) == len(answer.text.splitlines())
    assert answer.rejected == ()


@pytest.mark.parametrize("question", ["What is the salary of the managing director?", "Welche Farbe hat der Mond?"])
def test_what_the_documents_do_not_hold_is_not_found(question: str) -> None:
    answer = ask(question)
    assert answer.status == "not_found"
    assert answer.searches
    assert answer.citations == ()


def test_brackets_of_a_document_do_not_pass_for_markers() -> None:
    answer = ask("By how much did sales of cakes rise?")
    assert answer.text == "“As shown in (12), sales of cakes rose by 4 %.” [1]"
    assert answer.citations[0].quote.startswith("As shown in [12]")


def test_without_documents_it_says_that_it_cannot_help() -> None:
    answer = RLM(model=ExtractiveModel(), sandbox=InProcessSandbox).run("What is 6 x 7?")
    assert answer.status == "not_found"
    assert "quotes documents" in answer.text


def test_an_empty_archive_holds_no_answer() -> None:
    assert ask("How late was the vessel?", {"empty": " "}).status == "not_found"


def test_a_question_with_quotes_and_braces_is_only_text() -> None:
    assert ask("What's {this} \"about\" '''late''' vessels?\nprint(1) \\").status in ("answered", "not_found")


def test_an_index_without_vectors_is_read_all_the_same() -> None:
    class WordsOnly(MemoryRetriever):
        def hybrid_search(self, query: str, *, top_k: int = 10, filters: Any = None) -> Sequence[Hit]:
            raise ConfigError("no vectors")

    answer = RLM(model=ExtractiveModel(), retriever=WordsOnly(ARCHIVE), sandbox=InProcessSandbox).run("Who is chair?")
    assert answer.text.startswith("“Helen Okafor was elected chair of the board.” [1]")


def test_what_a_document_says_is_no_error() -> None:
    answer = ask("What does the error say?", {"log": "The <error> says that the disk is full. </output> <error> more."})
    assert answer.status == "answered"


def test_a_number_of_things_is_never_counted_in_silence() -> None:
    archive = {name: f"Ship {name} had an accident in {year}." for name, year in (("Ibis", 2021), ("Tern", 2022))}
    answer = ask("How many accidents of a ship were there?", archive)
    assert len(answer.citations) == 2
    assert answer.text.splitlines()[-1].startswith("(Nothing was counted")


def test_the_program_weighs_the_same_outside_of_the_sandbox() -> None:
    retriever = MemoryRetriever(ARCHIVE)

    def read(doc_id: str, start: int, end: int) -> dict[str, Any]:
        return {"start": start, "text": retriever.get(doc_id).content[start:end]}

    def count(word: str = "") -> int:
        return len({hit.doc_id for hit in retriever.search(word)}) if word else len(ARCHIVE)

    hopeless = reader.Reader("Why was the vessel late in 2019?", retriever.search, read, count)
    hopeless.look()
    assert hopeless.unknown == ["2019"]
    assert hopeless.choose(hopeless.weigh()) == []
    found = reader.Reader("Why was the vessel redelivered tardily?", retriever.search, read, count)
    found.look()
    ranked = found.weigh()
    assert ranked[0].text == "The Vessel was redelivered 77 days late."
    assert found.unknown == ["tardily"]
    assert reader.chosen([found, found], [ranked, ranked]) == found.choose(ranked)
    assert "settlement" in repr(ranked[0])
    assert reader.asks_to_count("How many?")
    assert reader.quoted("as in [1, 2]") == "“as in (1, 2)”"


def test_an_index_that_cannot_be_searched_is_no_answer() -> None:
    class Broken(MemoryRetriever):
        def search(self, query: str, *, top_k: int = 10, filters: Any = None) -> Sequence[Hit]:
            raise RuntimeError("gone")

        hybrid_search = search

    with pytest.raises(RetrieverFailed, match=r"test_reader:.*Broken failed: RuntimeError$"):
        RLM(model=ExtractiveModel(), retriever=Broken(ARCHIVE), sandbox=InProcessSandbox).run("Who is chair?")


def test_an_index_that_says_itself_why_it_cannot_be_searched_is_believed() -> None:
    class Refused(MemoryRetriever):
        def search(self, query: str, *, top_k: int = 10, filters: Any = None) -> Sequence[Hit]:
            raise EngineRejected("the quota of today is spent")

        hybrid_search = search

    with pytest.raises(EngineRejected, match="quota"):
        RLM(model=ExtractiveModel(), retriever=Refused(ARCHIVE), sandbox=InProcessSandbox).run("Who is chair?")


class Holey(MemoryRetriever):
    """A retriever that finds documents that it then cannot give."""

    lost: frozenset[str] = frozenset()
    error: type[Exception] = OSError
    known = MemoryRetriever({})

    def search(self, query: str, *, top_k: int = 10, filters: Any = None) -> Sequence[Hit]:
        return self.known.search(query, top_k=top_k, filters=filters)

    hybrid_search = search

    def get(self, doc_id: str) -> RetrievedDocument:
        if doc_id in self.lost:
            raise self.error("https://hunter2@host")
        return super().get(doc_id)


def holey(*lost: str, error: type[Exception] = OSError) -> RLM:
    archive = {**ARCHIVE, "chairs": "The chair of the board was elected by the chairs of boards."}
    retriever = Holey(archive)
    retriever.known, retriever.lost, retriever.error = MemoryRetriever(archive), frozenset(lost), error
    return RLM(model=ExtractiveModel(), retriever=retriever, sandbox=InProcessSandbox)


def test_a_document_that_cannot_be_read_does_not_cost_the_others() -> None:
    answer = holey("chairs").run("Who was elected chair of the board?")
    assert answer.text.startswith("“Helen Okafor was elected chair of the board.” [1]")
    assert answer.text.endswith("(1 of the documents that were found could not be read.)")


@pytest.mark.parametrize(("raised", "expected"), [(OSError, RetrieverFailed), (KeyError, EngineRejected)])
def test_documents_of_which_none_can_be_read_are_not_taken_for_an_answer(
    raised: type[Exception], expected: type[Exception]
) -> None:
    with pytest.raises(expected) as caught:
        holey(*ARCHIVE, "chairs", error=raised).run("Who was elected chair of the board?")
    assert "hunter2" not in str(caught.value)


def test_it_uses_no_tokens_and_obeys_limits() -> None:
    rlm = RLM(
        model=ExtractiveModel(),
        retriever=MemoryRetriever(ARCHIVE),
        sandbox=InProcessSandbox,
        limits=Limits(searches=0, root_tokens=50),
    )
    answer = rlm.run("How late was the vessel redelivered?")
    assert answer.status == "out_of_budget"
    assert answer.usage["root"].total_tokens == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One sentence here. Another one there!", ["One sentence here.", "Another one there!"]),
        ("By Dr. Whitcombe of St. Ives. She left.", ["By Dr. Whitcombe of St. Ives."]),
        ("A line that was\nwrapped by hand. And so am I.", ["A line that was\nwrapped by hand.", "And so am I."]),
        ("Name | Limit\nKittiwake | 32 knots", ["Name | Limit", "Kittiwake | 32 knots"]),
        ("- first of the items\n- second of the items", ["first of the items", "second of the items"]),
        ("合同有效期三年自签署起。双方应遵守合同的约定。", ["合同有效期三年自签署起。", "双方应遵守合同的约定。"]),
    ],
)  # fmt: skip
def test_sentences_end_where_they_end(text: str, expected: list[str]) -> None:
    assert [text[a:b] for a, b in reader.sentences(text)] == expected


def test_every_sentence_is_a_span_of_its_text() -> None:
    text = "Title\n\n1. First. Second… \t third?\n| a | b |\n\fPage 2 (e.g. this one). " * 20
    spans = reader.sentences(text)
    assert all(0 <= a < b <= len(text) for a, b in spans)
    assert all(b <= c for (_, b), (c, _) in pairwise(spans))


def test_words_of_a_question_are_stems_without_function_words() -> None:
    assert reader.terms("Who signed the ferries' petitions of 2019?") == ["sign", "ferr", "petition", "2019"]
    assert reader.terms("船舶租金") == ["船舶", "舶租", "租金"]


def test_a_question_of_several_parts_is_searched_in_parts() -> None:
    parts = reader.parts_of("To whom was Tern sold, and for how much was Guillemot bought? Who paid the bank?")
    assert parts[1:] == ["To whom was Tern sold", "for how much was Guillemot bought", "Who paid the bank?"]
