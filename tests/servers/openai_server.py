"""A chat completions server on localhost that plays a script, streamed or not, and can misbehave in many ways.

    with OpenAIServer([Say("hello"), TOO_MANY_REQUESTS, Say("again")]) as server:
        ... server.base_url ... server.requests ...

The script is a list, played in order, or a function of the request's JSON. Nothing here sleeps past `stop`.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self, TypeAlias


@dataclass(frozen=True, kw_only=True)
class Say:
    """A completion. `pieces` is how a stream is cut, `pause` the seconds before each piece, `cut` breaks it off."""

    text: str = ""
    pieces: Sequence[str] | None = None
    pause: float = 0.0
    cut: bool = False
    usage: bool = True
    finish_reason: str = "stop"
    tool_call: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Raw:
    """Any answer at all; `pause` seconds before it, and then between its bytes where `drip` is set."""

    status: int = 200
    body: str = ""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    pause: float = 0.0
    drip: float = 0.0


Play: TypeAlias = Say | Raw
Script: TypeAlias = Sequence[Play] | Callable[[dict[str, Any]], Play]


def error(
    status: int, message: str, *, code: str = "", param: str = "", headers: Mapping[str, str] | None = None
) -> Raw:
    """An error in the form that OpenAI gives it."""
    body = {"error": {"message": message, "code": code or None, "param": param or None, "type": "error"}}
    return Raw(status=status, body=json.dumps(body), headers=headers or {})


def too_many_requests(retry_after: str = "") -> Raw:
    """429, with Retry-After if given."""
    return error(429, "Rate limit reached", headers={"Retry-After": retry_after} if retry_after else {})


TOO_LONG = error(
    400,
    "This model's maximum context length is 8192 tokens. However, your messages resulted in 20000 tokens.",
    code="context_length_exceeded",
    param="messages",
)
BROKEN = error(500, "The server had an error while processing your request")
WEB_PAGE = Raw(body="<!DOCTYPE html><html><body>Sign in to the Wi-Fi</body></html>", content_type="text/html")
GATEWAY_PAGE = Raw(status=502, body="<html><h1>502 Bad Gateway</h1></html>", content_type="text/html")
GARBAGE = Raw(body='{"choices": [{"mess')
NO_CHOICES = Raw(body='{"id": "x", "object": "chat.completion", "choices": []}')
OTHER_JSON = Raw(body='{"choices": "yes", "hello": "world"}')


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request as it came in."""

    path: str
    headers: Mapping[str, str]
    body: dict[str, Any]


class OpenAIServer:
    """The server. `key` makes it refuse others, `models` makes it refuse models that are not listed.

    `refuses` names parameters that it answers with status 400, with the message to send.
    """

    def __init__(
        self,
        script: Script = (),
        *,
        key: str = "",
        models: Sequence[str] = (),
        refuses: Mapping[str, str] | None = None,
    ) -> None:
        self.key = key
        self.models = tuple(models)
        self.refuses = dict(refuses or {})
        self.requests: list[Asked] = []
        self.stopping = threading.Event()
        self.asked = threading.Event()
        self._function = script if callable(script) else None
        self._queue = [] if callable(script) else list(script)
        self._lock = threading.Lock()
        owner = self

        class Handler(_Handler):
            server_state = owner

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def completions(self) -> list[dict[str, Any]]:
        """The bodies of the requests for completions."""
        return [asked.body for asked in self.requests if asked.path.endswith("/chat/completions")]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def play(self, asked: Asked) -> Play:
        """What to answer."""
        with self._lock:
            self.requests.append(asked)
            self.asked.set()
            if self.key and asked.headers.get("authorization") != f"Bearer {self.key}":
                return error(
                    401, f"Incorrect API key provided: {asked.headers.get('authorization')}", code="invalid_api_key"
                )
            if asked.path.endswith("/models"):
                return Raw(body=json.dumps({"data": [{"id": name} for name in self.models]}))
            if not asked.path.endswith("/v1/chat/completions"):
                return Raw(status=404, body="404 page not found", content_type="text/plain")
            if self.models and asked.body.get("model") not in self.models:
                return error(404, f"The model `{asked.body.get('model')}` does not exist", code="model_not_found")
            for parameter, message in self.refuses.items():
                if parameter in asked.body:
                    return error(400, message, code="unsupported_parameter", param=parameter)
            if self._function is not None:
                return self._function(asked.body)
            return self._queue.pop(0) if self._queue else error(400, "the script has come to its end")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server_state: OpenAIServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self._answer(body)

    def do_GET(self) -> None:
        self._answer({})

    def log_message(self, format: str, *args: object) -> None:
        """Silence."""

    def _answer(self, body: dict[str, Any]) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        played = self.server_state.play(Asked(path=self.path, headers=headers, body=body))
        try:
            if isinstance(played, Raw):
                self._raw(played)
            elif body.get("stream"):
                self._stream(played, bool((body.get("stream_options") or {}).get("include_usage")))
            else:
                self._pause(played.pause)
                self._raw(Raw(body=json.dumps(_whole(played, body))))
        except OSError:
            self.close_connection = True  # the client has gone

    def _raw(self, raw: Raw) -> None:
        self._pause(raw.pause)
        body = raw.body.encode()
        self.send_response(raw.status)
        self.send_header("content-type", raw.content_type)
        self.send_header("content-length", str(len(body)))
        for name, value in raw.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if not raw.drip:
            self.wfile.write(body)
            return
        for byte in body:
            self.wfile.write(bytes([byte]))
            self._pause(raw.drip)

    def _stream(self, say: Say, usage: bool) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream; charset=utf-8")
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True
        self.wfile.write(b": a comment, as some servers send to keep the line open\n\n")
        for piece in say.pieces if say.pieces is not None else _words(say.text):
            self._pause(say.pause)
            self._event({"choices": [{"index": 0, "delta": {"content": piece}}]})
        if say.cut:
            return
        if say.tool_call is not None:
            self._event({"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": say.tool_call}]}}]})
        self._event({"choices": [{"index": 0, "delta": {}, "finish_reason": say.finish_reason}]})
        if usage and say.usage:
            self._event({"choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}})
        self.wfile.write(b"data: [DONE]\n\n")

    def _event(self, data: dict[str, Any]) -> None:
        self.wfile.write(f"data: {json.dumps(data, ensure_ascii=False)}\n\n".encode())

    def _pause(self, seconds: float) -> None:
        if seconds:
            self.server_state.stopping.wait(seconds)


def _words(text: str) -> list[str]:
    return [text[i : i + 5] for i in range(0, len(text), 5)]


def _whole(say: Say, body: Mapping[str, Any]) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": say.text}
    if say.tool_call is not None:
        message["tool_calls"] = [{"index": 0, "function": say.tool_call}]
    whole: dict[str, Any] = {
        "object": "chat.completion",
        "model": body.get("model"),
        "choices": [{"index": 0, "message": message, "finish_reason": say.finish_reason}],
    }
    if say.usage:
        whole["usage"] = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
    return whole
