"""SIGINT and SIGTERM: a run winds up, a second signal ends the process on the spot. Imports nothing that is slow."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from ingest.controls import visible
from retrievers.interrupts import outside_imports, stop_listening

STOPPED = "stopped; run the same command again to go on"


class Stopped(BaseException):
    """A signal ended the run; everything in hand was written. No `Exception`, so that nothing swallows it."""

    def __init__(self, number: int) -> None:
        super().__init__(STOPPED)
        self.exit_code = 128 + number


class Signals:
    """SIGINT and SIGTERM end the command with `Stopped`: at once, or, within `asking`, when the run has wound up.

    A second signal ends the process on the spot. That is safe: whatever a run leaves undone, the next one takes up.
    """

    def __init__(self) -> None:
        self._received = 0
        self._ask: Callable[[], None] | None = None
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, outside_imports(self._handle))

    @contextmanager
    def asking(self, stop: Callable[[], None]) -> Iterator[None]:
        """The first signal calls `stop`, and `Stopped` is raised when the block has ended."""
        self._ask = stop
        try:
            yield
        finally:
            self._ask = None
        if self._received:
            raise Stopped(self._received)

    def ignore(self) -> None:
        """The command has come to its end: what is left to do is to say so."""
        stop_listening(signal.SIGINT, signal.SIGTERM)

    def _handle(self, number: int, _: FrameType | None) -> None:
        if self._received:
            say(STOPPED)
            os._exit(128 + number)
        self._received = number
        if self._ask is None:
            raise Stopped(number)
        self._ask()


def say(message: str, hint: str = "") -> None:
    """One line on stderr, and one with the way out."""
    line = visible(" ".join(message.split()))
    sys.stderr.write(f"{line}\n{'hint: ' + hint + chr(10) if hint else ''}")
