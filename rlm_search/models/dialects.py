"""What a protocol is to the HTTP layer, and what is the same in all of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from rlm_search.models.facts import ModelFacts
from rlm_search.models.replies import Reply
from rlm_search.types import Message

TOOL_DESCRIPTION = (
    "Run Python code in the session; it returns what was printed. The functions of the instructions exist there, and "
    "variables last."
)
TOOL_PARAMETERS = {
    "type": "object",
    "properties": {"code": {"type": "string", "description": "the code to run"}},
    "required": ["code"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request, as every protocol says it in its own way.

    Attributes:
        messages: in turns; no two of a role follow each other.
        max_tokens: None leaves it to the server.
        with_tool: offer the python tool.
    """

    model: str
    messages: Sequence[Message]
    facts: ModelFacts
    max_tokens: int | None = None
    max_tokens_name: str = "max_tokens"
    temperature: float | None = None
    stop: tuple[str, ...] = ()
    stream: bool = True
    with_tool: bool = False

    @property
    def system(self) -> str:
        """The system message, or ""."""
        return self.messages[0].content if self.messages and self.messages[0].role == "system" else ""

    @property
    def turns(self) -> Sequence[Message]:
        """The messages after it."""
        return self.messages[1:] if self.system else self.messages


class Dialect(Protocol):
    """How one protocol asks and answers."""

    @property
    def api(self) -> str:
        """The name of the protocol; a provider's `paths` says where it is served."""
        ...

    @property
    def fallbacks(self) -> Mapping[str, str]:
        """What to send in place of a parameter that is not taken; "" is nothing."""
        ...

    def request(self, ask: Ask) -> dict[str, Any]:
        """The body of the request; values that are None are left out."""
        ...

    def take(self, reply: Reply, data: bytes) -> str:
        """Read one event of a stream into the reply; what it adds to the text is returned.

        Raises:
            Nonsense: it is none.
            ServerError: it is an error.
        """
        ...

    def whole(self, body: bytes) -> Reply:
        """Read an answer that came in one piece. Raises as `take` does."""
        ...


def in_turns(messages: Sequence[Message], *, takes_system: bool = True) -> list[Message]:
    """Messages of one role that follow each other as one; strict chat templates want turns.

    System messages become one, at the beginning, or a part of the user's first where there can be none.
    """
    system = "\n\n".join(message.content for message in messages if message.role == "system")
    turns: list[Message] = []
    rest = [message for message in messages if message.role != "system"]
    if system and not takes_system:
        rest.insert(0, Message("user", system))
    for message in rest:
        if turns and turns[-1].role == message.role:
            turns[-1] = Message(message.role, f"{turns[-1].content}\n\n{message.content}")
        else:
            turns.append(message)
    return [Message("system", system), *turns] if system and takes_system else turns


def plain(messages: Sequence[Message]) -> list[dict[str, str]]:
    """Messages as role and content."""
    return [{"role": message.role, "content": message.content} for message in messages]


def error_body(error: object) -> bytes:
    """An error that stood inside of an answer, for whoever reads errors."""
    return json.dumps({"error": error}).encode()
