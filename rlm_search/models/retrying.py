"""Trying again while a model's server is busy or away, within a limit of time."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence

from rlm_search.errors import ModelUnavailable
from rlm_search.models.facts import facts_of
from rlm_search.types import CallOptions, Completion, Message, Model

_FIRST_WAIT = 0.5
_LONGEST_WAIT = 20.0
_DOUBTFUL_SECONDS = 3.0


class RetryingModel:
    """Repeat a call that failed for now, until `seconds` have passed or the run's deadline comes.

    Waits double from half a second up to 20 seconds, each shortened by up to half at random so that parallel calls
    do not come back together. What the server asks for in Retry-After is kept; a wait that would end too late is not
    begun, so that the error comes at once. Where nobody answers, or nonsense comes, three seconds must do until the
    model has answered once: the address may be wrong.
    """

    def __init__(
        self,
        inner: Model,
        seconds: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.name = inner.name
        self.facts = facts_of(inner)
        self._inner = inner
        self._seconds = seconds
        self._clock = clock
        self._sleep = sleep
        self._chance = chance
        self._has_answered = False

    def complete(self, messages: Sequence[Message], options: CallOptions) -> Completion:
        """Ask, and ask again.

        Raises:
            ModelUnavailable: the last failure, when time is up.
        """
        started = self._clock()
        backoff = _FIRST_WAIT
        while True:
            try:
                completion = self._inner.complete(messages, options)
                self._has_answered = True
                return completion
            except ModelUnavailable as error:
                wait = self._wait(backoff, error)
                if self._clock() + wait > self._until(started, options, error):
                    raise
            self._sleep(wait)
            backoff = min(2 * backoff, _LONGEST_WAIT)

    def _until(self, started: float, options: CallOptions, error: ModelUnavailable) -> float:
        brief = error.doubtful and not self._has_answered
        until = started + (min(self._seconds, _DOUBTFUL_SECONDS) if brief else self._seconds)
        return until if options.deadline is None else min(until, options.deadline)

    def _wait(self, backoff: float, error: ModelUnavailable) -> float:
        jittered = backoff * (1 - self._chance() / 2)
        return max(jittered, error.retry_after_seconds or 0.0)
