"""Ending a run from outside: another thread, a generator that is closed, a task that is cancelled."""

from __future__ import annotations

import threading

from rlm_search.errors import RunCancelled


class Cancellation:
    """Given to a run, ends it where it next looks.

    It looks before a step, at a call of a tool or a model, and at each piece of a streamed reply. A cell that computes
    without calling anything runs to its own end first.
    """

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        """End the run; more than once is once."""
        self._event.set()

    @property
    def is_cancelled(self) -> bool:
        """Whether it has been asked for."""
        return self._event.is_set()

    def check(self) -> None:
        """Go on, or not.

        Raises:
            RunCancelled: it has been asked for.
        """
        if self._event.is_set():
            raise RunCancelled("the run was cancelled")
