"""Caps on what one provider is asked: completions at once, requests and tokens a minute."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from rlm_search.errors import ModelUnavailable
from rlm_search.models.facts import facts_of
from rlm_search.models.tokens import estimate_prompt_tokens
from rlm_search.types import CallOptions, Completion, Message, Model

_MINUTE = 60.0
_USUAL_ANSWER = 500
"""Tokens counted for an answer on its way that was given no limit of its own."""


@dataclass(slots=True, eq=False)
class _Call:
    at: float
    tokens: int


@dataclass(slots=True)
class Quota:
    """What one provider allows; all models of one server share it. Safe to use from several threads.

    Whoever comes first is let through first. A call counts for a minute from its start: as estimated while it is under
    way, as settled from then on.

    Args:
        concurrency: calls under way at once.
        requests_per_minute: calls in any minute; 0 is no limit.
        tokens_per_minute: tokens in any minute, input and output; 0 is no limit. A call larger than all of it goes
            alone.
    """

    concurrency: int = 8
    requests_per_minute: int = 0
    tokens_per_minute: int = 0
    clock: Callable[[], float] = time.monotonic
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _waiting: deque[object] = field(default_factory=deque)
    _recent: deque[_Call] = field(default_factory=deque)
    _under_way: int = 0

    @property
    def waiting(self) -> int:
        """How many calls stand in line."""
        with self._changed:
            return len(self._waiting)

    def enter(self, tokens: int, deadline: float | None) -> _Call | None:
        """Wait for a place, no longer than until the deadline; None where there was none in time."""
        ticket = object()
        with self._changed:
            self._waiting.append(ticket)
            try:
                while True:
                    wait = self._wait(ticket, tokens)
                    if wait == 0:
                        return self._start(tokens)
                    left = None if deadline is None else deadline - self.clock()
                    if left is not None and (left <= 0 or (wait is not None and wait > left)):
                        return None
                    self._changed.wait(min((w for w in (wait, left) if w is not None), default=None))
            finally:
                self._waiting.remove(ticket)
                self._changed.notify_all()

    def leave(self, call: _Call, tokens: int | None) -> None:
        """A call is over; `tokens` is what it has used, None where nobody knows."""
        with self._changed:
            self._under_way -= 1
            if tokens is not None:
                call.tokens = tokens
            self._changed.notify_all()

    def _start(self, tokens: int) -> _Call:
        call = _Call(at=self.clock(), tokens=tokens)
        self._under_way += 1
        if self.requests_per_minute or self.tokens_per_minute:
            self._recent.append(call)
        return call

    def _wait(self, ticket: object, tokens: int) -> float | None:
        """Seconds to wait; 0 is none; None is until something changes."""
        if self._waiting[0] is not ticket or self._under_way >= max(1, self.concurrency):
            return None
        now = self.clock()
        while self._recent and self._recent[0].at <= now - _MINUTE:
            self._recent.popleft()
        return max(self._wait_for_requests(now), self._wait_for_tokens(now, tokens))

    def _wait_for_requests(self, now: float) -> float:
        if not self.requests_per_minute or len(self._recent) < self.requests_per_minute:
            return 0
        return self._recent[-self.requests_per_minute].at + _MINUTE - now

    def _wait_for_tokens(self, now: float, tokens: int) -> float:
        """Until enough of the last minute's calls have left it."""
        if not self.tokens_per_minute:
            return 0
        used = sum(call.tokens for call in self._recent)
        wait = 0.0
        for call in self._recent:
            if used + tokens <= self.tokens_per_minute:
                break
            used -= call.tokens
            wait = call.at + _MINUTE - now
        return wait


class LimitedModel:
    """Ask within the quota of a provider; others wait in line, no longer than the run lasts."""

    def __init__(self, inner: Model, quota: Quota) -> None:
        self.name = inner.name
        self.facts = facts_of(inner)
        self._inner = inner
        self._quota = quota

    def complete(self, messages: Sequence[Message], options: CallOptions) -> Completion:
        """Wait for a place, then ask.

        Raises:
            ModelUnavailable: the deadline came first.
        """
        tokens = estimate_prompt_tokens(messages) + (options.max_tokens or _USUAL_ANSWER)
        call = self._quota.enter(tokens, options.deadline)
        if call is None:
            raise ModelUnavailable(f"no time was left to ask {self.name}: other calls to it were still under way")
        used: int | None = None
        try:
            completion = self._inner.complete(messages, options)
            used = completion.usage.total_tokens
            return completion
        finally:
            self._quota.leave(call, used)
