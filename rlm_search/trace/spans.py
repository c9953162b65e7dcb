"""Runs as OpenTelemetry spans, named by the conventions for generative AI (as of 2026-11, still in development).

A run is `invoke_agent`, a call of a model `chat`, a cell and a tool `execute_tool`, a search `retrieval`; what else
happens is an event of the span that it happened in. Attributes of our own begin with `rlm_search.`.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec
from opentelemetry import trace as otel
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, TracerProvider
from opentelemetry.util.types import AttributeValue

from retrievers.redaction import redacted, without_hosts
from rlm_search.trace.events import (
    STAMPS,
    AnyEvent,
    CellFinished,
    CellStarted,
    ModelCalled,
    RunFinished,
    RunStarted,
    Searched,
    ToolCalled,
)

Attributes: TypeAlias = dict[str, AttributeValue | None]

AGENT = "rlm-search"
_PROVIDERS = {
    "azure": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "claude": "anthropic",
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
    "vertexai": "gcp.vertex_ai",
}
"""Ours that the conventions call otherwise."""
_NAMES = {"doc_id", "marker", "markers", "kind", "mode", "verdict"}
"""What other events hold that is no text of questions, documents and models; numbers are none either."""
_FAILED = ("failed", "out_of_budget")


@dataclass(slots=True)
class _Open:
    """A run under way: its span, that of its cell, and what its calls ask."""

    span: Span
    started: RunStarted
    cell: Span | None = None

    @property
    def inner(self) -> Span:
        return self.cell or self.span


class SpanListener:
    """A listener that makes spans of the events of runs; several runs may share it, in whatever threads.

    The span of a run lies below the one that is current where it begins.

    Args:
        provider: makes the tracer; by default the global one.
        content: tell prompts, replies, code, output and queries, too, with what looks like a secret taken out; without
            it no text of a question, a document or a model is in a span.
    """

    def __init__(self, provider: TracerProvider | None = None, *, content: bool = False) -> None:
        self._tracer: Tracer = otel.get_tracer("rlm_search", tracer_provider=provider)
        self._content = content
        self._runs: dict[str, _Open] = {}
        self._lock = threading.Lock()

    def __call__(self, event: AnyEvent) -> None:
        """Take in one event."""
        with self._lock:
            self._take(event)

    def _take(self, event: AnyEvent) -> None:
        if isinstance(event, RunStarted):
            self._begin(event)
            return
        run = self._runs.get(event.run_id)
        if run is None:
            return
        match event:
            case RunFinished():
                self._end(run, event)
            case ModelCalled():
                self._call(run, event)
            case CellStarted():
                attributes = self._told({"gen_ai.tool.call.arguments": event.code})
                run.cell = self._span(run.span, "execute_tool python", event.at, _tool("python", event), attributes)
            case CellFinished():
                self._end_cell(run, event)
            case Searched():
                self._search(run, event)
            case ToolCalled():
                attributes = self._told({"gen_ai.tool.call.arguments": event.arguments})
                name = f"execute_tool {event.function}"
                self._whole(run, name, event, _tool(event.function, event), attributes, event.error and "ToolError")
            case _:
                self._note(run, event)

    def _begin(self, event: RunStarted) -> None:
        parent = self._runs.get(event.parent)
        provider, model = _named(event.model)
        attributes: Attributes = {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.provider.name": provider,
            "gen_ai.agent.name": AGENT,
            "gen_ai.request.model": model,
            "gen_ai.data_source.id": event.retriever or None,
            "rlm_search.run_id": event.run_id,
            "rlm_search.depth": event.depth,
        }
        told = self._told({"gen_ai.input.messages": _messages("user", event.question)})
        span = self._span(parent.inner if parent else None, f"invoke_agent {AGENT}", event.at, attributes, told)
        self._runs[event.run_id] = _Open(span, event)

    def _end(self, run: _Open, event: RunFinished) -> None:
        if run.cell is not None:
            run.cell.end(_nanoseconds(event.at))
        usage = event.answer.get("usage") or {}
        said = self._told({"gen_ai.output.messages": _messages("assistant", event.answer.get("text") or "", "stop")})
        _set(
            run.span,
            {
                "gen_ai.usage.input_tokens": sum(tier.get("input_tokens", 0) for tier in usage.values()),
                "gen_ai.usage.output_tokens": sum(tier.get("output_tokens", 0) for tier in usage.values()),
                "rlm_search.status": event.status,
                "rlm_search.steps": event.answer.get("steps"),
                "rlm_search.citations": len(event.answer.get("citations") or ()),
                "rlm_search.cost_usd": event.answer.get("cost_usd"),
                **said,
            },
        )
        if event.status in _FAILED:
            _fail(run.span, event.status, str(event.answer.get("reason") or "") if self._content else "")
        run.span.end(_nanoseconds(event.at))
        del self._runs[event.run_id]

    def _call(self, run: _Open, event: ModelCalled) -> None:
        asked = run.started.model if event.tier == "root" else run.started.sub_model or run.started.model
        provider, model = _named(asked)
        attributes: Attributes = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": provider,
            "gen_ai.request.model": model,
            "gen_ai.response.model": None if event.error else _named(event.model)[1],
            "gen_ai.response.finish_reasons": None if event.error else (event.finish_reason,),
            "gen_ai.usage.input_tokens": event.input_tokens,
            "gen_ai.usage.output_tokens": event.output_tokens,
            "gen_ai.usage.cache_read.input_tokens": event.cached_tokens or None,
            "rlm_search.tier": event.tier,
            "rlm_search.step": event.step,
            "rlm_search.cost_usd": event.cost_usd,
            "rlm_search.from_cache": event.cached or None,
        }
        told = self._told(
            {
                "gen_ai.input.messages": _messages("user", event.prompt),
                "gen_ai.output.messages": _messages("assistant", event.text, event.finish_reason),
            }
        )
        error = (event.error_type or "_OTHER") if event.error else ""
        self._whole(run, f"chat {model}", event, attributes, told, error, kind=SpanKind.CLIENT)

    def _search(self, run: _Open, event: Searched) -> None:
        source = run.started.retriever or "index"
        attributes: Attributes = {
            "gen_ai.operation.name": "retrieval",
            "gen_ai.data_source.id": source,
            "gen_ai.request.top_k": float(event.top_k) if event.top_k else None,
            "rlm_search.function": event.function,
            "rlm_search.hits": len(event.hits),
            "rlm_search.step": event.step,
        }
        found = [{"id": str(hit.get("doc_id", "")), "score": hit.get("score", 0.0)} for hit in event.hits]
        told = self._told(
            {"gen_ai.retrieval.query.text": event.query, "gen_ai.retrieval.documents": json.dumps(found, default=str)}
        )
        error = "_OTHER" if event.error else ""
        self._whole(run, f"retrieval {source}", event, attributes, told, error, kind=SpanKind.CLIENT)

    def _end_cell(self, run: _Open, event: CellFinished) -> None:
        if run.cell is None:
            return
        _set(run.cell, self._told({"gen_ai.tool.call.result": event.stdout or event.error}))
        if event.ended != "ok":
            _fail(run.cell, event.ended, "")
        run.cell.end(_nanoseconds(event.at))
        run.cell = None

    def _note(self, run: _Open, event: AnyEvent) -> None:
        """An event of the span that it happened in; numbers, names and markers, and texts only where they are told."""
        values = msgspec.to_builtins(event, enc_hook=str)
        name = str(values["type"])
        kept: Attributes = {}
        for key, value in values.items():
            is_number = isinstance(value, bool | int | float)
            if key not in STAMPS and value not in ("", None) and (is_number or key in _NAMES or self._content):
                kept[f"rlm_search.{key}"] = value if is_number else str(value)
        run.inner.add_event(f"rlm_search.{name}", _given(kept), timestamp=_nanoseconds(event.at))

    def _whole(
        self,
        run: _Open,
        name: str,
        event: ModelCalled | Searched | ToolCalled,
        attributes: Attributes,
        told: Attributes,
        error: str,
        *,
        kind: SpanKind = SpanKind.INTERNAL,
    ) -> None:
        """A span of something that is over."""
        span = self._span(run.inner, name, event.at - event.seconds, attributes, told, kind=kind)
        if error:
            _fail(span, error, event.error if self._content else "")
        span.end(_nanoseconds(event.at))

    def _span(
        self,
        parent: Span | None,
        name: str,
        at: float,
        attributes: Attributes,
        told: Attributes,
        *,
        kind: SpanKind = SpanKind.INTERNAL,
    ) -> Span:
        context: Context | None = otel.set_span_in_context(parent) if parent is not None else None
        given = _given({**attributes, **told})
        return self._tracer.start_span(_clean(name), context, kind, given, start_time=_nanoseconds(at))

    def _told(self, texts: Mapping[str, str]) -> Attributes:
        """Texts of people, documents and models, where they are to be told."""
        return {name: text for name, text in texts.items() if text} if self._content else {}


def _tool(name: str, event: AnyEvent) -> Attributes:
    return {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": name,
        "gen_ai.tool.type": "function",
        "rlm_search.step": event.step,
    }


def _named(spec: str) -> tuple[str, str]:
    """Provider and model of a spec, the provider as the conventions call it."""
    provider, colon, model = spec.removeprefix("any-llm:").partition(":")
    if not colon:
        return "_OTHER", spec
    return _PROVIDERS.get(provider, provider), model


def _messages(role: str, text: str, finish_reason: str = "") -> str:
    """One message, as the conventions write it."""
    if not text:
        return ""
    message: dict[str, Any] = {"role": role, "parts": [{"type": "text", "content": text}]}
    if finish_reason:
        message["finish_reason"] = finish_reason
    return json.dumps([message], ensure_ascii=False)


def _fail(span: Span, kind: str, message: str) -> None:
    span.set_attribute("error.type", kind)
    span.set_status(Status(StatusCode.ERROR, _clean(without_hosts(message)) or None))


def _set(span: Span, attributes: Attributes) -> None:
    for name, value in _given(attributes).items():
        span.set_attribute(name, value)


def _given(attributes: Attributes) -> dict[str, AttributeValue]:
    return {
        name: _clean(value) if isinstance(value, str) else value
        for name, value in attributes.items()
        if value is not None
    }


def _clean(text: str) -> str:
    """Without secrets, and without halves of characters, which no exporter can send."""
    return redacted(text).encode("utf-8", "replace").decode()


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1_000_000_000)
