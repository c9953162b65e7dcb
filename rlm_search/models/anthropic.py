"""Anthropic's messages API, with its cache of prompts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rlm_search.models.dialects import TOOL_DESCRIPTION, TOOL_PARAMETERS, Ask, error_body
from rlm_search.models.replies import PYTHON_TOOL, Nonsense, Reply, ServerError, refuse_nonsense, whole_number
from rlm_search.types import Message

_MAX_TOKENS = 16_384
"""It must be told a limit; this one is sent where none was given, or the most that the model writes if less."""
_CACHED = {"type": "ephemeral"}
_CACHED_TURNS = 2
_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
}
"""Theirs to those of the chat completions; others are kept as they are."""


class Messages:
    """`POST /messages`.

    The system prompt, the tool and the conversation up to the last two turns of the user are marked to be cached, so
    that each step of a run pays in full for what is new only. Prompts too short to be cached are not, at no cost.
    """

    api = "messages"
    fallbacks: Mapping[str, str] = {"temperature": "", "stop_sequences": "", "tools": ""}

    def request(self, ask: Ask) -> dict[str, Any]:
        """The body of the request."""
        limit = ask.max_tokens or min(_MAX_TOKENS, ask.facts.max_output or _MAX_TOKENS)
        stop = [sequence for sequence in ask.stop if sequence.strip()]  # others are refused; they hold here
        return {
            "model": ask.model,
            "system": [_block(ask.system, is_cached=True)] if ask.system else None,
            "messages": _turns(ask.turns),
            "max_tokens": limit,
            "temperature": ask.temperature,
            "stop_sequences": stop or None,
            "stream": True if ask.stream else None,
            "tools": [_TOOL] if ask.with_tool else None,
        }

    def take(self, reply: Reply, data: bytes) -> str:
        """One event of a stream."""
        event = _object(data)
        match event.get("type"):
            case "message_start":
                message = event.get("message") or {}
                reply.model = str(message.get("model") or "")
                _count(reply, message.get("usage") or {})
            case "content_block_start":
                return _add(reply, event.get("content_block") or {}, _index(event), is_whole=False)
            case "content_block_delta":
                return _piece(reply, event.get("delta") or {}, _index(event))
            case "message_delta":
                _end(reply, event.get("delta") or {})
                _count(reply, event.get("usage") or {})
            case "message_stop":
                reply.is_over = True
        return ""

    def whole(self, body: bytes) -> Reply:
        """An answer as one object."""
        message = _object(body)
        if not isinstance(message.get("content"), list):
            raise Nonsense("an answer without a choice")
        reply = Reply(model=str(message.get("model") or ""), has_begun=True)
        for index, block in enumerate(message["content"]):
            _add(reply, block, index, is_whole=True)
        _end(reply, message)
        _count(reply, message.get("usage") or {})
        return reply


_TOOL = {"name": PYTHON_TOOL, "description": TOOL_DESCRIPTION, "input_schema": TOOL_PARAMETERS}


def _object(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except ValueError:
        refuse_nonsense(data)
        raise
    if not isinstance(found, dict):
        raise Nonsense("something that is no completion")
    if found.get("type") == "error" or "error" in found:
        raise ServerError(error_body(found.get("error")))
    return found


def _turns(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """The conversation, which begins with the user, its last turns of the user marked as ends of what is cached."""
    users = [number for number, message in enumerate(messages) if message.role == "user"][-_CACHED_TURNS:]
    turns = [
        {"role": message.role, "content": [_block(message.content, is_cached=number in users)]}
        for number, message in enumerate(messages)
    ]
    if messages and messages[0].role == "assistant":
        turns.insert(0, {"role": "user", "content": [_block("Go on.", is_cached=False)]})
    return turns


def _block(text: str, *, is_cached: bool) -> dict[str, Any]:
    """A block of text; it may not be empty, nor blank at its end."""
    block: dict[str, Any] = {"type": "text", "text": text.rstrip() or "(empty)"}
    return {**block, "cache_control": _CACHED} if is_cached else block


def _index(event: Mapping[str, Any]) -> int:
    return whole_number(event.get("index")) or 0


def _add(reply: Reply, block: Any, index: int, *, is_whole: bool) -> str:
    if not isinstance(block, dict):
        raise Nonsense("something that is no completion")
    reply.has_begun = True
    if block.get("type") == "text":
        return reply.say(str(block.get("text") or ""))
    if block.get("type") == "tool_use":
        arguments = json.dumps(block.get("input") or {}, ensure_ascii=False) if is_whole else ""
        reply.call(index, str(block.get("name") or ""), arguments)
    return ""


def _piece(reply: Reply, delta: Mapping[str, Any], index: int) -> str:
    if delta.get("type") == "text_delta":
        return reply.say(str(delta.get("text") or ""))
    if delta.get("type") == "input_json_delta":
        reply.call(index, "", str(delta.get("partial_json") or ""))
    return ""  # thinking, signatures, citations


def _end(reply: Reply, told: Mapping[str, Any]) -> None:
    reason = str(told.get("stop_reason") or "")
    reply.finish_reason = _REASONS.get(reason, reason) or reply.finish_reason


def _count(reply: Reply, usage: Mapping[str, Any]) -> None:
    """Their `input_tokens` are those that neither came from the cache nor went there; ours are all."""
    plain, output = whole_number(usage.get("input_tokens")), whole_number(usage.get("output_tokens"))
    if plain is not None:
        reply.cached_tokens = whole_number(usage.get("cache_read_input_tokens", reply.cached_tokens)) or 0
        reply.cache_write_tokens = whole_number(usage.get("cache_creation_input_tokens", reply.cache_write_tokens)) or 0
        reply.input_tokens = plain + reply.cached_tokens + reply.cache_write_tokens
    if output is not None:
        reply.output_tokens = output
