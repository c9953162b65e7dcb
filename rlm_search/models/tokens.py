"""Token counts where nobody counted: an estimate from the length of the text."""

from __future__ import annotations

from collections.abc import Sequence

from rlm_search.types import Message

_BYTES_PER_TOKEN = 4
"""English prose has 4.0 to 4.5 bytes a token with the usual byte-pair vocabularies, Chinese 3 to 4."""
_PER_MESSAGE = 4
"""What the chat formats put around each message."""


def estimate_tokens(text: str) -> int:
    """About how many tokens a text has; at least 1 for any text, 0 for none."""
    return -(-len(text.encode("utf-8", "replace")) // _BYTES_PER_TOKEN)


def estimate_prompt_tokens(messages: Sequence[Message]) -> int:
    """About how many tokens a conversation has."""
    return sum(estimate_tokens(message.content) + _PER_MESSAGE for message in messages)
