"""How a completion looks in each protocol that the test server speaks: as one object, and as the events of a stream."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

INPUT, CACHED, OUTPUT = 11, 4, 7
"""What every answer says that it has used: 11 tokens of input, 4 of them cached where `Say.cached`, 7 of output."""


@dataclass(frozen=True, kw_only=True)
class Say:
    """A completion. `pieces` is how a stream is cut, `pause` the seconds before each piece, `cut` breaks it off.

    `fails` is an error in the middle of the stream, `cached` says that a part of the prompt came from the provider's
    cache, `cost` that the call has cost so much.
    """

    text: str = ""
    pieces: Sequence[str] | None = None
    pause: float = 0.0
    cut: bool = False
    fails: Mapping[str, Any] | None = None
    usage: bool = True
    finish_reason: str = "stop"
    tool_call: Mapping[str, Any] | None = None
    cached: bool = False
    cost: float | None = None

    @property
    def parts(self) -> Sequence[str]:
        return self.pieces if self.pieces is not None else [self.text[i : i + 5] for i in range(0, len(self.text), 5)]


Piece = tuple[str, dict[str, Any] | str, bool]
"""The name of an event, its data, and whether the pause comes before it."""


class Voice(Protocol):
    def whole(self, say: Say, body: Mapping[str, Any]) -> dict[str, Any]: ...

    def events(self, say: Say, body: Mapping[str, Any]) -> Iterator[Piece]: ...


class Chat:
    def whole(self, say: Say, body: Mapping[str, Any]) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": say.text}
        if say.tool_call is not None:
            message["tool_calls"] = [{"id": "t1", "type": "function", "function": say.tool_call}]
        whole: dict[str, Any] = {
            "id": "c1",
            "object": "chat.completion",
            "created": 1,
            "model": body.get("model"),
            "choices": [{"index": 0, "message": message, "finish_reason": say.finish_reason}],
        }
        return {**whole, "usage": self._usage(say)} if say.usage else whole

    def events(self, say: Say, body: Mapping[str, Any]) -> Iterator[Piece]:
        for part in say.parts:
            yield "", {"choices": [{"index": 0, "delta": {"content": part}}]}, True
        if say.fails is not None:
            yield "", {"error": say.fails}, False
        if say.cut or say.fails is not None:
            return
        if say.tool_call is not None:
            calls = [{"index": 0, "function": part} for part in _halves(say.tool_call)]
            for call in calls:
                yield "", {"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}, False
        yield "", {"choices": [{"index": 0, "delta": {}, "finish_reason": say.finish_reason}]}, False
        if say.usage and (body.get("stream_options") or {}).get("include_usage"):
            yield "", {"choices": [], "usage": self._usage(say)}, False
        yield "", "[DONE]", False

    def _usage(self, say: Say) -> dict[str, Any]:
        usage: dict[str, Any] = {
            "prompt_tokens": INPUT, "completion_tokens": OUTPUT, "total_tokens": INPUT + OUTPUT,
        }  # fmt: skip
        if say.cached:
            usage["prompt_tokens_details"] = {"cached_tokens": CACHED}
        return usage if say.cost is None else {**usage, "cost": say.cost}


class Responses:
    def whole(self, say: Say, body: Mapping[str, Any]) -> dict[str, Any]:
        output: list[dict[str, Any]] = [{"type": "reasoning", "summary": []}]
        if say.text:
            output.append({"type": "message", "content": [{"type": "output_text", "text": say.text}]})
        if say.tool_call is not None:
            output.append({"type": "function_call", **say.tool_call})
        is_cut = say.finish_reason == "length"
        whole: dict[str, Any] = {
            "object": "response",
            "model": body.get("model"),
            "status": "incomplete" if is_cut else "completed",
            "incomplete_details": {"reason": "max_output_tokens"} if is_cut else None,
            "error": None,
            "output": output,
        }
        if say.usage:
            details = {"cached_tokens": CACHED if say.cached else 0}
            whole["usage"] = {"input_tokens": INPUT, "input_tokens_details": details, "output_tokens": OUTPUT}
        return whole

    def events(self, say: Say, body: Mapping[str, Any]) -> Iterator[Piece]:
        yield self._event("response.created", response={"status": "in_progress"})
        for part in say.parts:
            name, data, _ = self._event("response.output_text.delta", delta=part)
            yield name, data, True
        if say.fails is not None:
            yield self._event("response.failed", response={"status": "failed", "error": dict(say.fails)})
        if say.cut or say.fails is not None:
            return
        if say.tool_call is not None:
            yield self._event("response.function_call_arguments.delta", delta=say.tool_call["arguments"])
            item = {"type": "function_call", **say.tool_call}
            yield self._event("response.output_item.done", output_index=1, item=item)
        whole = self.whole(say, body)
        yield self._event(f"response.{whole['status']}", response=whole)

    def _event(self, kind: str, **data: Any) -> Piece:
        return kind, {"type": kind, **data}, False


class Messages:
    _REASONS: Mapping[str, str] = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}

    def whole(self, say: Say, body: Mapping[str, Any]) -> dict[str, Any]:
        content: list[dict[str, Any]] = [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": say.text}]
        if say.tool_call is not None:
            content.append(
                {"type": "tool_use", "name": say.tool_call["name"], "input": json.loads(say.tool_call["arguments"])}
            )
        whole = {
            "type": "message",
            "model": body.get("model"),
            "content": content,
            "stop_reason": self._REASONS.get(say.finish_reason, say.finish_reason),
        }
        return {**whole, "usage": {**self._input(say), "output_tokens": OUTPUT}} if say.usage else whole

    def events(self, say: Say, body: Mapping[str, Any]) -> Iterator[Piece]:
        usage = {**self._input(say), "output_tokens": 1} if say.usage else {}
        yield self._event("message_start", message={"model": body.get("model"), "content": [], "usage": usage})
        yield self._event("ping")
        yield self._event("content_block_start", index=0, content_block={"type": "thinking", "thinking": ""})
        yield self._event("content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": "hm"})
        yield self._event("content_block_start", index=1, content_block={"type": "text", "text": ""})
        for part in say.parts:
            delta = {"type": "text_delta", "text": part}
            name, data, _ = self._event("content_block_delta", index=1, delta=delta)
            yield name, data, True
        if say.fails is not None:
            yield self._event("error", error=dict(say.fails))
        if say.cut or say.fails is not None:
            return
        if say.tool_call is not None:
            block = {"type": "tool_use", "id": "t1", "name": say.tool_call["name"], "input": {}}
            yield self._event("content_block_start", index=2, content_block=block)
            for half in _halves(say.tool_call):
                delta = {"type": "input_json_delta", "partial_json": half["arguments"]}
                yield self._event("content_block_delta", index=2, delta=delta)
        ended = {"stop_reason": self._REASONS.get(say.finish_reason, say.finish_reason)}
        yield self._event("message_delta", delta=ended, usage={"output_tokens": OUTPUT} if say.usage else {})
        yield self._event("message_stop")

    def _input(self, say: Say) -> dict[str, int]:
        cached = CACHED if say.cached else 0
        return {
            "input_tokens": INPUT - cached, "cache_read_input_tokens": cached, "cache_creation_input_tokens": 0,
        }  # fmt: skip

    def _event(self, kind: str, **data: Any) -> Piece:
        return kind, {"type": kind, **data}, False


VOICES: Mapping[str, Voice] = {"/chat/completions": Chat(), "/responses": Responses(), "/messages": Messages()}


def voice_of(path: str) -> Voice | None:
    """The protocol that is spoken at a path."""
    path = path.partition("?")[0]
    return next((voice for end, voice in VOICES.items() if path.endswith(end)), None)


def _halves(call: Mapping[str, Any]) -> list[dict[str, str]]:
    """A call of a tool as a stream brings it: its name once, its arguments in two pieces."""
    arguments = str(call["arguments"])
    middle = len(arguments) // 2
    return [{"name": str(call["name"]), "arguments": arguments[:middle]}, {"arguments": arguments[middle:]}]
