"""OpenAI's chat completions, which most servers speak."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from rlm_search.models.dialects import TOOL_DESCRIPTION, TOOL_PARAMETERS, Ask, plain
from rlm_search.models.replies import PYTHON_TOOL, Nonsense, Reply, ServerError, refuse_nonsense

_MOST_STOPS = 4
"""More stop sequences in a request are refused; all are applied to the answer here."""


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | dict[str, Any] | None = None


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


class _Details(msgspec.Struct):
    cached_tokens: int | None = None


class _Counts(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _Details | None = None
    prompt_cache_hit_tokens: int | None = None  # DeepSeek
    cost: float | None = None  # OpenRouter


class _Payload(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: _Counts | None = None
    model: str | None = None
    error: Any = None


_decoder = msgspec.json.Decoder(_Payload, strict=False)


class ChatCompletions:
    """`POST /chat/completions`."""

    api = "chat"
    fallbacks: Mapping[str, str] = {
        "max_completion_tokens": "max_tokens",
        "max_tokens": "max_completion_tokens",
        "temperature": "",
        "stop": "",
        "stream_options": "",
        "tools": "",
    }

    def request(self, ask: Ask) -> dict[str, Any]:
        """The body of the request."""
        return {
            "model": ask.model,
            "messages": plain(ask.messages),
            ask.max_tokens_name: ask.max_tokens,
            "temperature": ask.temperature,
            "stop": list(ask.stop[:_MOST_STOPS]) or None,
            "stream": True if ask.stream else None,
            "stream_options": {"include_usage": True} if ask.stream else None,
            "tools": [_TOOL] if ask.with_tool else None,
        }

    def take(self, reply: Reply, data: bytes) -> str:
        """One object of a stream."""
        if data == b"[DONE]":
            reply.finish_reason = reply.finish_reason or "stop"
            reply.is_over = True
            return ""
        return _add(reply, _payload(data))

    def whole(self, body: bytes) -> Reply:
        """An answer as one object."""
        payload = _payload(body)
        if not payload.choices:
            raise Nonsense("an answer without a choice")
        reply = Reply()
        _add(reply, payload)
        return reply


_TOOL = {
    "type": "function",
    "function": {"name": PYTHON_TOOL, "description": TOOL_DESCRIPTION, "parameters": TOOL_PARAMETERS},
}


def _payload(data: bytes) -> _Payload:
    try:
        payload = _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        refuse_nonsense(data)
        raise
    if payload.error:
        raise ServerError(data)
    return payload


def _add(reply: Reply, payload: _Payload) -> str:
    reply.model = payload.model or reply.model
    if payload.usage is not None:
        _count(reply, payload.usage)
    piece = ""
    for choice in (payload.choices or ())[:1]:
        reply.has_begun = True
        reply.finish_reason = choice.finish_reason or reply.finish_reason
        content = choice.message or choice.delta
        if content is not None:
            piece = reply.say(_text_of(content))
            for number, call in enumerate(content.tool_calls or ()):
                _call(reply, call.index or (number if choice.message else 0), call.function)
    return piece


def _call(reply: Reply, index: int, function: _Function | None) -> None:
    if function is not None:
        arguments = function.arguments
        if isinstance(arguments, dict):  # Ollama's own form
            arguments = msgspec.json.encode(arguments).decode()
        reply.call(index, function.name or "", arguments or "")


def _count(reply: Reply, counts: _Counts) -> None:
    reply.input_tokens = counts.prompt_tokens
    reply.output_tokens = counts.completion_tokens
    details = counts.prompt_tokens_details
    reply.cached_tokens = (details.cached_tokens if details else None) or counts.prompt_cache_hit_tokens or 0
    reply.cost_usd = counts.cost if counts.cost is not None else reply.cost_usd


def _text_of(content: _Content) -> str:
    if isinstance(content.content, list):
        return "".join(str(part.get("text", "")) for part in content.content if part.get("type") == "text")
    return content.content or content.refusal or ""
