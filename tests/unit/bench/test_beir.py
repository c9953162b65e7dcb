"""The measures that search is judged by, on rankings whose value is known."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from bench.beir import all_gold, judge, load, ndcg, recall, reciprocal_rank
from bench.quality import first_of_each, place, shortfalls
from retrievers.types import Hit

JUDGED = {"a": 3, "b": 1, "c": 0}


def test_the_ideal_order_has_ndcg_one_and_irrelevant_documents_do_not_count() -> None:
    assert ndcg(["a", "b", "c"], JUDGED) == 1
    assert ndcg(["c", "x"], JUDGED) == 0
    assert ndcg(["a"], {"a": 0}) == 0


def test_gains_are_linear_and_discounted_by_the_logarithm_of_the_rank() -> None:
    assert ndcg(["b", "a"], JUDGED) == pytest.approx((1 + 3 / math.log2(3)) / (3 + 1 / math.log2(3)))
    assert ndcg(["x", "a", "b"], JUDGED, k=2) == pytest.approx((3 / math.log2(3)) / (3 + 1 / math.log2(3)))


def test_recall_is_the_share_of_relevant_documents_among_the_first() -> None:
    assert recall(["b", "x", "a"], JUDGED, k=2) == 0.5
    assert recall(["a"], {"a": 0}) == 0
    assert all_gold(["b", "x", "a"], JUDGED, k=3) == 1
    assert all_gold(["b", "x", "a"], JUDGED, k=2) == 0


def test_the_reciprocal_rank_is_that_of_the_first_relevant_result() -> None:
    assert reciprocal_rank([False, True, True]) == 0.5
    assert reciprocal_rank([]) == 0


def test_measures_are_averaged_over_the_queries() -> None:
    measures = judge({"one": ["a", "b"], "two": ["x"]}, {"one": JUDGED, "two": JUDGED})

    assert measures == {"ndcg@10": 0.5, "recall@100": 0.5, "all-gold@100": 0.5}


def test_only_queries_with_judgements_are_read(tmp_path: Path) -> None:
    (tmp_path / "qrels").mkdir()
    (tmp_path / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq2\td1\t2\n", encoding="utf-8")
    queries = [{"_id": "q1", "text": "no"}, {"_id": "q2", "text": "yes"}]
    (tmp_path / "queries.jsonl").write_text("\n".join(map(json.dumps, queries)), encoding="utf-8")
    (tmp_path / "corpus.jsonl").write_text(json.dumps({"_id": "d1", "text": "t"}), encoding="utf-8")
    chosen = load(tmp_path)

    assert (chosen.queries, chosen.judgements) == ({"q2": "yes"}, {"q2": {"d1": 2}})
    assert [(record.id, record.title, record.language) for record in chosen.records()] == [("d1", "", "")]


def test_a_document_ranks_where_its_first_result_does() -> None:
    assert first_of_each([Hit(doc_id="b"), Hit(doc_id="a"), Hit(doc_id="b")]) == ["b", "a"]


def test_a_result_stands_on_the_page_where_its_passage_begins() -> None:
    assert place(Hit(doc_id="x", source="reports/3M_2018_10K.pdf", pages=(60, 61))) == ("3M_2018_10K", 60)
    assert place(Hit(doc_id="x", source="a.txt")) == ("a", 0)


def test_what_falls_short_is_named() -> None:
    figures = {way: {"ndcg@10": value} for way, value in (("lexical", 0.7), ("semantic", 0.8), ("hybrid", 0.72))}

    assert shortfalls({"scifact": figures}) == [
        "scifact hybrid ndcg@10: 0.720, expected 0.735",
        "scifact hybrid ndcg@10: 0.720, its better leg 0.800",
    ]
