"""A cap on the completions that one provider works on at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from rlm_search.errors import ModelUnavailable
from rlm_search.types import CallOptions, Completion, Message, Model


class LimitedModel:
    """Let at most `concurrency` calls through at once; the others wait, no longer than the run lasts."""

    def __init__(self, inner: Model, concurrency: int) -> None:
        self.name = inner.name
        self._inner = inner
        self._slots = threading.BoundedSemaphore(max(1, concurrency))

    def complete(self, messages: Sequence[Message], options: CallOptions) -> Completion:
        """Wait for a free slot, then ask.

        Raises:
            ModelUnavailable: the deadline came first.
        """
        if not self._slots.acquire(timeout=_seconds_until(options.deadline)):
            raise ModelUnavailable(f"no time was left to ask {self.name}: other calls to it were still under way")
        try:
            return self._inner.complete(messages, options)
        finally:
            self._slots.release()


def _seconds_until(deadline: float | None) -> float | None:
    return None if deadline is None else max(0.0, deadline - time.monotonic())
