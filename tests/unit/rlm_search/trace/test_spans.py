"""Runs as OpenTelemetry spans: the SDK's in-memory exporter holds what a collector would be sent."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace as otel
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as conventions
from opentelemetry.trace import SpanKind, StatusCode

from rlm_search import RLM, ModelRejected, ScriptedModel
from rlm_search.testing import InProcessSandbox
from rlm_search.trace.events import AnyEvent, CellStarted, Cited, ModelCalled, RunFinished, RunStarted
from rlm_search.trace.jsonl import read_events
from rlm_search.trace.spans import SpanListener
from rlm_search.trace.trace import Trace
from tests.unit.rlm_search.conftest import python
from tests.unit.rlm_search.trace.test_views import tell_a_run

RECORDED = Path(__file__).parents[1] / "cassette.jsonl"
CONTENT = {
    "gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.tool.call.arguments", "gen_ai.tool.call.result",
    "gen_ai.retrieval.query.text", "gen_ai.retrieval.documents",
}  # fmt: skip


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def provider(exporter: InMemorySpanExporter) -> TracerProvider:
    made = TracerProvider(shutdown_on_exit=False)
    made.add_span_processor(SimpleSpanProcessor(exporter))
    return made


@pytest.fixture
def told(provider: TracerProvider, exporter: InMemorySpanExporter) -> Callable[..., list[ReadableSpan]]:
    """The spans of events, in the order in which they began."""

    def tell(events: Any, *, content: bool = False) -> list[ReadableSpan]:
        listener = SpanListener(provider, content=content)
        for event in events:
            listener(event)
        return sorted(exporter.get_finished_spans(), key=lambda span: span.start_time or 0)

    return tell


def outline(spans: list[ReadableSpan]) -> list[str]:
    """Names, indented below their parents."""
    by_id = {span.context.span_id: span for span in spans}

    def depth(span: ReadableSpan) -> int:
        return 0 if span.parent is None else 1 + depth(by_id[span.parent.span_id])

    return [f"{'  ' * depth(span)}{span.name}" for span in spans]


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def test_what_happened_within_a_run_is_nested_as_it_happened(told: Callable[..., list[ReadableSpan]]) -> None:
    spans = told(read_events(RECORDED))

    assert outline(spans) == [
        "invoke_agent rlm-search",
        "  chat root", "  execute_tool python", "    retrieval MemoryRetriever",
        "  chat root", "  execute_tool python",
        "    invoke_agent rlm-search", "      chat root", "      execute_tool python",
        "        retrieval MemoryRetriever",
        "    chat sub", "    chat sub",
        "  chat root", "  execute_tool python",
    ]  # fmt: skip
    assert len({span.context.trace_id for span in spans}) == 1
    for span in spans:
        assert (span.start_time or 0) <= (span.end_time or 0)


def test_a_call_of_a_model_has_the_names_of_the_conventions(told: Callable[..., list[ReadableSpan]]) -> None:
    events = [
        RunStarted(question="?", model="azure:gpt-5", sub_model="ollama:qwen3:8b", run_id="r", at=10.0),
        ModelCalled(
            tier="root", model="gpt-5-2025-08-07", prompt="p", text="t", finish_reason="length", input_tokens=900,
            output_tokens=7, cached_tokens=800, cost_usd=0.01, seconds=1.5, run_id="r", step=1, at=12.0,
        ),
        ModelCalled(tier="sub", model="qwen3:8b", prompt="p", text="t", run_id="r", at=13.0),
        RunFinished(status="answered", answer={"usage": {"root": {"input_tokens": 900}}}, run_id="r"),
    ]  # fmt: skip
    run, root, sub = told(events)

    assert (root.name, root.kind) == ("chat gpt-5", SpanKind.CLIENT)
    assert attributes(root) == {
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "azure.ai.openai", "gen_ai.request.model": "gpt-5",
        "gen_ai.response.model": "gpt-5-2025-08-07", "gen_ai.response.finish_reasons": ("length",),
        "gen_ai.usage.input_tokens": 900, "gen_ai.usage.output_tokens": 7,
        "gen_ai.usage.cache_read.input_tokens": 800, "rlm_search.tier": "root", "rlm_search.step": 1,
        "rlm_search.cost_usd": 0.01,
    }  # fmt: skip
    assert (root.start_time, root.end_time) == (10_500_000_000, 12_000_000_000)
    assert (sub.name, attributes(sub)["gen_ai.provider.name"]) == ("chat qwen3:8b", "ollama")
    assert attributes(run)["gen_ai.operation.name"] == "invoke_agent"
    assert attributes(run)["gen_ai.usage.input_tokens"] == 900


def test_every_name_is_one_of_the_conventions_or_our_own(told: Callable[..., list[ReadableSpan]]) -> None:
    known = {value for name, value in vars(conventions).items() if name.startswith("GEN_AI_")} | {"error.type"}
    spans = told([*read_events(RECORDED), *tell_a_run().events], content=True)

    for span in spans:
        assert {name for name in attributes(span) if not name.startswith("rlm_search.")} <= known
        assert attributes(span)["gen_ai.operation.name"] in {v.value for v in conventions.GenAiOperationNameValues}


def test_no_text_of_people_documents_or_models_is_told_unasked(told: Callable[..., list[ReadableSpan]]) -> None:
    spans = told(read_events(RECORDED))
    said = " ".join(span.to_json() for span in spans)

    for words in ("wind limit", "yard paid", "378,000", "knots", "es_search(", "print(hits)"):
        assert words not in said
    assert not CONTENT & {name for span in spans for name in attributes(span)}


def test_texts_are_told_where_they_are_asked_for_without_secrets(
    told: Callable[..., list[ReadableSpan]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-never-to-be-seen")
    spans = told(
        [*read_events(RECORDED), *secretive("the key is sk-never-to-be-seen, password=hunter2 \ud800")], content=True
    )
    said = " ".join(span.to_json() for span in spans)

    assert {name for span in spans for name in attributes(span)} >= CONTENT
    asked = json.loads(attributes(spans[0])["gen_ai.input.messages"])
    assert asked == [
        {
            "role": "user",
            "parts": [{"type": "text", "content": "What is the wind limit, and who pays for delays?"}],
        }
    ]
    assert "sk-never" not in said
    assert "hunter2" not in said


def secretive(text: str) -> list[AnyEvent]:
    trace = Trace()
    trace.emit(RunStarted(question=text, model=text))
    trace.emit(ModelCalled(tier="root", model="m", prompt=text, text=text, error=text, error_type="ModelRejected"))
    trace.emit(CellStarted(code=text))
    trace.emit(Cited(doc_id="d", quote=text, reason=text))
    trace.emit(RunFinished(status="failed", answer={"text": text, "reason": text}))
    return list(trace.events)


def test_what_is_no_span_is_an_event_of_the_one_it_happened_in(told: Callable[..., list[ReadableSpan]]) -> None:
    spans = told(tell_a_run().events)
    [cell] = [span for span in spans if span.name == "execute_tool python"]
    noted = {event.name: dict(event.attributes or {}) for event in cell.events}

    assert noted["rlm_search.document_read"]["rlm_search.doc_id"] == "report-1"
    assert noted["rlm_search.cited"] == {"rlm_search.doc_id": "report-1"}
    assert [event.name for event in spans[0].events] == ["rlm_search.limit_warned", "rlm_search.finish_refused"]


def test_what_failed_is_an_error_with_its_type(provider: TracerProvider, exporter: InMemorySpanExporter) -> None:
    replies: list[str | Exception] = [python("1/0"), ModelRejected("no such model")]
    rlm = RLM(model=ScriptedModel(replies), sandbox=InProcessSandbox, listeners=[SpanListener(provider)])
    with pytest.raises(ModelRejected):
        rlm.run("?")
    errors = {
        span.name: attributes(span)["error.type"]
        for span in exporter.get_finished_spans()
        if span.status.status_code is StatusCode.ERROR
    }

    assert errors == {
        "execute_tool python": "raised", "chat scripted": "ModelRejected", "invoke_agent rlm-search": "failed",
    }  # fmt: skip


def test_a_run_lies_below_the_span_it_was_started_in_and_runs_at_once_do_not_mix(
    provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    rlm = RLM(
        model=ScriptedModel(lambda messages: python(f"FINAL({messages[1].content!r})")),
        sandbox=InProcessSandbox,
        listeners=[SpanListener(provider)],
    )
    with otel.get_tracer("test", tracer_provider=provider).start_as_current_span("mine") as mine:
        rlm.run("one")
    list(rlm.run_many([str(n) for n in range(20)], workers=20))
    spans = exporter.get_finished_spans()
    runs = [span for span in spans if span.name.startswith("invoke_agent")]

    assert runs[0].parent is not None
    assert runs[0].parent.span_id == mine.get_span_context().span_id
    assert len({span.context.trace_id for span in runs}) == 21
    for run in runs:
        below = [span.name for span in spans if span.parent and span.parent.span_id == run.context.span_id]
        assert sorted(below) == ["chat scripted", "execute_tool python"]
