"""`ask --otel`: a collector on this machine is sent the spans of a run, and one that is away costs nothing but them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.unit.rlm_search.cli.conftest import Command, Ended, InProcess
from tests.unit.rlm_search.cli.test_ask import FOUND, QUESTION


class Collector:
    """Takes spans over HTTP, as any OpenTelemetry collector does."""

    def __init__(self) -> None:
        self.requests: list[Any] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.requests.append(ExportTraceServiceRequest.FromString(body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                return

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    @property
    def names(self) -> list[str]:
        return [
            span.name
            for request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    @property
    def service(self) -> str:
        named = {a.key: a.value.string_value for a in self.requests[0].resource_spans[0].resource.attributes}
        return str(named["service.name"])


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    made = Collector()
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", made.url)
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


@pytest.fixture
def ask(command: Command, world: None, tmp_path: Path) -> Callable[..., Ended]:
    (tmp_path / "rlm-search.toml").write_text(
        f'[sandbox]\nspec = "{InProcess.__module__}:InProcess"\n', encoding="utf-8"
    )
    (tmp_path / "script.json").write_text(json.dumps([FOUND]), encoding="utf-8")
    return lambda *words: command("ask", QUESTION, "--model", f"scripted:{tmp_path / 'script.json'}", *words)


def test_the_spans_of_a_run_are_sent_to_the_collector(ask: Callable[..., Ended], collector: Collector) -> None:
    ended = ask("--otel")

    assert ended.code == 0
    assert sorted(collector.names) == [
        "chat script.json", "execute_tool python", "invoke_agent rlm-search", "retrieval EmbeddedRetriever",
    ]  # fmt: skip
    assert collector.service == "rlm-search"
    assert QUESTION.encode() not in collector.requests[0].SerializeToString()


def test_texts_are_sent_where_the_settings_say_so(ask: Callable[..., Ended], collector: Collector) -> None:
    ask("--otel", "--set", "ask.otel_content=true")

    assert QUESTION.encode() in b"".join(request.SerializeToString() for request in collector.requests)


def test_nothing_is_sent_unasked(ask: Callable[..., Ended], collector: Collector) -> None:
    ask()

    assert collector.requests == []


def test_a_collector_that_is_away_costs_the_spans_and_not_the_answer(
    ask: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.3")
    ended = ask("--otel")

    assert (ended.code, ended.out.splitlines()[0]) == (0, "35 million [1]")
    assert "4 spans were not taken by the collector" in ended.err
    assert "Traceback" not in ended.err
    assert len(ended.err.splitlines()) == 2


def test_the_extra_that_is_missing_is_named(ask: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "opentelemetry.sdk", None)
    ended = ask("--otel")

    assert ended.code == 5
    assert "pip install 'rlm-search[otel]'" in ended.err
