"""Reading what a chat completions server sends: one JSON object, or a stream of server-sent events."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

MAX_CHARACTERS = 16_000_000
"""More than any model writes in one completion: what is longer is no completion."""

_THINKING = re.compile(
    r"\A\s*<think>.*?(?:</think>\s*|\Z)"  # the end is missing where the answer was cut off while thinking
    r"|\A(?:(?!<think>).)*?^[ \t]*</think>[ \t]*$\s*",  # the beginning, where the server put it into the prompt
    re.DOTALL | re.MULTILINE,
)


class Nonsense(Exception):
    """What came is no completion; the message says what it was instead, in a few words."""


class ServerError(Exception):
    """The server reported an error inside of a reply with status 200; `body` holds it."""

    def __init__(self, body: bytes) -> None:
        super().__init__("error in the stream")
        self.body = body


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class _ToolCall(msgspec.Struct):
    index: int = 0
    function: _Function | None = None


class _Content(msgspec.Struct):
    content: str | list[dict[str, Any]] | None = None
    refusal: str | None = None
    tool_calls: list[_ToolCall] | None = None


class _Choice(msgspec.Struct):
    message: _Content | None = None
    delta: _Content | None = None
    finish_reason: str | None = None


class _Counts(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Payload(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: _Counts | None = None
    model: str | None = None
    error: Any = None


_decoder = msgspec.json.Decoder(_Payload, strict=False)


@dataclass(slots=True)
class Reply:
    """A completion as it gathers. `input_tokens` and `output_tokens` are None where the server did not count."""

    model: str = ""
    finish_reason: str = ""
    input_tokens: int | None = None
    output_tokens: int | None = None
    _parts: list[str] = field(default_factory=list)
    _calls: dict[int, list[str]] = field(default_factory=dict)
    _characters: int = 0

    @property
    def text(self) -> str:
        """What the model said, its thinking left out; calls of tools in the form `<tool_call>{…}</tool_call>`."""
        return _THINKING.sub("", "".join(self._parts)) + "".join(_written_out(*call) for call in self._calls.values())

    def add(self, payload: _Payload) -> str:
        """Take in one object of a stream, or the whole; what it adds to the text is returned."""
        self.model = payload.model or self.model
        if payload.usage is not None:
            self.input_tokens = payload.usage.prompt_tokens
            self.output_tokens = payload.usage.completion_tokens
        piece = ""
        for choice in (payload.choices or ())[:1]:
            self.finish_reason = choice.finish_reason or self.finish_reason
            content = choice.message or choice.delta
            if content is not None:
                piece = _text_of(content)
                self._add_calls(content.tool_calls or ())
        if piece:
            self._parts.append(piece)
        self._characters += len(piece)
        if self._characters > MAX_CHARACTERS:
            raise Nonsense("an answer without end")
        return piece

    def ends_with_one_of(self, stop: Sequence[str], piece: str) -> bool:
        """Whether a stop sequence has just come up."""
        if not stop:
            return False
        reach = len(piece) + max(map(len, stop))
        tail = "".join(self._parts[-reach:])[-reach:]  # each part has a character at least
        return any(sequence in tail for sequence in stop)

    def _add_calls(self, calls: Iterable[_ToolCall]) -> None:
        for call in calls:
            parts = self._calls.setdefault(call.index, ["", ""])
            if call.function is not None:
                parts[0] += call.function.name or ""
                parts[1] += call.function.arguments or ""


def read_body(body: bytes) -> Reply:
    """A reply that came as one JSON object.

    Raises:
        Nonsense: it is none.
        ServerError: it is an error.
    """
    payload = _payload(body)
    if not payload.choices:
        raise Nonsense("an answer without a choice")
    reply = Reply()
    reply.add(payload)
    return reply


def read_stream(chunks: Iterable[bytes], *, stop: Sequence[str] = (), on_text: Callable[[str], None]) -> Reply:
    """A reply that comes piece by piece; `on_text` is called with each piece, empty ones too.

    Raises:
        Nonsense: it is none, or it broke off.
        ServerError: it holds an error.
    """
    reply = Reply()
    seen = False
    for data in _events(chunks):
        if data == b"[DONE]":
            reply.finish_reason = reply.finish_reason or "stop"
            break
        payload = _payload(data)
        seen = seen or bool(payload.choices)
        piece = reply.add(payload)
        on_text(piece)
        if piece and reply.ends_with_one_of(stop, piece):
            reply.finish_reason = "stop"
            break
    if not seen:
        raise Nonsense("an answer without a choice")
    if not reply.finish_reason:
        raise Nonsense("an answer that broke off")
    return reply


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


def _payload(data: bytes) -> _Payload:
    if data.lstrip()[:1] == b"<":
        raise Nonsense("a web page")
    try:
        payload = _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise Nonsense("something that is no chat completion" if _is_json(data) else "broken JSON") from None
    if payload.error:
        raise ServerError(data)
    return payload


def _is_json(data: bytes) -> bool:
    try:
        json.loads(data)
    except ValueError:
        return False
    return True


def _text_of(content: _Content) -> str:
    if isinstance(content.content, list):
        return "".join(str(part.get("text", "")) for part in content.content if part.get("type") == "text")
    return content.content or content.refusal or ""


def _written_out(name: str, arguments: str) -> str:
    try:
        decoded = json.loads(arguments or "{}")
    except ValueError:
        decoded = arguments
    return f"\n<tool_call>{json.dumps({'name': name, 'arguments': decoded}, ensure_ascii=False)}</tool_call>"
