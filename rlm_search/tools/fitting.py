"""What fits into one prompt: told with the numbers before anything is sent, and texts cut so that each part does."""

from __future__ import annotations

from collections.abc import Sequence

from rlm_search.framing import framed
from rlm_search.mapping import of_parts, parts_of
from rlm_search.models.facts import facts_of
from rlm_search.models.tokens import estimate_prompt_tokens
from rlm_search.types import Message, Model

_LEAST_ANSWER = 16
"""Tokens that an answer needs at least."""
_UNKNOWN_WINDOW = 16_000
"""Tokens that a model is taken to read of which nothing is known, where a text is to be split for it."""
_CHARACTERS_A_TOKEN = 2
"""Of a part: texts full of figures have that few, and a part must fit for certain. Prose has four."""
_LEAST_PART = 500


def with_text(prompt: str, text: str, part: str = "") -> str:
    """A prompt and the text that it is about, fenced as data."""
    return f"{prompt}\n\n{framed('text', text, part=part)}" if text else prompt


def too_long(model: Model, messages: Sequence[Message], max_tokens: int | None) -> str:
    """Why these messages cannot fit into what a model reads; "" where they may, or where that is not known."""
    window = facts_of(model).window
    tokens = estimate_prompt_tokens(messages)
    if not window or tokens + (max_tokens or _LEAST_ANSWER) <= window:
        return ""
    answer = f", and {max_tokens:,} more are for the answer" if max_tokens else ""
    rest = window - (max_tokens or _LEAST_ANSWER) - estimate_prompt_tokens(messages[:-1])
    return (
        f"the prompt has about {tokens:,} tokens{answer}, and {model.name} reads {window:,}: it was not sent. "
        f"Some {max(rest * 3, 0):,} characters fit; split it"
    )


def cut_to_fit(model: Model, prompt: str, text: str, system: Message, max_tokens: int | None) -> list[str]:
    """The prompt with one part of the text after the other, each of which fits."""
    window = facts_of(model).window or _UNKNOWN_WINDOW
    used = estimate_prompt_tokens([system, Message("user", prompt)]) + (max_tokens or window // 8)
    characters = max((window - used) * _CHARACTERS_A_TOKEN, _LEAST_PART)
    return [with_text(prompt, part, f"{number} of {of}") for number, of, part in parts_of(text, characters)]


def merging(prompt: str, answers: Sequence[str]) -> str:
    """The prompt that makes one answer of those to the parts of one text."""
    return of_parts(prompt, answers)
