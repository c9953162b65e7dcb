"""Spans of `rlm-search ask` for an OpenTelemetry collector; where it is, the variables OTEL_EXPORTER_OTLP_… say."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rlm_search.cli import printing
from rlm_search.cli.settings import AskSettings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

    from retrievers.settings import Settings
    from rlm_search.trace.trace import Listener


@contextmanager
def spans_of(settings: Settings) -> Iterator[list[Listener]]:
    """The listener that sends spans, where `ask.otel` asks for it; what is left is sent at the end.

    A collector that is away costs the spans, not the answer, and is told in one line.

    Raises:
        ConfigError: the extra is missing.
    """
    wanted = settings.table("ask", AskSettings)
    if not wanted.otel:
        yield []
        return
    from retrievers.plugins import require

    require("opentelemetry.sdk", extra="otel", purpose="sending spans")
    require("opentelemetry.exporter.otlp.proto.http", extra="otel", purpose="sending spans")
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    from rlm_search.trace.spans import AGENT, SpanListener

    for name in ("opentelemetry", "urllib3"):  # what they log has tracebacks and hosts; we tell one line
        logging.getLogger(name).propagate = False
        logging.getLogger(name).addHandler(logging.NullHandler())
    exporter = _watched(OTLPSpanExporter())
    resource = Resource.create()  # which OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES shape
    if str(resource.attributes.get(SERVICE_NAME, "")).startswith("unknown_service"):
        resource = resource.merge(Resource({SERVICE_NAME: AGENT}))
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    try:
        yield [SpanListener(provider, content=wanted.otel_content)]
    finally:
        provider.shutdown()
        if exporter.lost:
            printing.tell(f"{exporter.lost:,} spans were not taken by the collector (OTEL_EXPORTER_OTLP_ENDPOINT)")


def _watched(inner: SpanExporter) -> Any:
    """An exporter that counts what it could not deliver, as `lost`; its class needs the extra."""
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

    class Watched(SpanExporter):
        lost = 0

        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            result = inner.export(spans)
            self.lost += len(spans) if result is not SpanExportResult.SUCCESS else 0
            return result

        def shutdown(self) -> None:
            inner.shutdown()

    return Watched()
