"""A completion as it gathers from a server's answer, whatever the protocol: text, calls of tools, counts."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

MAX_CHARACTERS = 16_000_000
"""More than any model writes in one completion: what is longer is no completion."""

_THINKING = re.compile(
    r"\A\s*<think>.*?(?:</think>\s*|\Z)"  # the end is missing where the answer was cut off while thinking
    r"|\A(?:(?!<think>).)*?^[ \t]*</think>[ \t]*$\s*",  # the beginning, where the server put it into the prompt
    re.DOTALL | re.MULTILINE,
)
_OPEN_CODE = re.compile(r'\A\s*\{\s*"(?:code|python|source)"\s*:\s*"((?:[^"\\]|\\.)*)', re.DOTALL)
PYTHON_TOOL = "python"
"""The one tool that a model with `native_tools` is offered."""


class Nonsense(Exception):
    """What came is no completion; the message says what it was instead, in a few words."""


class ServerError(Exception):
    """The server reported an error inside of a reply with status 200; `body` holds it."""

    def __init__(self, body: bytes) -> None:
        super().__init__("error in the stream")
        self.body = body


@dataclass(slots=True)
class Reply:
    """What came so far. `input_tokens` and `output_tokens` are None where the server did not count.

    Attributes:
        has_begun: something of a completion has come, and not only words about it.
        is_over: nothing more will come.
        cost_usd: what the server says that it costs; None where it does not.
    """

    model: str = ""
    finish_reason: str = ""
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    cost_usd: float | None = None
    has_begun: bool = False
    is_over: bool = False
    _parts: list[str] = field(default_factory=list)
    _calls: dict[int, list[str]] = field(default_factory=dict)
    _characters: int = 0

    @property
    def text(self) -> str:
        """What the model said, its thinking left out.

        A call of the python tool is a block of code, one of another tool `<tool_call>{…}</tool_call>`.
        """
        is_cut = self.finish_reason == "length"
        calls = (_written_out(*call, is_cut=is_cut) for call in self._calls.values())
        return _THINKING.sub("", "".join(self._parts)) + "".join(calls)

    def say(self, piece: str) -> str:
        """Take in a piece of text; it is returned."""
        self.has_begun = True
        if piece:
            self._parts.append(piece)
        self._characters += len(piece)
        self._stop_if_endless()
        return piece

    def call(self, index: int, name: str, arguments: str) -> None:
        """Take in a call of a tool, or a piece of one."""
        self.has_begun = True
        parts = self._calls.setdefault(index, ["", ""])
        parts[0] += name
        parts[1] += arguments
        self._characters += len(arguments)
        self._stop_if_endless()

    def ends_with_one_of(self, stop: Sequence[str], piece: str) -> bool:
        """Whether a stop sequence has just come up."""
        if not stop:
            return False
        reach = len(piece) + max(map(len, stop))
        tail = "".join(self._parts[-reach:])[-reach:]  # each part has a character at least
        return any(sequence in tail for sequence in stop)

    def _stop_if_endless(self) -> None:
        if self._characters > MAX_CHARACTERS:
            raise Nonsense("an answer without end")


def read_stream(
    chunks: Iterable[bytes],
    take: Callable[[Reply, bytes], str],
    *,
    stop: Sequence[str] = (),
    on_text: Callable[[str], None],
) -> Reply:
    """A reply that comes piece by piece.

    Args:
        chunks: the bytes as they come.
        take: reads the data of one event into the reply, and returns what it adds to the text.
        stop: sequences that end it.
        on_text: is called with each piece, empty ones too.

    Raises:
        Nonsense: it is none, or it broke off.
        ServerError: it holds an error.
    """
    reply = Reply()
    for data in _events(chunks):
        piece = take(reply, data)
        on_text(piece)
        if piece and reply.ends_with_one_of(stop, piece):
            reply.finish_reason = "stop"
            break
        if reply.is_over:
            break
    if not reply.has_begun:
        raise Nonsense("an answer without a choice")
    if not reply.finish_reason:
        raise Nonsense("an answer that broke off")
    return reply


def refuse_nonsense(data: bytes) -> None:
    """Say what it is that cannot be decoded.

    Raises:
        Nonsense: always.
    """
    if data.lstrip()[:1] == b"<":
        raise Nonsense("a web page")
    try:
        json.loads(data)
    except ValueError:
        raise Nonsense("broken JSON") from None
    raise Nonsense("something that is no chat completion")


def whole_number(value: object) -> int | None:
    """A count, where it is one."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _events(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The data of server-sent events, which here is one line each. Other fields and comments are passed over."""
    for line in _lines(chunks):
        if line.startswith(b"data:"):
            yield line[5:].strip()
        elif line[:1] in (b"<", b"{"):
            yield line  # no event stream at all: let the decoder say what it is


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Lines end at LF only: other breaks that Python knows may stand inside of the JSON."""
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from (line.removesuffix(b"\r") for line in lines)
        if len(rest) > MAX_CHARACTERS:
            raise Nonsense("a line without end")
    if rest:
        yield rest


def _written_out(name: str, arguments: str, *, is_cut: bool) -> str:
    decoded = _decoded(arguments)
    if name.rpartition(".")[2] == PYTHON_TOOL:
        code = _code_of(decoded)
        if code is not None:
            return _as_block(code, is_closed=not (is_cut and isinstance(decoded, str)))
    return f"\n<tool_call>{json.dumps({'name': name, 'arguments': decoded}, ensure_ascii=False)}</tool_call>"


def _decoded(arguments: str) -> Any:
    try:
        return json.loads(arguments or "{}")
    except ValueError:
        return arguments


def _code_of(arguments: Any) -> str | None:
    """The code that a call of the python tool holds: its argument, or arguments that are code and no JSON."""
    if isinstance(arguments, dict):
        values = [arguments.get(name) for name in ("code", "python", "source")]
        return next((value for value in values if isinstance(value, str)), None)
    if not isinstance(arguments, str):
        return None
    cut = _OPEN_CODE.match(arguments)  # JSON that was cut off, or that was never closed
    if cut is None:
        return arguments
    try:
        return str(json.loads(f'"{cut[1]}"', strict=False))
    except ValueError:
        return arguments


def _as_block(code: str, *, is_closed: bool) -> str:
    """A fence longer than any in the code; left open where the code was cut off."""
    longest = max((len(run) for run in re.findall(r"`{3,}", code)), default=2)
    fence = "`" * (longest + 1)
    return f"\n{fence}python\n{code.rstrip()}\n" + (f"{fence}\n" if is_closed else "")
