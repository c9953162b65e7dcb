"""A budget holds: reserved before, settled after, never overspent together, and shared by sub-runs."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from rlm_search.budget import Budget, Tier
from rlm_search.errors import BudgetExceeded
from rlm_search.types import Limits, Usage


class Clock:
    """Time that passes when it is told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_calls_at_once_cannot_overspend_together() -> None:
    budget = Budget(Limits(sub_tokens=1_000))
    asked = threading.Barrier(8)
    spent: list[int] = []

    def call(_: int) -> None:
        asked.wait()
        for _ in range(20):
            try:
                with budget.reserve("sub", 100, at_least=100) as reserved:
                    reserved.settle(Usage(input_tokens=60, output_tokens=40, calls=1))
                    spent.append(100)
            except BudgetExceeded:
                return

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(call, range(8)))
    assert sum(spent) == budget.usage()["sub"].total_tokens == 1_000


def test_a_call_waits_for_room_that_others_may_give_back() -> None:
    budget = Budget(Limits(root_tokens=1_000))
    holder = budget.reserve("root", 900)
    granted = []

    def wait() -> None:
        with budget.reserve("root", 500, at_least=500) as reserved:
            granted.append(reserved.tokens)

    waiting = threading.Thread(target=wait)
    waiting.start()
    assert granted == []
    holder.settle(Usage(input_tokens=50, calls=1))
    waiting.join(5)
    assert granted == [500]


def test_less_than_asked_for_is_granted_where_that_is_what_is_left() -> None:
    budget = Budget(Limits(sub_tokens=300))
    with budget.reserve("sub", 1_000, at_least=200) as reserved:
        assert reserved.tokens == 300


def test_a_call_that_cannot_fit_is_refused_before_it_is_made() -> None:
    with pytest.raises(BudgetExceeded, match="sub_tokens") as raised:
        Budget(Limits(sub_tokens=300)).reserve("sub", 1_000, at_least=301)
    assert raised.value.kind == "tokens"


def test_what_was_reserved_and_not_used_is_given_back() -> None:
    budget = Budget(Limits(total_tokens=1_000))
    with budget.reserve("root", 1_000):
        pass
    with budget.reserve("sub", 1_000) as reserved:
        assert reserved.tokens == 1_000


def test_a_tier_that_is_spent_leaves_the_other() -> None:
    budget = Budget(Limits(sub_tokens=100, root_tokens=100))
    budget.reserve("sub", 100).settle(Usage(input_tokens=100, calls=1))
    budget.check()
    assert budget.reserve("root", 50).tokens == 50


@pytest.mark.parametrize(
    ("limits", "usage", "kind"),
    [
        (Limits(root_tokens=100), Usage(output_tokens=120, calls=1), "tokens"),
        (Limits(total_tokens=100), Usage(input_tokens=100, calls=1), "tokens"),
        (Limits(cost_usd=0.5), Usage(calls=1, cost_usd=0.6), "cost"),
    ],
)
def test_what_is_spent_is_noticed_at_the_next_check(limits: Limits, usage: Usage, kind: str) -> None:
    budget = Budget(limits)
    budget.check()
    budget.reserve("root", 1).settle(usage)
    with pytest.raises(BudgetExceeded) as raised:
        budget.check()
    assert raised.value.kind == kind
    assert raised.value.exit_code == 7


def test_the_wall_clock_ends_a_run() -> None:
    clock = Clock()
    budget = Budget(Limits(seconds=60), clock=clock)
    clock.now = 59.0
    budget.check()
    assert (budget.seconds_left(), budget.deadline()) == (1.0, 60.0)
    clock.now = 61.0
    assert budget.seconds_left() == 0.0
    with pytest.raises(BudgetExceeded, match="seconds"):
        budget.search()


def test_steps_searches_and_subcalls_end_at_their_limit() -> None:
    budget = Budget(Limits(steps=2, searches=1, subcalls=3))
    budget.step()
    budget.step()
    budget.search()
    budget.subcalls(2)
    assert budget.subcalls_left() == 1
    for charge, kind in ((budget.step, "steps"), (budget.search, "searches"), (lambda: budget.subcalls(2), "subcalls")):
        with pytest.raises(BudgetExceeded) as raised:
            charge()
        assert raised.value.kind == kind
    budget.subcalls(1)


def test_without_limits_everything_goes() -> None:
    none = Limits(steps=None, subcalls=None, depth=None, root_tokens=None, sub_tokens=None, seconds=None, searches=None)
    budget = Budget(none)
    budget.step()
    budget.subcalls(10_000)
    assert budget.reserve("root", 10**9).tokens == 10**9
    assert (budget.spent(), budget.seconds_left(), budget.deadline(), budget.subcalls_left()) == ([], None, None, None)
    assert budget.child(none).child(none).may_go_deeper()


def test_what_a_child_spends_its_parent_has_spent() -> None:
    parent = Budget(Limits(searches=3, sub_tokens=100, depth=1))
    child = parent.child(Limits(searches=10, sub_tokens=1_000))
    child.search()
    child.search()
    child.reserve("sub", 80).settle(Usage(input_tokens=80, calls=1))
    assert parent.usage()["sub"].total_tokens == 80
    assert child.reserve("sub", 500).tokens == 20
    parent.search()
    with pytest.raises(BudgetExceeded):
        child.search()


def test_a_child_has_steps_of_its_own() -> None:
    parent = Budget(Limits(steps=1))
    child = parent.child(Limits(steps=2))
    child.step()
    child.step()
    parent.step()


def test_no_deeper_than_allowed() -> None:
    child = Budget(Limits(depth=1)).child(Limits(depth=5))
    assert not child.may_go_deeper()
    with pytest.raises(BudgetExceeded) as raised:
        child.child(Limits())
    assert raised.value.kind == "depth"


def test_the_most_spent_limit_comes_first() -> None:
    budget = Budget(Limits(steps=10, searches=4, seconds=None))
    budget.step()
    budget.search()
    first = budget.spent()[0]
    assert (first.name, first.used, first.limit, first.share) == ("searches", 1, 4, 0.25)


# --- dollars ----------------------------------------------------------------------------------------------------------


def test_calls_at_once_cannot_overspend_dollars_together() -> None:
    budget = Budget(Limits(cost_usd=1.0))
    started = threading.Barrier(8)

    def call(_: int) -> None:
        started.wait()
        for _ in range(10):
            try:
                with budget.reserve("sub", 100, cost_usd=0.1, at_least_usd=0.1) as reserved:
                    reserved.settle(Usage(input_tokens=100, calls=1, cost_usd=0.1), model="m")
            except BudgetExceeded:
                return

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(call, range(8)))
    assert budget.usage()["sub"].cost_usd == pytest.approx(1.0)
    assert budget.usage()["sub"].calls == 10


def test_calls_of_unknown_price_go_one_at_a_time_and_overspend_by_one_reply_at_most() -> None:
    budget = Budget(Limits(cost_usd=1.0))
    under_way: list[int] = []
    most: list[int] = []
    started = threading.Barrier(6)

    def call(_: int) -> None:
        started.wait()
        for _ in range(10):
            try:
                with budget.reserve("sub", 100) as reserved:
                    under_way.append(1)
                    most.append(len(under_way))
                    under_way.pop()
                    reserved.settle(Usage(calls=1, cost_usd=0.3))
            except BudgetExceeded:
                return

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(call, range(6)))
    assert max(most) == 1
    assert budget.usage()["sub"].cost_usd == pytest.approx(1.2)


def test_a_call_is_granted_the_dollars_that_are_left() -> None:
    budget = Budget(Limits(cost_usd=1.0))
    budget.reserve("root", 1, cost_usd=0.8).settle(Usage(calls=1, cost_usd=0.8))
    with budget.reserve("root", 100, cost_usd=0.5, at_least_usd=0.1) as reserved:
        assert reserved.cost_usd == pytest.approx(0.2)
    with pytest.raises(BudgetExceeded, match="cost_usd") as raised:
        budget.reserve("root", 100, cost_usd=0.5, at_least_usd=0.3)
    assert raised.value.kind == "cost"


def test_many_small_sums_leave_nothing_set_aside() -> None:
    budget = Budget(Limits(cost_usd=1.0))
    for _ in range(1_000):
        with budget.reserve("sub", 1, cost_usd=0.1):
            pass
    with budget.reserve("sub", 1, cost_usd=1.0) as reserved:
        assert reserved.cost_usd == 1.0


# --- tiers ------------------------------------------------------------------------------------------------------------


def test_all_that_a_sub_run_uses_is_use_of_its_parents_sub_tier() -> None:
    parent = Budget(Limits(root_tokens=100, sub_tokens=500))
    child = parent.child(Limits(root_tokens=1_000))
    child.reserve("root", 300).settle(Usage(input_tokens=300, calls=1), model="small")
    assert child.usage()["root"].total_tokens == 300
    assert (parent.usage()["root"].total_tokens, parent.usage()["sub"].total_tokens) == (0, 300)
    assert parent.usage_by_model() == {"sub": {"small": Usage(input_tokens=300, calls=1)}}
    with pytest.raises(BudgetExceeded, match="sub_tokens"):
        child.reserve("root", 300, at_least=300)


def test_a_sub_run_is_warned_of_what_its_parent_has_spent() -> None:
    parent = Budget(Limits(total_tokens=100))
    parent.reserve("root", 90).settle(Usage(input_tokens=90, calls=1))
    first = parent.child(Limits()).spent()[0]
    assert (first.name, first.used, first.limit) == ("total_tokens", 90, 100)


def test_usage_is_kept_by_tier_and_model() -> None:
    budget = Budget(Limits())
    calls: list[tuple[Tier, str]] = [("root", "big"), ("sub", "small"), ("sub", "small"), ("sub", "other")]
    for tier, model in calls:
        budget.reserve(tier, 5).settle(Usage(input_tokens=5, calls=1, cost_usd=0.5), model=model)
    by_model = budget.usage_by_model()
    assert {tier: sorted(models) for tier, models in by_model.items()} == {"root": ["big"], "sub": ["other", "small"]}
    assert by_model["sub"]["small"] == Usage(input_tokens=10, calls=2, cost_usd=1.0)


@pytest.mark.parametrize("limits", [{"root_tokens": 49}, {"sub_tokens": 0}, {"total_tokens": 10}, {"steps": -1}])
def test_a_limit_that_no_call_fits_into_is_refused(limits: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(limits))):
        Limits(**limits)
