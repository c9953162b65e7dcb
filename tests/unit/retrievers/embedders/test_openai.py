"""The HTTP embedder against a real server on this machine that behaves badly in turn."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest

from retrievers.embedders.openai import OpenAIEmbedder
from retrievers.errors import ConfigError, EngineRejected, EngineUnavailable
from retrievers.registry import open_embedder
from retrievers.settings import EmbedderSettings

Answer = Callable[["Server", dict[str, Any]], tuple[int, dict[str, str], bytes]]
KEY = "sk-very-secret"


class Server:
    """Answers each request by the next of `script`, then well; remembers requests."""

    def __init__(self) -> None:
        self.script: list[Answer] = []
        self.requests: list[dict[str, Any]] = []
        self.authorizations: list[str] = []
        self.lock = threading.Lock()
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"

    def answer(self, request: dict[str, Any], authorization: str) -> tuple[int, dict[str, str], bytes]:
        with self.lock:
            self.requests.append(request)
            self.authorizations.append(authorization)
            step = self.script.pop(0) if self.script else well
        return step(self, request)


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            assert self.path == "/v1/embeddings"
            status, headers, body = server.answer(request, self.headers.get("Authorization", ""))
            if status == 0:
                self.connection.close()
                return
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


def well(server: Server, request: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
    """The length of each text as its vector, in the wrong order: `index` says which is which."""
    rows = [
        {"index": number, "embedding": [float(len(text)), 1.0, 0.0][: request.get("dimensions", 3)]}
        for number, text in enumerate(request["input"])
    ]
    return 200, {}, json.dumps({"data": rows[::-1]}).encode()


def status(code: int, message: str = "", **headers: str) -> Answer:
    body = json.dumps({"error": {"message": message}}).encode()
    return lambda server, request: (code, {name.replace("_", "-"): value for name, value in headers.items()}, body)


def raw(body: bytes, code: int = 200) -> Answer:
    return lambda server, request: (code, {}, body)


def rows(*vectors: list[float]) -> Answer:
    data = [{"index": number, "embedding": vector} for number, vector in enumerate(vectors)]
    return raw(json.dumps({"data": data}).encode())


def slow(server: Server, request: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
    time.sleep(0.3)
    return well(server, request)


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.http.shutdown()
    server.http.server_close()
    thread.join()


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def make(server: Server, waits: list[float]) -> Iterator[Callable[..., OpenAIEmbedder]]:
    made: list[OpenAIEmbedder] = []

    def build(**options: Any) -> OpenAIEmbedder:
        settings = {"base_url": server.url, "key": KEY, "sleep": waits.append, **options}
        made.append(OpenAIEmbedder("small", **settings))
        return made[-1]

    yield build
    for embedder in made:
        embedder.close()


Make = Callable[..., OpenAIEmbedder]


def test_rows_are_unit_vectors_in_the_order_of_the_texts(server: Server, make: Make) -> None:
    vectors = make().embed_documents(["a", "bbb", ""])

    assert np.allclose(vectors[:, 0] / vectors[:, 1], [1, 3, 1])
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1)
    assert vectors.dtype == np.float32
    assert server.requests[0] == {"model": "small", "input": ["a", "bbb", " "], "encoding_format": "float"}
    assert server.authorizations == [f"Bearer {KEY}"]


def test_a_question_is_a_vector(make: Make) -> None:
    assert make().embed_query("why").shape == (3,)


def test_requests_are_bounded_by_texts_and_by_characters(server: Server, make: Make) -> None:
    embedder = make(max_batch_texts=2, max_batch_characters=10, concurrency=2)
    vectors = embedder.embed_documents(["a", "bb", "ccc", "d" * 9, "e" * 50])

    assert sorted(map(len, (request["input"] for request in server.requests))) == [1, 1, 1, 2]
    assert np.allclose(vectors[:, 0] / vectors[:, 1], [1, 2, 3, 9, 50])


def test_no_texts_need_no_request_once_the_dimensions_are_known(server: Server, make: Make) -> None:
    assert make(dimensions=2).embed_documents([]).shape == (0, 2)
    assert server.requests == []


def test_dimensions_are_asked_for_or_found_out(server: Server, make: Make) -> None:
    assert make(dimensions=2).embed_query("x").shape == (2,)
    assert server.requests[-1]["dimensions"] == 2
    assert make().dimensions == 3


@pytest.mark.parametrize("code", [408, 429, 500, 502, 503, 504])
def test_trouble_that_passes_is_tried_again(code: int, server: Server, make: Make, waits: list[float]) -> None:
    server.script = [status(code), status(code)]

    assert make().embed_query("x").shape == (3,)
    assert len(waits) == 2
    assert all(0 <= wait <= 2 for wait in waits)


def test_a_broken_connection_is_tried_again(server: Server, make: Make, waits: list[float]) -> None:
    server.script = [raw(b"", 0)]

    assert make().embed_query("x").shape == (3,)
    assert len(waits) == 1


def test_the_server_says_how_long_to_wait(server: Server, make: Make, waits: list[float]) -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=20), usegmt=True)
    server.script = [status(429, Retry_After="7"), status(503, Retry_After=later), status(503, Retry_After="soon")]
    make().embed_query("x")

    assert waits[0] == 7
    assert 15 < waits[1] <= 20
    assert waits[2] <= 4


def test_a_server_that_asks_for_too_long_a_wait_is_given_up_on(server: Server, make: Make, waits: list[float]) -> None:
    server.script = [status(429, "quota exhausted", Retry_After="86400")]

    with pytest.raises(EngineUnavailable, match="quota exhausted"):
        make().embed_query("x")
    assert waits == []


def test_a_server_that_stays_down_is_unavailable(server: Server, make: Make, waits: list[float]) -> None:
    server.script = [status(503, "loading")] * 3

    with pytest.raises(EngineUnavailable, match=r"HTTP 503, attempts: 3\): loading") as raised:
        make(attempts=3).embed_query("x")
    assert raised.value.transient
    assert len(waits) == 2


def test_no_server_is_unavailable(make: Make, waits: list[float]) -> None:
    with pytest.raises(EngineUnavailable, match="cannot be reached"):
        make(base_url="http://127.0.0.1:9/v1", attempts=2).embed_query("x")


def test_a_server_too_slow_is_unavailable(server: Server, make: Make) -> None:
    server.script = [slow]

    with pytest.raises(EngineUnavailable, match=r"did not answer within 0\.05 s"):
        make(attempts=1, timeout_seconds=0.05).embed_query("x")


@pytest.mark.parametrize("code", [413, 422])
def test_a_batch_that_is_too_large_is_halved(code: int, server: Server, make: Make) -> None:
    server.script = [status(code, "batch size 3 > maximum allowed batch size 2")]
    vectors = make().embed_documents(["a", "bb", "ccc"])

    assert [len(request["input"]) for request in server.requests] == [3, 1, 2]
    assert np.allclose(vectors[:, 0] / vectors[:, 1], [1, 2, 3])


def test_one_text_that_is_too_large_is_refused(server: Server, make: Make) -> None:
    server.script = [status(413, "input too long")]

    with pytest.raises(EngineRejected, match="input too long"):
        make().embed_documents(["x"])


@pytest.mark.parametrize("code", [401, 403])
def test_a_refused_key_is_a_matter_of_settings_and_is_not_shown(code: int, server: Server, make: Make) -> None:
    server.script = [status(code, f"invalid key {KEY}")]

    with pytest.raises(ConfigError, match="refused the key") as raised:
        make().embed_query("x")
    assert KEY not in str(raised.value)
    assert "key" in raised.value.hint


@pytest.mark.parametrize("body", [f'{{"error": {{"message": "no model for {KEY}"}}}}', f"plain {KEY}", "", "[1]"])
def test_a_refusal_says_why_without_the_key(body: str, server: Server, make: Make) -> None:
    server.script = [raw(body.encode(), 404)]

    with pytest.raises(EngineRejected, match=r"HTTP 404\): .") as raised:
        make().embed_query("x")
    assert KEY not in str(raised.value)


@pytest.mark.parametrize(
    "nonsense",
    [
        raw(b"<html>login</html>"),
        raw(b"[]"),
        raw(b'{"data": [{"index": 0}]}'),
        raw(b'{"data": [{"index": 0, "embedding": [1, "x"]}]}'),
        raw(b'{"data": [{"index": 0, "embedding": "AAAA"}]}'),
        raw(b'{"data": [{"index": 1, "embedding": [1, 2, 3]}]}'),
        raw(b'{"data": []}'),
        rows([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]),
        rows([0.0, 0.0, 0.0]),
        rows([float("nan"), 1.0, 1.0]),
    ],
)
def test_nonsense_is_refused(nonsense: Answer, server: Server, make: Make) -> None:
    server.script = [nonsense]

    with pytest.raises(EngineRejected):
        make().embed_query("x")


def test_vectors_of_another_length_are_refused(server: Server, make: Make) -> None:
    embedder = make()
    embedder.embed_query("x")
    server.script = [rows([1.0, 2.0])]

    with pytest.raises(EngineRejected, match="2 dimensions, expected 3"):
        embedder.embed_query("x")


def test_the_first_failure_ends_the_rest(server: Server, make: Make) -> None:
    server.script = [status(400, "bad request")]

    with pytest.raises(EngineRejected):
        make(max_batch_texts=1, concurrency=1).embed_documents([str(number) for number in range(50)])
    assert len(server.requests) < 50


@pytest.mark.parametrize("url", ["localhost:1234", "http://[::1", "ftp://127.0.0.1"])
def test_an_address_that_is_none_is_a_matter_of_settings(url: str, make: Make) -> None:
    with pytest.raises(ConfigError, match="base_url"):
        make(base_url=url).embed_query("x")


def test_the_provider_needs_a_key_and_another_server_does_not(server: Server, waits: list[float]) -> None:
    with pytest.raises(ConfigError, match="needs a key"):
        OpenAIEmbedder("text-embedding-3-small")
    without = OpenAIEmbedder("small", base_url=server.url, sleep=waits.append)
    without.embed_query("x")
    without.close()

    assert server.authorizations == [""]


def test_a_key_that_no_header_may_hold_is_refused_unseen() -> None:
    with pytest.raises(ConfigError) as raised:
        OpenAIEmbedder("small", key="sk-one\nsk-two")
    assert "sk-" not in str(raised.value)


def test_the_registry_opens_it_by_model_and_settings(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THE_KEY", KEY)
    embedder = open_embedder("openai:small", EmbedderSettings(base_url=server.url, key_variable="THE_KEY"))

    assert isinstance(embedder, OpenAIEmbedder)
    assert embedder.name == "openai:small"
    assert embedder.languages is None
    assert embedder.dimensions == 3
    assert server.authorizations == [f"Bearer {KEY}"]
    embedder.close()
    with pytest.raises(ConfigError, match="needs a model"):
        open_embedder("openai")
