"""What a search finds, in which order, and what a hit tells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from retrievers.embedded import EmbeddedRetriever, EmbeddedWriter
from retrievers.embedders.hashing import HashingEmbedder
from retrievers.errors import ConfigError, EngineUnavailable, IndexMismatch
from retrievers.testing import document
from retrievers.types import Heading

from .conftest import embedded, text_only

Make = Callable[..., EmbeddedRetriever]

PAGES = ("The first page is a cover.\n", "The second page tells of wind.\n", "The third has tables of costs.\n")
PAGED = document("paged", "".join(PAGES), pages=(0, len(PAGES[0]), len(PAGES[0]) + len(PAGES[1])))


def test_a_result_is_a_page_with_its_passage(index: Make) -> None:
    hit = index(PAGED).search("wind")[0]
    assert (hit.chunk_id, hit.pages, hit.preview) == ("paged#p2", (2,), "The second page tells of wind.")
    assert PAGED.text[hit.start : hit.end] == "The second page tells of wind."


def test_several_chunks_of_a_page_are_one_result(index: Make) -> None:
    page = "Wind power is discussed here at length. " * 40
    reader = index(document("long", page, pages=(0,)))
    for search in (reader.search, reader.vector_search, reader.hybrid_search):
        assert [hit.chunk_id for hit in search("wind power")] == ["long#p1"]


def test_a_huge_page_is_several_results(index: Make) -> None:
    reader = index(document("huge", "filler words " * 3000 + "needle", pages=(0,)))
    hit = reader.search("needle")[0]
    assert hit.chunk_id == "huge#p1.2"
    assert hit.pages == (1,)
    assert hit.preview.endswith("needle")


def test_an_empty_page_and_an_empty_document_do_no_harm(index: Make) -> None:
    reader = index(document("gaps", "ab", pages=(0, 1, 1, 2)), document("empty", "", title="Nothing inside"))
    assert reader.search("nothing inside")[0].doc_id == "empty"
    assert reader.get("empty").content == ""
    assert [page.text for page in reader.read_pages("gaps", 1, 4)] == ["a", "", "b", ""]


def test_headings_above_a_page_are_found_on_it(index: Make) -> None:
    headings = (
        Heading(title="Risk factors", level=1, start=0),
        Heading(title="Climate", level=2, start=len(PAGES[0]) + 2),
        Heading(title="Accounts", level=1, start=len(PAGES[0]) + len(PAGES[1])),
    )
    reader = index(replace(PAGED, headings=headings))
    assert [hit.pages for hit in reader.search("climate")] == [(2,)]
    assert {hit.pages for hit in reader.search("risk")} == {(1,), (2,)}


def test_words_of_the_path_are_found(index: Make) -> None:
    named = replace(document("a", "Nothing telling."), source="reports/3M_2018_annualReport.pdf")
    reader = index(named, document("b", "Something else."))
    for query in ("3m", "2018", "annual report", "reports"):
        assert reader.search(query)[0].doc_id == "a"
    assert reader.search("pdf") == []


def test_every_path_of_a_document_counts(index: Make) -> None:
    twice = replace(document("a", "text"), source="one/x.txt", sources=("one/x.txt", "two/copyist.txt"))
    reader = index(twice)
    assert reader.search("copyist")[0].source == "one/x.txt"
    assert reader.count(filters={"source": "two/copyist.txt"}) == 1
    assert reader.get("a").sources == ("one/x.txt", "two/copyist.txt")


def test_a_phrase_alone_must_stand_there(index: Make) -> None:
    reader = index(document("a", "capital expenditure rose"), document("b", "expenditure of the capital city"))
    assert [hit.doc_id for hit in reader.search('"capital expenditure"')] == ["a"]
    assert [hit.doc_id for hit in reader.search("“capital expenditure”")] == ["a"]
    assert reader.search('"expenditure rose capital"') == []


def test_a_phrase_lifts_what_holds_it(index: Make) -> None:
    reader = index(
        document("a", "rose: capital expenditure, and many other words beside it in a long sentence"),
        document("b", "expenditure of the capital rose rose"),
    )
    assert reader.search('rose "capital expenditure"')[0].doc_id == "a"


def test_a_chinese_phrase_must_stand_there(index: Make) -> None:
    a, b = (document("a", "中国的经济中心"), document("b", "经济发展的中心"))
    reader = index(replace(a, language="zh"), replace(b, language="zh"))
    assert [hit.doc_id for hit in reader.search('"经济中心"')] == ["a"]


def test_the_meaning_of_a_search_is_its_best_chunk(index: Make) -> None:
    text = "Kitchen and mugs and towels. " * 10 + "Wind turbines at sea. " + "Kitchen and mugs and towels. " * 10
    reader = index(document("a", text), document("b", "A poem about the moon."))
    hit = reader.vector_search("wind turbines at sea")[0]
    assert "Wind turbines at sea" in hit.preview


def test_hybrid_works_while_vectors_arrive(writer: EmbeddedWriter, reader: EmbeddedRetriever) -> None:
    writer.replace([text_only(document("a", "wind turbines")), text_only(document("b", "kitchen"))])
    writer.flush()
    assert [hit.doc_id for hit in reader.hybrid_search("wind")] == ["a"]
    with pytest.raises(EngineUnavailable, match="still to be made"):
        reader.vector_search("wind")
    done = embedded(document("a", "wind turbines"))
    assert done.vectors is not None
    writer.set_vectors("a", done.document.content_hash, done.vectors)
    writer.flush()
    assert reader.vector_search("wind")[0].doc_id == "a"
    assert reader.hybrid_search("wind")[0].doc_id == "a"
    assert reader.describe().vectors == 1


def test_an_index_without_vectors_says_so(path: Path) -> None:
    writer = EmbeddedWriter(path, embedder_name="", dimensions=0)
    writer.replace([text_only(document("a", "wind turbines"))])
    writer.close()
    reader = EmbeddedRetriever(path, HashingEmbedder)
    assert reader.hybrid_search("wind")[0].doc_id == "a"
    with pytest.raises(ConfigError, match="built without vectors"):
        reader.vector_search("wind")


def test_without_an_embedder_hybrid_is_lexical(index: Make, path: Path) -> None:
    index(document("a", "wind turbines"))
    reader = EmbeddedRetriever(path)
    assert reader.hybrid_search("wind")[0].doc_id == "a"
    with pytest.raises(ConfigError, match="needs an embedder"):
        reader.vector_search("wind")


class OtherEmbedder(HashingEmbedder):
    name = "other-64"


def test_another_embedder_is_refused_with_both_names(index: Make, path: Path) -> None:
    index(document("a", "wind turbines"))
    with pytest.raises(IndexMismatch, match="hashing-64, not other-64") as caught:
        EmbeddedRetriever(path, OtherEmbedder).vector_search("wind")
    assert "ingest reembed" in caught.value.hint


class EnglishEmbedder(HashingEmbedder):
    languages = frozenset({"en"})


def test_a_document_in_a_language_the_embedder_does_not_know_is_judged_by_words(index: Make, path: Path) -> None:
    index(
        *(document(f"en{i}", f"English text number {i}") for i in range(5)),
        replace(document("de", "Der Wind weht stark."), language="de"),
    )
    reader = EmbeddedRetriever(path, EnglishEmbedder)
    assert reader.hybrid_search("wind weht")[0].doc_id == "de"


def test_chinese_queries_do_not_wake_an_english_embedder(index: Make, path: Path) -> None:
    index(replace(document("zh", "上海市是中国的经济中心"), language="zh"), document("en", "wind"))
    reader = EmbeddedRetriever(path, EnglishEmbedder)
    assert [hit.doc_id for hit in reader.hybrid_search("上海")] == ["zh"]


def test_no_words_and_a_filter_find_what_passes(index: Make) -> None:
    reader = index(document("a", "first", year=1), document("b", "second", year=2))
    assert [hit.doc_id for hit in reader.search("", filters={"year": 2})] == ["b"]
    assert [hit.doc_id for hit in reader.hybrid_search("?!", filters={"year": 2})] == ["b"]
    assert reader.search("") == []


def test_nothing_is_asked_for_nothing(index: Make) -> None:
    reader = index(document("a", "wind"))
    assert [reader.search("wind", top_k=0), reader.hybrid_search("wind", top_k=0)] == [[], []]
    assert reader.vector_search("wind", top_k=-1) == []


def test_an_empty_index_finds_nothing(index: Make) -> None:
    reader = index()
    assert (list(reader.search("wind")), list(reader.hybrid_search("wind")), reader.count()) == ([], [], 0)
    assert reader.vector_search("wind") == []
    assert reader.describe().documents == 0


def test_count_looks_over_the_whole_document(index: Make) -> None:
    reader = index(replace(PAGED, title="Annual"), document("b", "wind but no other"))
    assert reader.count("wind costs annual") == 1
    assert reader.count("wind") == 2
    assert reader.count('wind "no other"') == 1
    assert reader.count("wind", filters={"doc_id": "b"}) == 1
    assert reader.count("absent") == 0


def test_candidates_are_what_hybrid_mixes(index: Make) -> None:
    reader = index(PAGED, document("b", "wind but no other"))
    candidates = reader.candidates("wind costs")
    assert len(candidates.lexical.keys) == 3
    assert len(candidates.semantic.keys) == len(candidates.rows) == 3
    assert (np.diff(candidates.semantic.scores) <= 0).all()


def test_many_matching_rows_are_gathered_in_steps(index: Make, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = index(*(document(f"d{i:02}", "wind and more" if i % 3 else "mugs", year=i) for i in range(30)))
    wanted = reader.count("wind more"), [h.doc_id for h in reader.vector_search("wind", filters={"year": {"gte": 9}})]
    monkeypatch.setattr("retrievers.embedded.snapshot.GATHERED", 8)
    stepwise = EmbeddedRetriever(path, HashingEmbedder)
    assert stepwise.count("wind more") == wanted[0] == 20
    assert [h.doc_id for h in stepwise.vector_search("wind", filters={"year": {"gte": 9}})] == wanted[1]


def test_filters_are_remembered_within_bounds(index: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("retrievers.embedded.snapshot.CACHED_ROWS", 3)
    reader = index(*(document(f"d{i}", "wind", year=i) for i in range(4)))
    for year in (0, 1, 2, 3, 0):
        hits = reader.vector_search("wind", filters={"year": {"gte": year}})
        assert len(hits) == 4 - year
