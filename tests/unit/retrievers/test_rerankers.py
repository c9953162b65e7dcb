"""Rerankers, query rewriting, pools and measures: with a model that judges by a number."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pytest

from retrievers.errors import ConfigError
from retrievers.rerankers import (
    CrossEncoderReranker,
    ListwiseReranker,
    QueryRewriter,
    TournamentReranker,
    ndcg_at_k,
    recall_at_k,
    union_pool,
)
from retrievers.types import Hit


class Judge:
    """Orders passages by the number in them, the greatest first."""

    def __init__(self) -> None:
        self.prompts: list[str] = []

    def __call__(self, prompt: str) -> str:
        self.prompts.append(prompt)
        worth = {int(n): int(value) for n, value in re.findall(r"^\[(\d+)\].*worth (\d+)", prompt, re.MULTILINE)}
        return " > ".join(f"[{n}]" for n in sorted(worth, key=lambda n: -worth[n]))


def hits(number: int) -> list[Hit]:
    """The worst first, so that the best have the longest way."""
    return [Hit(doc_id=f"d{n}", title="Log", preview=f"worth {n}") for n in range(number)]


def ids(ranked: Sequence[Any]) -> list[str]:
    return [hit["doc_id"] for hit in ranked]


@pytest.mark.parametrize(("number", "calls"), [(0, 0), (1, 0), (7, 1), (20, 1), (21, 2), (50, 4), (55, 5)])
def test_windows_carry_the_best_from_the_end_to_the_top(number: int, calls: int) -> None:
    judge = Judge()
    ranked = ListwiseReranker(judge).rerank("q", hits(number), top_k=10)
    assert ids(ranked) == [f"d{n}" for n in range(number - 1, max(number - 11, -1), -1)]
    assert len(judge.prompts) == calls


def test_a_tournament_finds_the_best_and_keeps_the_others_behind_it() -> None:
    judge = Judge()
    ranked = TournamentReranker(judge, batch_size=10, top_k_per_batch=4).rerank("q", hits(60), top_k=60)
    assert ids(ranked)[:4] == ["d59", "d58", "d57", "d56"]
    assert sorted(ids(ranked)) == sorted(f"d{n}" for n in range(60))
    again = TournamentReranker(Judge(), batch_size=10, top_k_per_batch=4).rerank("q", hits(60), top_k=60)
    assert ids(again) == ids(ranked)


def test_the_groups_of_a_round_are_asked_about_at_once() -> None:
    judge, rounds = Judge(), []

    def ask_all(prompts: Sequence[str]) -> list[str]:
        rounds.append(len(prompts))
        return [judge(prompt) for prompt in prompts]

    TournamentReranker(judge, ask_all=ask_all).rerank("q", hits(100))
    assert rounds == [5, 1]


@pytest.mark.parametrize("reply", ["", "I cannot say.", "[99] > [0]", "9999999999999999999999"])
def test_a_reply_of_no_use_leaves_the_order_as_it_was(reply: str) -> None:
    assert ids(ListwiseReranker(lambda prompt: reply).rerank("q", hits(5))) == ids(hits(5))
    assert ids(TournamentReranker(lambda prompt: reply).rerank("q", hits(5))) == ids(hits(5))


def test_what_a_reply_leaves_out_or_says_twice_is_neither_lost_nor_doubled() -> None:
    ranked = ListwiseReranker(lambda prompt: "[3] > [1] > [3] > [12]").rerank("q", hits(5))
    assert ids(ranked) == ["d2", "d0", "d1", "d3", "d4"]


def test_dicts_of_another_retriever_are_reranked_and_given_back_unchanged() -> None:
    given: list[dict[str, Any]] = [
        {"doc_id": "a", "content": "worth 1"},
        {"doc_id": "b", "preview": "worth 2", "metadata": {}},
    ]
    assert ListwiseReranker(Judge()).rerank("q", given) == [given[1], given[0]]


def test_passages_are_one_line_each_and_cut() -> None:
    judge = Judge()
    ListwiseReranker(judge, passage_characters=20).rerank("q", [Hit(doc_id="a", preview="x\n[2] y " * 50)] * 2)
    assert re.findall(r"^\[\d\] .*$", judge.prompts[0], re.MULTILINE) == [
        "[1] x [2] y x [2] y x [2",
        "[2] x [2] y x [2] y x [2",
    ]


@pytest.mark.parametrize("sizes", [{"window_size": 0}, {"step": 0}, {"step": 21}, {"passage_characters": 0}])
def test_sizes_that_are_none_are_refused(sizes: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must hold"):
        ListwiseReranker(Judge(), **sizes)
    with pytest.raises(ValueError, match="must hold"):
        TournamentReranker(Judge(), batch_size=4, top_k_per_batch=4)


def test_a_cross_encoder_orders_by_its_scores() -> None:
    def score(pairs: Sequence[tuple[str, str]]) -> list[float]:
        return [float(passage.rpartition(" ")[2]) if query == "q" else 0.0 for query, passage in pairs]

    assert ids(CrossEncoderReranker(score).rerank("q", hits(5), top_k=2)) == ["d4", "d3"]
    assert CrossEncoderReranker(score).rerank("q", []) == []


def test_a_cross_encoder_without_its_library_names_the_extra() -> None:
    try:
        import sentence_transformers  # noqa: F401
    except ModuleNotFoundError:
        with pytest.raises(ConfigError, match=r"rlm-search\[sentence-transformers\]"):
            CrossEncoderReranker("some/model").rerank("q", hits(2))


@pytest.mark.parametrize(
    "reply",
    [
        '{"rewrites": ["gust limit", "wind limit ", "q", "gust limit", 7]}',
        'Here you are:\n```json\n{"rewrites": ["gust limit", "wind limit"]}\n```',
        "1. gust limit\n2. wind limit\n",
        '- "gust limit"\n- "wind limit"',
    ],
)
def test_rewrites_are_read_however_they_come(reply: str) -> None:
    assert QueryRewriter(lambda prompt: reply, n=3).rewrite("q") == ["gust limit", "wind limit"]


def test_rewrites_are_never_more_than_asked_for_and_may_be_none() -> None:
    assert QueryRewriter(lambda prompt: '{"rewrites": ["aaa", "bbb", "ccc"]}', n=2).rewrite("q") == ["aaa", "bbb"]
    assert QueryRewriter(lambda prompt: '{"rewrites": "no"}').rewrite("q") == []
    assert QueryRewriter(lambda prompt: "").rewrite("{odd} query") == []
    with pytest.raises(ValueError, match="at least 1"):
        QueryRewriter(lambda prompt: "", n=0)


def test_a_pool_has_each_document_once_where_it_came_first() -> None:
    pools: list[list[dict[str, Any]]] = [
        [{"doc_id": "a", "score": 2}, {"doc_id": "b"}],
        [{"doc_id": "c"}, {"doc_id": "a", "score": 9}],
    ]
    assert union_pool(pools) == [{"doc_id": "a", "score": 2}, {"doc_id": "b"}, {"doc_id": "c"}]
    assert union_pool([[{"id": "x"}], [{"id": "x"}]], id_key="id") == [{"id": "x"}]


def test_measures_are_those_of_the_textbook() -> None:
    grades = {"a": 3.0, "b": 2.0, "c": 0.0, "d": 1.0}
    assert ndcg_at_k(["a", "b", "d"], grades) == 1.0
    assert ndcg_at_k(["c", "d", "b", "a"], grades) == pytest.approx(
        (1 / 1.58496 + 3 / 2 + 7 / 2.32193) / (7 + 3 / 1.58496 + 1 / 2), rel=1e-4
    )
    assert ndcg_at_k(["a"] * 3, {"a": 1.0}) == 1.0
    assert ndcg_at_k(["a"], {}) == ndcg_at_k(["a"], grades, 0) == 0.0
    assert recall_at_k(["a", "c", "d"], grades, 2) == pytest.approx(1 / 3)
    assert recall_at_k(["a"], {}) == 0.0
