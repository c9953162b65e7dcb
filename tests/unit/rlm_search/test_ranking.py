"""`rerank=` and `multi_query=`: hits in a model's order, queries in its words, all of it charged."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from retrievers.rerankers import CrossEncoderReranker
from rlm_search import Limits, ModelUnavailable, ScriptedModel
from rlm_search.testing import MemoryRetriever
from rlm_search.trace.events import Searched

Tell = Callable[..., Any]
END = "\nes_search('gust')\nFINAL('done')"


@pytest.fixture
def ships() -> MemoryRetriever:
    return MemoryRetriever({f"s{n:02}": f"The gust at ship {n}. A storm of {n} knots." for n in range(60)})


class Small(ScriptedModel):
    """A sub-model that ranks by the number of the ship and knows one other word for gust."""

    def __init__(self, reply: Callable[[str], Any] | None = None) -> None:
        super().__init__(lambda messages: (reply or self.judge)(messages[-1].content), name="small")

    @staticmethod
    def judge(prompt: str) -> str:
        if "rewrites" in prompt:
            return '{"rewrites": ["storm knots"]}'
        worth = {int(n): int(value) for n, value in re.findall(r"^\[(\d+)\].*ship (\d+)", prompt, re.MULTILINE)}
        return " > ".join(f"[{n}]" for n in sorted(worth, key=lambda n: -worth[n]))


@pytest.mark.parametrize(("rerank", "calls"), [("True", 4), ("'listwise'", 4), ("'tournament'", 4)])
def test_hits_come_in_the_order_of_the_sub_model(tell: Tell, ships: MemoryRetriever, rerank: str, calls: int) -> None:
    small = Small()
    told = tell(
        f"\nh = es_search('gust', top_k=3, rerank={rerank})\nprint([x.doc_id for x in h], [x.score for x in h][:2])",
        END,
        retriever=ships,
        sub_model=small,
    )
    assert "['s49', 's48', 's47'] [1.0, 0.5]" in told.shown
    assert len(small.asked) == calls
    assert told.answer.usage["sub"].calls == calls


def test_a_query_is_asked_in_other_words_too(tell: Tell, ships: MemoryRetriever) -> None:
    told = tell(
        "\nh = es_hybrid_search('gust', top_k=4, multi_query=1)\nprint(sorted({x.preview[:7] for x in h}))",
        END,
        retriever=ships,
        sub_model=Small(),
    )
    assert "['A storm', 'The gus']" in told.shown
    assert [e.query for e in told.of(Searched)][:2] == ["gust", "storm knots"]


def test_both_together_with_one_hit_a_document(tell: Tell, ships: MemoryRetriever) -> None:
    told = tell(
        "\nh = es_vector_search('gust', 2, None, True, rerank=True, multi_query=True)"
        "\nprint(len({x.doc_id for x in h}), h[0].hit_count)",
        END,
        retriever=ships,
        sub_model=Small(),
    )
    assert "2 2" in told.shown


def test_a_reranker_of_ones_own_is_the_first_choice(tell: Tell, ships: MemoryRetriever) -> None:
    def score(pairs: Sequence[tuple[str, str]]) -> list[float]:
        return [float("ship 7." in passage) for _, passage in pairs]

    rerankers: Mapping[str, Any] = {"cross_encoder": CrossEncoderReranker(score)}
    told = tell(
        "\nprint(es_search('gust', rerank=True)[0].doc_id, es_search('gust', rerank='cross_encoder')[0].doc_id)",
        END,
        retriever=ships,
        rerankers=rerankers,
    )
    assert "s07 s07" in told.shown
    assert "sub" not in {tier for tier, usage in told.answer.usage.items() if usage.calls and tier == "sub"}


def test_a_sub_model_that_is_away_costs_the_order_and_not_the_hits(tell: Tell, ships: MemoryRetriever) -> None:
    small = Small(lambda prompt: ModelUnavailable("http://key@host"))
    told = tell(
        "\nprint(len(es_search('gust', top_k=3, rerank=True, multi_query=2)))", END, retriever=ships, sub_model=small
    )
    assert "\n3\n" in told.shown


def test_reranking_is_charged_as_sub_calls(tell: Tell, ships: MemoryRetriever) -> None:
    told = tell(
        "\nes_search('gust', rerank=True)", retriever=ships, sub_model=Small(), limits=Limits(subcalls=2, steps=3)
    )
    assert told.answer.status == "out_of_budget"


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        ("es_search('gust', rerank='best')", "rerank must be True or one of listwise, tournament, not 'best'"),
        ("es_search('gust', multi_query=9)", "between 0 and 8"),
        ("es_search(' ', rerank=True)", "the query is empty"),
    ],
)
def test_a_mistake_is_told_as_a_sentence(tell: Tell, ships: MemoryRetriever, call: str, reason: str) -> None:
    assert reason in tell(f"\n{call}", END, retriever=ships, sub_model=Small()).shown
