"""Try an HTTP call again where that may help: overload, server trouble, a broken connection."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from retrievers.errors import EngineUnavailable

_RETRIED = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_FIRST_WAIT_SECONDS = 0.5
_LONGEST_WAIT_SECONDS = 30.0
_REASON_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server answered: its status, its body (free of secrets), and its `Retry-After` header."""

    status: int
    body: bytes
    retry_after: str = ""

    def json(self) -> Any:
        """The body as JSON.

        Raises:
            ValueError: it is none.
        """
        return json.loads(self.body)

    def reason(self) -> str:
        """What the server said was wrong, on one line."""
        return " ".join(self._message().split())[:_REASON_CHARACTERS] or "no reason given"

    def _message(self) -> str:
        plain = self.body.decode("utf-8", "replace")
        try:
            answer = json.loads(plain)
        except ValueError:
            return plain
        error = answer.get("error", answer) if isinstance(answer, dict) else answer
        message = error.get("message", error) if isinstance(error, dict) else error
        return message if isinstance(message, str) else plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrying:
    """Calls again after overload, server trouble and broken connections, with full jitter (Brooker 2015).

    A `Retry-After` is honoured up to half a minute: a server that asks for more is given up on at once.
    """

    attempts: int
    sleep: Callable[[float], None]

    def call(self, send: Callable[[], Reply], url: str) -> Reply:
        """The first reply that is not worth another attempt.

        Raises:
            EngineUnavailable: there was none.
        """
        attempt = 1
        while True:
            wait = random.uniform(0, min(_LONGEST_WAIT_SECONDS, _FIRST_WAIT_SECONDS * 2**attempt))  # noqa: S311  # no secret
            try:
                reply = send()
            except EngineUnavailable:
                if attempt >= self.attempts:
                    raise
            else:
                if reply.status not in _RETRIED:
                    return reply
                wait = max(wait, _seconds(reply.retry_after))
                if attempt >= self.attempts or wait > _LONGEST_WAIT_SECONDS:
                    raise EngineUnavailable(
                        f"{url} is not available (HTTP {reply.status}, attempts: {attempt}): {reply.reason()}",
                        hint="try again later: nothing that was done is lost",
                    )
            self.sleep(wait)
            attempt += 1


def _seconds(retry_after: str) -> float:
    """A `Retry-After` header in seconds from now; it may be a number or a date (RFC 9110, 10.2.3)."""
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(retry_after) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return 0.0
