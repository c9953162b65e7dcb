"""OpenAI's responses API, the only one that some models answer at."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rlm_search.models.dialects import TOOL_DESCRIPTION, TOOL_PARAMETERS, Ask, error_body, plain
from rlm_search.models.replies import PYTHON_TOOL, Nonsense, Reply, ServerError, refuse_nonsense, whole_number

_ENDS = ("response.completed", "response.incomplete", "response.failed")


class Responses:
    """`POST /responses`, nothing of which is kept by the server. Stop sequences hold here: it has none."""

    api = "responses"
    fallbacks: Mapping[str, str] = {"temperature": "", "store": "", "tools": "", "max_output_tokens": ""}

    def request(self, ask: Ask) -> dict[str, Any]:
        """The body of the request."""
        return {
            "model": ask.model,
            "instructions": ask.system or None,
            "input": plain(ask.turns),
            "max_output_tokens": ask.max_tokens,
            "temperature": ask.temperature,
            "stream": True if ask.stream else None,
            "store": False,
            "tools": [_TOOL] if ask.with_tool else None,
        }

    def take(self, reply: Reply, data: bytes) -> str:
        """One event of a stream."""
        event = _object(data)
        kind = event.get("type")
        if kind in ("response.output_text.delta", "response.refusal.delta"):
            return reply.say(str(event.get("delta", "")))
        if kind == "response.output_item.done":
            _add_call(reply, event.get("item"), int(event.get("output_index") or 0))
        elif kind == "error":
            raise ServerError(error_body(event.get("error") or event))
        elif kind in _ENDS:
            _end(reply, event.get("response") or {})
            reply.is_over = True
        return ""

    def whole(self, body: bytes) -> Reply:
        """An answer as one object."""
        response = _object(body)
        if not isinstance(response.get("output"), list):
            raise Nonsense("an answer without a choice")
        reply = Reply()
        for index, item in enumerate(response["output"]):
            _add_text(reply, item)
            _add_call(reply, item, index)
        _end(reply, response)
        return reply


_TOOL = {"type": "function", "name": PYTHON_TOOL, "description": TOOL_DESCRIPTION, "parameters": TOOL_PARAMETERS}


def _object(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except ValueError:
        refuse_nonsense(data)
        raise
    if not isinstance(found, dict):
        raise Nonsense("something that is no completion")
    if found.get("error") and "output" not in found and found.get("type") != "error":
        raise ServerError(data)
    return found


def _add_text(reply: Reply, item: Any) -> None:
    if isinstance(item, dict) and item.get("type") == "message":
        for part in item.get("content") or ():
            reply.say(str(part.get("text") or part.get("refusal") or ""))


def _add_call(reply: Reply, item: Any, index: int) -> None:
    if isinstance(item, dict) and item.get("type") == "function_call":
        reply.call(index, str(item.get("name") or ""), str(item.get("arguments") or ""))


def _end(reply: Reply, response: Mapping[str, Any]) -> None:
    """Take in how it ended, and the counts."""
    if response.get("status") == "failed" or response.get("error"):
        raise ServerError(error_body(response.get("error") or {"message": "the response failed"}))
    reply.has_begun = True
    reason = (response.get("incomplete_details") or {}).get("reason") or ""
    reply.finish_reason = {"": "stop", "max_output_tokens": "length"}.get(reason, reason)
    reply.model = str(response.get("model") or "")
    usage = response.get("usage") or {}
    reply.input_tokens = whole_number(usage.get("input_tokens"))
    reply.output_tokens = whole_number(usage.get("output_tokens"))
    reply.cached_tokens = whole_number((usage.get("input_tokens_details") or {}).get("cached_tokens")) or 0
