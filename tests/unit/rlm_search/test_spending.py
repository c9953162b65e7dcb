"""What a run may spend and what it has spent: tiers, models, dollars, and asking before it becomes much."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from rlm_search import RLM, Limits, ScriptedModel
from rlm_search.estimates import Approval, Estimate, estimate_calls
from rlm_search.models.facts import ModelFacts, Price
from rlm_search.models.priced import PricedModel
from rlm_search.testing import InProcessSandbox
from rlm_search.trace.events import LimitWarned, ModelCalled
from rlm_search.types import Completion, Message, Usage
from tests.unit.rlm_search.conftest import Told, python

Tell = Callable[..., Told]
DOLLAR_A_CALL = ModelFacts(price=Price(input=0.0, output=1_000.0))
"""With 1,000 tokens of output, which every answer of `dear` has."""
END = "\nes_search('wind')\nFINAL('done')"


def dear(answer: str = "yes") -> PricedModel:
    """A sub-model of which each call costs a dollar."""

    def reply(_: Sequence[Message]) -> Completion:
        return Completion(text=answer, usage=Usage(input_tokens=10, output_tokens=1_000, calls=1))

    return PricedModel(ScriptedModel(reply, name="dear"), DOLLAR_A_CALL)


def test_an_answer_tells_usage_and_cost_by_tier_and_model(tell: Tell) -> None:
    told = tell("\nprint(llm_query('a'), llm_query('b', model='root'))", "thought", END, sub_model=dear())

    answer = told.answer
    assert sorted(answer.usage_by_model) == ["root", "sub"]
    assert answer.usage_by_model["sub"]["dear"] == Usage(input_tokens=10, output_tokens=1_000, calls=1, cost_usd=1.0)
    assert answer.usage_by_model["sub"]["scripted"].calls == 1
    assert answer.usage_by_model["root"]["scripted"].calls == 2
    assert answer.usage["sub"].cost_usd == answer.cost_usd == 1.0


def test_a_batch_never_overspends_dollars_by_more_than_one_reply(tell: Tell) -> None:
    told = tell(
        "\nllm_batch([f'{n}' for n in range(40)], max_tokens=1_000)", sub_model=dear(), limits=Limits(cost_usd=5)
    )

    assert told.answer.status == "out_of_budget"
    assert told.answer.cost_usd is not None
    assert 4 <= told.answer.cost_usd <= 6


def test_a_model_that_is_nearly_out_of_dollars_is_told_so(tell: Tell) -> None:
    told = tell(
        "\nfor n in range(9):\n    llm_query(str(n), max_tokens=1_000)",
        END,
        sub_model=dear(),
        limits=Limits(cost_usd=10),
    )

    assert [event.kind for event in told.of(LimitWarned)] == ["cost"]
    assert "$9.0000 of $10.00 used" in told.shown


def test_every_run_starts_fresh() -> None:
    model = ScriptedModel(lambda _: python("FINAL('done')"))
    rlm = RLM(model=model, sandbox=InProcessSandbox, limits=Limits(steps=1, root_tokens=5_000))

    assert [rlm.run("?").status for _ in range(5)] == ["answered"] * 5


def test_runs_at_each_depth_have_their_own_model() -> None:
    asks = {
        "deep": "FINAL('deepest')",
        "middle": "FINAL(rlm_query('deeper?') + '!')",
        "top": "FINAL(rlm_query('?') + '!')",
    }
    models = {name: ScriptedModel(lambda _, code=code: python(code), name=name) for name, code in asks.items()}  # type: ignore[misc]
    events: list[Any] = []
    rlm = RLM(
        model=models["top"], deeper_models=[models["middle"], models["deep"]], sandbox=InProcessSandbox,
        limits=Limits(depth=3), listeners=[events.append],
    )  # fmt: skip
    answer = rlm.run("?")

    assert answer.text == "deepest!!"
    assert [(e.model, e.depth) for e in events if isinstance(e, ModelCalled)] == [
        ("top", 0),
        ("middle", 1),
        ("deep", 2),
    ]
    assert {tier: sorted(by_model) for tier, by_model in answer.usage_by_model.items()} == {
        "root": ["top"], "sub": ["deep", "middle"],
    }  # fmt: skip


# --- estimates --------------------------------------------------------------------------------------------------------


def test_an_estimate_counts_calls_tokens_and_dollars_of_texts_or_their_lengths() -> None:
    model = PricedModel(ScriptedModel([]), ModelFacts(price=Price(input=1.0, output=10.0)))
    of_texts = estimate_calls(["x" * 4_000] * 50, model)

    assert (of_texts.calls, of_texts.output_tokens) == (50, 15_000)
    assert 50_000 < of_texts.input_tokens < 60_000
    assert of_texts.cost_usd == pytest.approx((of_texts.input_tokens + 150_000) / 1e6)
    assert estimate_calls([4_000] * 50, model) == of_texts
    assert "50 calls" in str(of_texts)


def test_an_unknown_price_is_said_to_be() -> None:
    estimate = estimate_calls(["x"], ScriptedModel([]))

    assert estimate.cost_usd is None
    assert "unknown price" in str(estimate)


def test_calls_that_cost_much_are_asked_for_and_go_on_where_they_may(tell: Tell) -> None:
    asked: list[Estimate] = []

    def allow(estimate: Estimate) -> bool:
        asked.append(estimate)
        return True

    approval = Approval(above_usd=1.0, ask=allow)
    told = tell("\nprint(llm_batch(['a', 'b']))\nprint(len(llm_batch([str(n) for n in range(9)])))", END,
                sub_model=dear(), approval=approval, limits=Limits())  # fmt: skip

    assert [estimate.calls for estimate in asked] == [9]
    assert told.answer.usage["sub"].calls == 11


def test_calls_that_are_not_allowed_are_told_with_what_they_would_cost(tell: Tell) -> None:
    told = tell("\nllm_batch([str(n) for n in range(9)])", END, sub_model=dear(), approval=Approval(above_usd=1.0))

    assert "9 calls of dear" in told.shown
    assert "$2.70" in told.shown
    assert told.answer.usage["sub"] == Usage()
