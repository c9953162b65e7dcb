"""How long one completion may still take, by four clocks: connecting, the first piece, between pieces, in all."""

from __future__ import annotations

import time
from dataclasses import dataclass

import httpx

from rlm_search.models.settings import ModelSettings
from rlm_search.models.watchdog import Watchdog
from rlm_search.types import CallOptions


@dataclass(slots=True)
class CallClock:
    """The time of one completion, its repeated requests included."""

    settings: ModelSettings
    ends: float
    watchdog: Watchdog | None = None
    has_begun: bool = False

    @classmethod
    def start(cls, settings: ModelSettings, options: CallOptions) -> CallClock:
        """From now on."""
        ends = time.monotonic() + settings.total_seconds
        return cls(settings, ends if options.deadline is None else min(ends, options.deadline))

    @property
    def expired(self) -> bool:
        """Whether time is what ended the reading."""
        return self.watchdog is not None and self.watchdog.expired

    def left(self) -> float:
        """Seconds until the end of all."""
        return max(0.001, self.ends - time.monotonic())  # httpx takes 0 for "do not wait at all"

    def until_next(self, piece: str) -> float:
        """After this piece; models that think first send empty ones, and then nothing for long."""
        self.has_begun = self.has_begun or bool(piece)
        return min(self.settings.token_seconds, self.left()) if self.has_begun else self.until_first_token(True)

    def until_first_token(self, streamed: bool) -> float:
        """From the request to the first piece; an answer that comes whole has all the time."""
        return min(self.settings.first_token_seconds, self.left()) if streamed else self.left()

    def timeouts(self, streamed: bool) -> httpx.Timeout:
        """As httpx takes them."""
        connect = min(self.settings.connect_seconds, self.left())
        return httpx.Timeout(self.until_first_token(streamed), connect=connect, pool=self.left())

    def watching(self, answer: httpx.Response, streamed: bool) -> Watchdog:
        """What ends the reading of an answer in time."""
        connection = answer.extensions["network_stream"].get_extra_info("socket")
        self.watchdog = Watchdog(connection, self.until_first_token(streamed))
        return self.watchdog
