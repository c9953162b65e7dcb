"""What is done with a conversation that grows: it is kept whole, trimmed to a number of tokens, or summed up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, Literal, TypeAlias

import msgspec

from rlm_search.errors import ConfigError, ContextTooLong
from rlm_search.history import History, cut
from rlm_search.types import Message

HistoryMode: TypeAlias = Literal["full", "trim", "compact"]

_SHARE = 0.75
"""Of the model's window, what the conversation may fill where nobody has said: its answer needs room, too."""
_UNKNOWN_WINDOW_TOKENS = 80_000
_LAST_MESSAGES = 2
"""Of the conversation that stay as they are: the last code, and what came of it."""
_MESSAGE_CHARACTERS = 6_000
"""Of one message that the model is shown when it sums up."""
_NOTES_CHARACTERS = 4_000
_LEAST_TOKENS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryPolicy:
    """How a run keeps its conversation.

    Attributes:
        mode: `full` keeps all of it, and shortens old output only where the model's window is known and nearly full,
            or where the model says that it does not fit; `trim` leaves out the oldest turns; `compact` has the model
            sum them up. The system prompt, the question and the last turn stay in any case.
        tokens: that the conversation may have, as estimated; 0 is three quarters of the model's window, or 80,000
            where that is not known.
    """

    mode: HistoryMode = "full"
    tokens: int = 0

    def __post_init__(self) -> None:
        if 0 < self.tokens < _LEAST_TOKENS:
            raise ConfigError(f"a conversation of {self.tokens} tokens is none", hint=f"at least {_LEAST_TOKENS}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortened:
    """What was done: how many messages stand for how many fewer tokens."""

    mode: HistoryMode
    messages: int
    tokens_before: int
    tokens_after: int
    summary: str = ""


@dataclass(frozen=True, slots=True)
class HistoryKeeper:
    """Keeps the conversation of one run as its policy says.

    Args:
        policy: how.
        window: tokens that the model reads; 0 where unknown.
        ask: puts a conversation to the model and returns what it says; paid and traced as its other calls.
        kept: what must outlast the old turns: the notes of the model, and what variables there are.
    """

    policy: HistoryPolicy
    window: int
    ask: Callable[[Sequence[Message]], str]
    kept: Callable[[], tuple[Any, str]]

    def fit(self, history: History) -> Shortened | None:
        """Make room where the conversation has grown too long; None where it has not."""
        before = history.tokens()
        if before <= self._most():
            return None
        if self.policy.mode == "full":
            while history.tokens() > self._most() and history.shorten():
                pass
            return self._done(history, before, 0) if history.tokens() < before else None
        if self.policy.mode == "compact":
            old = history.middle(_LAST_MESSAGES)
            summary = self._summary(history, old) if old else ""
            if summary:
                history.fold(len(old), summary, self._told("Your earlier turns were summed up as above."))
                return self._done(history, before, len(old), summary)
        return self._trimmed(history, before)

    def _most(self) -> float:
        if self.policy.tokens and self.policy.mode != "full":
            return self.policy.tokens
        if self.policy.mode == "full":
            return self.window * 0.95 if self.window else float("inf")
        return self.window * _SHARE if self.window else _UNKNOWN_WINDOW_TOKENS

    def _trimmed(self, history: History, before: int) -> Shortened | None:
        """Leave out the oldest turns, two messages at a time, until the rest fits."""
        left_out = "(My earlier turns were left out here to save room.)"
        told = self._told("Earlier turns were left out.")
        room = self._most()
        old = history.middle(_LAST_MESSAGES)
        number = 0
        while number < len(old) and history.tokens_without(number, left_out, told) > room:
            number += 2
        if number == 0:
            return None
        history.fold(min(number, len(old)), left_out, told)
        return self._done(history, before, number) if history.tokens() < before else None

    def _summary(self, history: History, old: Sequence[Message]) -> str:
        """What the model makes of its old turns; "" where they do not even fit for that."""
        instructions = resources.files("rlm_search.prompts").joinpath("compact.md").read_text("utf-8")
        limit = _MESSAGE_CHARACTERS
        while limit >= 200:
            turns = "\n\n".join(f"<{m.role}>\n{cut(m.content, limit)}\n</{m.role}>" for m in old)
            question = f"The question:\n{history.question}\n\nThe work so far:\n{turns}"
            try:
                return self.ask([Message("system", instructions), Message("user", question)]).strip()
            except ContextTooLong:
                limit //= 4
        return ""

    def _told(self, what: str) -> str:
        """What takes the place of what the model was told: the notes it made, and what is still there."""
        notes, variables = self.kept()
        parts = [f"{what} The session goes on: its variables are still there."]
        if notes:
            text = notes if isinstance(notes, str) else msgspec.json.encode(notes).decode()
            parts.append(f"Your notes:\n{cut(text, _NOTES_CHARACTERS)}")
        return "\n\n".join([*parts, cut(variables, _NOTES_CHARACTERS)])

    def _done(self, history: History, before: int, messages: int, summary: str = "") -> Shortened:
        return Shortened(
            mode=self.policy.mode,
            messages=messages,
            tokens_before=before,
            tokens_after=history.tokens(),
            summary=summary,
        )
