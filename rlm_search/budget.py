"""The budget of a run: reserved before a call, settled after it, so that parallel calls cannot overspend together.

A budget has a parent where the run is a sub-run: what the child spends, its parents spend too, except steps, which
are turns of one run's own loop. All budgets of a family share one lock.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from threading import Condition
from types import TracebackType
from typing import Literal, TypeAlias

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


class Budget:
    """What a run may still use. Safe to use from several threads at once.

    Args:
        limits: None in a field is no limit.
        clock: seconds that only grow.
        parent: the budget that this one's spending counts against too; made by `child`.
    """

    def __init__(
        self, limits: Limits, *, clock: Callable[[], float] = time.monotonic, parent: Budget | None = None
    ) -> None:
        self.limits = limits
        self.depth: int = parent.depth + 1 if parent else 0
        self._clock = clock
        self._parent = parent
        self._changed: Condition = parent._changed if parent else Condition()
        self._started = clock()
        self._counts = {"steps": 0, "subcalls": 0, "searches": 0}
        self._usage: dict[str, Usage] = {"root": Usage(), "sub": Usage()}
        self._reserved: dict[str, int] = {"root": 0, "sub": 0}

    # --- looking -----------------------------------------------------------------------------------------------------

    @property
    def seconds(self) -> float:
        """Wall clock since the run began."""
        return self._clock() - self._started

    def usage(self) -> Mapping[str, Usage]:
        """What was used, by tier."""
        with self._changed:
            return dict(self._usage)

    def count(self, name: Literal["steps", "subcalls", "searches"]) -> int:
        """How many there were."""
        with self._changed:
            return self._counts[name]

    def spent(self) -> list[Spent]:
        """Every limit that is set, the most spent first."""
        with self._changed:
            return sorted(self._spent(), key=lambda spent: -spent.share)

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

    def reserve(self, tier: Tier, tokens: int, *, at_least: int = 1) -> Reservation:
        """Set tokens aside for a call; use it as a context manager and `settle` the true usage inside.

        Where less than `tokens` is left, the rest is granted as long as it is `at_least`; where other calls hold
        too much, it waits for them to settle.

        Args:
            tier: who is called.
            tokens: the most that the call may use, input and output.
            at_least: what the call uses in any case: its input, and one token of output.

        Raises:
            BudgetExceeded: fewer than `at_least` are left, or another limit is spent.
        """
        with self._changed:
            while True:
                self._check()
                left, held, name = self._tokens_left(tier)
                if left is None or left >= tokens or (left >= at_least and not held):
                    return Reservation(self, tier, tokens if left is None else min(tokens, left))
                if not held:
                    raise _exceeded("tokens", name, f"{max(left, 0):,} left, {at_least:,} needed")
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
        for budget in self._family():
            for spent in budget._spent():
                if spent.kind in ("time", "cost", "tokens") and spent.share >= 1.0 and spent.name != "sub_tokens":
                    raise _exceeded(spent.kind, spent.name, _amount(spent))

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

    def _tokens_left(self, tier: Tier) -> tuple[int | None, bool, str]:
        """What is left for this tier here and above, whether calls in flight hold some of it, and by which limit."""
        tightest: tuple[int | None, bool, str] = (None, False, "")
        for budget in self._family():
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
    """Tokens set aside for one call: `tokens` were granted. Leaving it gives back what was not settled."""

    def __init__(self, budget: Budget, tier: Tier, tokens: int) -> None:
        self.tokens = tokens
        self._budget, self._tier, self._held = budget, tier, tokens
        self._add(tokens)

    def settle(self, usage: Usage) -> None:
        """Replace the reservation by what was really used; more than once adds up."""
        with self._budget._changed:
            self._release()
            for budget in self._budget._family():
                budget._usage[self._tier] = budget._usage[self._tier] + usage
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
        self._add(-self._held)
        self._held = 0

    def _add(self, tokens: int) -> None:
        for budget in self._budget._family():
            budget._reserved[self._tier] += tokens


def _amount(spent: Spent) -> str:
    return (
        f"{spent.used:,.2f} of {spent.limit:,.2f} used"
        if spent.kind == "cost"
        else (f"{spent.used:,.0f} of {spent.limit:,.0f} used")
    )


def _exceeded(kind: BudgetKind, name: str, detail: str) -> BudgetExceeded:
    return BudgetExceeded(f"the limit `{name}` is spent: {detail}", kind=kind, hint=f"raise `limits.{name}`")
