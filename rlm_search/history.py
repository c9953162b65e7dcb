"""The conversation with the root model: what it said, what it was told, and how it is kept within a window."""

from __future__ import annotations

from rlm_search.framing import framed
from rlm_search.models.tokens import estimate_prompt_tokens
from rlm_search.types import Execution, Message

OUTPUT_CHARACTERS = 8_000
"""Of a cell's output that the model is shown; the whole of it stays in the trace."""
_KEPT_WHEN_SHORTENED = 400


_FIRST = 2
"""The system prompt and the question, which are never shortened."""


class History:
    """The messages of a run. The system prompt and the question are never shortened."""

    def __init__(self, system: str, question: str) -> None:
        self._messages = [Message("system", system), Message("user", question)]

    def messages(self) -> tuple[Message, ...]:
        """All of it, to be sent."""
        return tuple(self._messages)

    def said(self, text: str) -> None:
        """The model's reply."""
        self._messages.append(Message("assistant", text or "(empty reply)"))

    def told(self, text: str) -> None:
        """What the model is told; all of it between two replies is one message, since some models want turns."""
        if self._messages[-1].role == "user":
            text = f"{self._messages.pop().content}\n\n{text}"
        self._messages.append(Message("user", text))

    @property
    def question(self) -> str:
        """What the run is to answer."""
        return self._messages[1].content

    def tokens(self) -> int:
        """About how many tokens it has."""
        return estimate_prompt_tokens(self._messages)

    def middle(self, last: int) -> tuple[Message, ...]:
        """What stands between the question and the last messages."""
        return tuple(self._messages[_FIRST:-last])

    def fold(self, number: int, said: str, told: str) -> None:
        """Put two messages in the place of the first ones after the question: what was said, and what was told."""
        self._messages[_FIRST : _FIRST + number] = [Message("assistant", said), Message("user", told)]

    def tokens_without(self, number: int, said: str, told: str) -> int:
        """About how many tokens it would have, folded so."""
        rest = [*self._messages[:_FIRST], *self._messages[_FIRST + number :]]
        return estimate_prompt_tokens(rest + ([Message("assistant", said), Message("user", told)] if number else []))

    def shorten(self) -> bool:
        """Cut the longest old message, the last two left whole; False where there is nothing to cut any more."""
        old = range(_FIRST, len(self._messages) - 2)
        longest = max(old, key=lambda n: len(self._messages[n].content), default=None)
        if longest is None or len(self._messages[longest].content) <= 2 * _KEPT_WHEN_SHORTENED:
            return False
        for number in old:
            message = self._messages[number]
            if 2 * len(message.content) > len(self._messages[longest].content) or number == longest:
                self._messages[number] = Message(message.role, cut(message.content, _KEPT_WHEN_SHORTENED))
        return True


def observed(execution: Execution, limit: int = OUTPUT_CHARACTERS) -> str:
    """What the model is shown of a cell: its output in a frame that text in it cannot close, and its error."""
    output = cut(execution.stdout, limit, execution.stdout_length)
    parts = [framed("output", output.rstrip())] if output.strip() else []
    if execution.error:
        parts.append(framed("error", cut(execution.error, limit)))
    return "\n".join(parts) or "<output></output> (nothing was printed; print what you want to see)"


def cut(text: str, limit: int, length: int = 0) -> str:
    """Head and tail of a text, and between them how much there is in all."""
    length = max(length, len(text))
    if len(text) <= limit:
        return text
    head, tail = text[: limit * 2 // 3], text[len(text) - limit // 3 :]
    left_out = length - len(head) - len(tail)
    gap = f"[… {left_out:,} of {length:,} characters are not shown; keep it in a variable and print slices …]"
    return f"{head}\n{gap}\n{tail}"
