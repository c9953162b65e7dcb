"""The budget of a run: reserved before a call, settled after it, so that parallel calls cannot overspend together.

A budget has a parent where the run is a sub-run: what the child spends, its parents spend too, except steps, which
are turns of one run's own loop. To a parent, all that a child's models use is use of its sub tier: `root_tokens` are
those of the run's own loop. All budgets of a family share one lock.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from threading import Condition
from types import TracebackType
from typing import Literal, TypeAlias

from rlm_search.cancelling import Cancellation
from rlm_search.errors import BudgetExceeded, BudgetKind
from rlm_search.types import Limits, Usage

Tier: TypeAlias = Literal["root", "sub"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """How much of one limit is used; `limit` is never None."""

    kind: BudgetKind
    name: str
    used: float
    limit: float

    @property
    def share(self) -> float:
        """Used of limit; 1.0 or more is spent."""
        return self.used / self.limit if self.limit > 0 else 1.0

    @property
    def amount(self) -> str:
        """`12 of 20`, dollars with their cents."""
        return amount(self.kind, self.used, self.limit)


class Budget:
    """What a run may still use. Safe to use from several threads at once.

    Args:
        limits: None in a field is no limit.
        clock: seconds that only grow.
        cancellation: ends the run from outside; looked at wherever a limit is.
        parent: the budget that this one's spending counts against too; made by `child`.
    """

    def __init__(
        self,
        limits: Limits,
        *,
        clock: Callable[[], float] = time.monotonic,
        cancellation: Cancellation | None = None,
        parent: Budget | None = None,
    ) -> None:
        self.limits = limits
        self.depth: int = parent.depth + 1 if parent else 0
        self.cancellation: Cancellation = cancellation or (parent.cancellation if parent else Cancellation())
        self._clock = clock
        self._parent = parent
        self._changed: Condition = parent._changed if parent else Condition()
        self._started = clock()
        self._counts = {"steps": 0, "subcalls": 0, "searches": 0}
        self._usage: dict[str, Usage] = {"root": Usage(), "sub": Usage()}
        self._by_model: dict[str, dict[str, Usage]] = {"root": {}, "sub": {}}
        self._reserved: dict[str, int] = {"root": 0, "sub": 0}
        self._reserved_usd = 0.0
        self._under_way = 0

    # --- looking -----------------------------------------------------------------------------------------------------

    @property
    def seconds(self) -> float:
        """Wall clock since the run began."""
        return self._clock() - self._started

    def usage(self) -> Mapping[str, Usage]:
        """What was used, by tier."""
        with self._changed:
            return dict(self._usage)

    def usage_by_model(self) -> Mapping[str, Mapping[str, Usage]]:
        """What was used, by tier and model."""
        with self._changed:
            return {tier: dict(models) for tier, models in self._by_model.items() if models}

    def count(self, name: Literal["steps", "subcalls", "searches"]) -> int:
        """How many there were."""
        with self._changed:
            return self._counts[name]

    def spent(self) -> list[Spent]:
        """Every limit that is set, the most spent first; of a limit that holds here and above, what is spent most."""
        with self._changed:
            most = {spent.name: spent for spent in self._spent()}
            for budget in self._family():
                for spent in budget._spent() if budget is not self else ():
                    if spent.kind != "steps" and (spent.name not in most or spent.share > most[spent.name].share):
                        most[spent.name] = spent
            return sorted(most.values(), key=lambda spent: -spent.share)

    def seconds_left(self) -> float | None:
        """Wall clock until this budget or one above it ends; None without a limit."""
        left = [b.limits.seconds - b.seconds for b in self._family() if b.limits.seconds is not None]
        return max(min(left), 0.0) if left else None

    def deadline(self) -> float | None:
        """When the time will be up, on this budget's clock; None without a limit."""
        left = self.seconds_left()
        return None if left is None else self._clock() + left

    def subcalls_left(self) -> int | None:
        """How many sub-calls are left here and above; None without a limit."""
        with self._changed:
            left = [b.limits.subcalls - b._counts["subcalls"] for b in self._family() if b.limits.subcalls is not None]
        return max(min(left), 0) if left else None

    def check(self) -> None:
        """Refuse to go on where the wall clock, a token limit or the cost is spent, here or above.

        Raises:
            BudgetExceeded: with the kind that is spent.
            RunCancelled: somebody has ended the run.
        """
        with self._changed:
            self._check()

    # --- spending ----------------------------------------------------------------------------------------------------

    def step(self) -> None:
        """Charge one step of this run. Raises BudgetExceeded before it would be one too many."""
        with self._changed:
            self._check()
            self._charge(self, "steps", 1)

    def subcalls(self, number: int = 1) -> None:
        """Charge sub-calls, all or none. Raises BudgetExceeded before they would be too many."""
        self._charge_family("subcalls", number)

    def search(self) -> None:
        """Charge one search. Raises BudgetExceeded before it would be one too many."""
        self._charge_family("searches", 1)

    def reserve(
        self,
        tier: Tier,
        tokens: int,
        *,
        at_least: int = 1,
        cost_usd: float | None = None,
        at_least_usd: float = 0.0,
    ) -> Reservation:
        """Set tokens and dollars aside for a call; use it as a context manager and `settle` the true usage inside.

        Where less than is asked for is left, the rest is granted as long as it is the least that the call needs;
        where other calls hold too much, it waits for them to settle.

        Args:
            tier: who is called.
            tokens: the most that the call may use, input and output.
            at_least: what the call uses in any case: its input, and one token of output.
            cost_usd: the most that it may cost; None where no price is known: then, with a limit of dollars, calls go
                one at a time, since what they cost is only known after.
            at_least_usd: what it costs in any case.

        Raises:
            BudgetExceeded: less than the least is left, or another limit is spent.
        """
        while True:
            with self._changed:
                self._check()
                left, held, name = self._tokens_left(tier)
                dollars, dollars_held = self._dollars_left()
                granted = _granted(left, held, tokens, at_least)
                paid = _granted(dollars, dollars_held, cost_usd, at_least_usd)
                if granted is not None and paid is not None:
                    return Reservation(self, tier, int(granted), paid if dollars is not None else None)
                if granted is None and not held:
                    raise _exceeded("tokens", name, f"{max(left or 0, 0):,} left, {at_least:,} needed")
                if paid is None and not dollars_held:
                    raise _exceeded("cost", "cost_usd", f"${dollars or 0:,.4f} left, ${at_least_usd:,.4f} needed")
                self._changed.wait(self.seconds_left())

    def may_go_deeper(self) -> bool:
        """Whether a run may be started from this one."""
        return all(b.limits.depth is None or self.depth + 1 - b.depth <= b.limits.depth for b in self._family())

    def child(self, limits: Limits) -> Budget:
        """The budget of a sub-run: its own limits within what is left here.

        Raises:
            BudgetExceeded: of kind depth, where no deeper run is allowed.
        """
        if not self.may_go_deeper():
            raise _exceeded("depth", "depth", f"a run at depth {self.depth} may not start another")
        return Budget(limits, clock=self._clock, parent=self)

    # --- inside; the lock is held ------------------------------------------------------------------------------------

    def _family(self) -> Iterator[Budget]:
        budget: Budget | None = self
        while budget is not None:
            yield budget
            budget = budget._parent

    def _spent(self) -> Iterator[Spent]:
        limits, total = self.limits, self._usage["root"] + self._usage["sub"]
        rows: list[tuple[BudgetKind, str, float, float | None]] = [
            ("steps", "steps", self._counts["steps"], limits.steps),
            ("subcalls", "subcalls", self._counts["subcalls"], limits.subcalls),
            ("searches", "searches", self._counts["searches"], limits.searches),
            ("tokens", "root_tokens", self._usage["root"].total_tokens, limits.root_tokens),
            ("tokens", "sub_tokens", self._usage["sub"].total_tokens, limits.sub_tokens),
            ("tokens", "total_tokens", total.total_tokens, limits.total_tokens),
            ("cost", "cost_usd", total.cost_usd or 0.0, limits.cost_usd),
            ("time", "seconds", self.seconds, limits.seconds),
        ]
        for kind, name, used, limit in rows:
            if limit is not None:
                yield Spent(kind=kind, name=name, used=used, limit=limit)

    def _check(self) -> None:
        self.cancellation.check()
        for budget in self._family():
            for spent in budget._spent():
                if spent.kind in ("time", "cost", "tokens") and spent.share >= 1.0 and spent.name != "sub_tokens":
                    raise _exceeded(spent.kind, spent.name, f"{spent.amount} used")

    def _charge_family(self, name: Literal["subcalls", "searches"], number: int) -> None:
        with self._changed:
            self._check()
            for budget in self._family():
                self._refuse_too_many(budget, name, number)
            for budget in self._family():
                budget._counts[name] += number

    def _charge(self, budget: Budget, name: Literal["steps", "subcalls", "searches"], number: int) -> None:
        self._refuse_too_many(budget, name, number)
        budget._counts[name] += number

    @staticmethod
    def _refuse_too_many(budget: Budget, name: Literal["steps", "subcalls", "searches"], number: int) -> None:
        limit: int | None = getattr(budget.limits, name)
        if limit is not None and budget._counts[name] + number > limit:
            raise _exceeded(name, name, f"{budget._counts[name]:,} of {limit:,} used")

    def _dollars_left(self) -> tuple[float | None, bool]:
        """The dollars that are left here and above, and whether calls in flight hold some of them."""
        left = [
            (b.limits.cost_usd - b._reserved_usd - b._cost(), b._under_way > 0)
            for b in self._family()
            if b.limits.cost_usd is not None
        ]
        return min(left, default=(None, False))

    def _cost(self) -> float:
        return sum(usage.cost_usd or 0.0 for usage in self._usage.values())

    def _tokens_left(self, tier: Tier) -> tuple[int | None, bool, str]:
        """What is left for this tier here and above, whether calls in flight hold some of it, and by which limit."""
        tightest: tuple[int | None, bool, str] = (None, False, "")
        for budget in self._family():
            tier = tier if budget is self else "sub"
            for name, limit, tiers in (
                (f"{tier}_tokens", getattr(budget.limits, f"{tier}_tokens"), (tier,)),
                ("total_tokens", budget.limits.total_tokens, ("root", "sub")),
            ):
                if limit is None:
                    continue
                held = sum(budget._reserved[t] for t in tiers)
                left = limit - held - sum(budget._usage[t].total_tokens for t in tiers)
                if tightest[0] is None or left < tightest[0]:
                    tightest = (left, held > 0, name)
        return tightest


class Reservation:
    """What is set aside for one call: `tokens`, and `cost_usd` where dollars are limited.

    Leaving it gives back what was not settled.
    """

    def __init__(self, budget: Budget, tier: Tier, tokens: int, cost_usd: float | None = None) -> None:
        self.tokens, self.cost_usd = tokens, cost_usd
        self._budget, self._tier = budget, tier
        self._is_held = True
        self._add(1)

    def settle(self, usage: Usage, *, model: str = "") -> None:
        """Replace the reservation by what was really used; more than once adds up."""
        with self._budget._changed:
            self._release()
            for budget, tier in self._family():
                budget._usage[tier] = budget._usage[tier] + usage
                if model and usage != Usage():
                    models = budget._by_model[tier]
                    models[model] = models.get(model, Usage()) + usage
            self._budget._changed.notify_all()

    def __enter__(self) -> Reservation:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._budget._changed:
            self._release()
            self._budget._changed.notify_all()

    def _release(self) -> None:
        if self._is_held:
            self._is_held = False
            self._add(-1)

    def _add(self, sign: Literal[1, -1]) -> None:
        for budget, tier in self._family():
            budget._under_way += sign
            budget._reserved[tier] += sign * self.tokens
            held = budget._reserved_usd + sign * (self.cost_usd or 0.0)
            budget._reserved_usd = held if budget._under_way else 0.0  # nothing is left of rounding

    def _family(self) -> Iterator[tuple[Budget, Tier]]:
        """The budgets that pay, each with the tier that it pays from."""
        for budget in self._budget._family():
            yield budget, self._tier if budget is self._budget else "sub"


def _granted(left: float | None, held: bool, wanted: float | None, least: float) -> float | None:
    """How much of what is wanted can be had now; None if less than the least, or if others may give some back."""
    if left is None:
        return wanted or 0.0
    if wanted is None:  # nobody knows how much: all of it, once nobody else holds any
        return left if left > 0 and not held else None
    if left >= wanted:
        return wanted
    return left if left >= least and not held else None


def amount(kind: str, used: float, limit: float) -> str:
    """How much of a limit is used, in words."""
    return f"${used:,.4f} of ${limit:,.2f}" if kind == "cost" else f"{used:,.0f} of {limit:,.0f}"


def _exceeded(kind: BudgetKind, name: str, detail: str) -> BudgetExceeded:
    return BudgetExceeded(f"the limit `{name}` is spent: {detail}", kind=kind, hint=f"raise `limits.{name}`")
