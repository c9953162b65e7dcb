"""A server of models on localhost that plays a script, streamed or not, and can misbehave in many ways.

It speaks chat completions, responses and Anthropic's messages, by the path that is asked (`voices.py`).

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

from tests.servers.voices import Say, Voice, voice_of

__all__ = ["Asked", "OpenAIServer", "Raw", "Say", "Script", "error", "too_many_requests"]


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
        return [asked.body for asked in self.requests if voice_of(asked.path) is not None]

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
            if self.key and self.key not in _credentials(asked.headers):
                shown = asked.headers.get("authorization")
                return error(401, f"Incorrect API key provided: {shown}", code="invalid_api_key")
            if asked.path.endswith("/models"):
                return Raw(body=json.dumps({"data": [{"id": name} for name in self.models]}))
            if not asked.path.startswith(("/v1/", "/openai/")) or voice_of(asked.path) is None:
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
            voice = voice_of(self.path)
            if isinstance(played, Raw):
                self._raw(played)
            elif voice is not None and body.get("stream"):
                self._stream(voice, played, body)
            elif voice is not None:
                self._pause(played.pause)
                self._raw(Raw(body=json.dumps(voice.whole(played, body))))
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

    def _stream(self, voice: Voice, say: Say, body: dict[str, Any]) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream; charset=utf-8")
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True
        self.wfile.write(b": a comment, as some servers send to keep the line open\n\n")
        for name, data, pauses in voice.events(say, body):
            self._pause(say.pause if pauses else 0.0)
            text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
            self.wfile.write(f"{f'event: {name}' + chr(10) if name else ''}data: {text}\n\n".encode())

    def _pause(self, seconds: float) -> None:
        if seconds:
            self.server_state.stopping.wait(seconds)


def _credentials(headers: Mapping[str, str]) -> list[str]:
    """Every header that a key may come in."""
    bearer = headers.get("authorization", "").removeprefix("Bearer ")
    return [bearer, *(headers.get(name, "") for name in ("x-api-key", "api-key", "x-portkey-api-key"))]
