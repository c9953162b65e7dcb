"""A proxy before a real search server that goes wrong as it is told: busy, HTML, half an answer, slow, locked, TLS."""

from __future__ import annotations

import base64
import http.client
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

Fault: TypeAlias = Callable[["Handler"], bool]
"""Answers a request in place of the server, or not: then it says False."""

_HOPS = {"connection", "transfer-encoding", "content-length", "host", "content-encoding", "accept-encoding"}


class Handler(BaseHTTPRequestHandler):
    """Passes a request on, unless a fault answers it."""

    protocol_version = "HTTP/1.1"
    server: Proxy

    def _any(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("content-length") or 0))
        self.server.seen.append(f"{self.command} {self.path.partition('?')[0]}")
        fault = self.server.fault
        if fault is None or not fault(self):
            self._pass_on()

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _any  # noqa: N815 - the names that http.server calls

    def _pass_on(self) -> None:
        status, headers, body = self.ask()
        self.answer(status, body, headers)

    def ask(self) -> tuple[int, dict[str, str], bytes]:
        """What the server says."""
        to = urlsplit(self.server.target)
        connection = http.client.HTTPConnection(to.hostname or "", to.port or 80, timeout=60)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOPS}
        headers.pop("authorization", None)
        connection.request(self.command, self.path, self.body, {**headers, "content-length": str(len(self.body))})
        response = connection.getresponse()
        body = response.read()
        connection.close()
        return response.status, dict(response.getheaders()), body

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        """Answer as a whole."""
        self.send_response(status)
        for name, value in (headers or {"content-type": "application/json"}).items():
            if name.lower() not in _HOPS:
                self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class Proxy(ThreadingHTTPServer):
    """Listens on loopback. `fault` may be changed at any moment; `seen` are the requests."""

    daemon_threads = True

    def __init__(self, target: str, certificate: Path | None, *, asks_for_one: bool = False) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.target = target
        self.fault: Fault | None = None
        self.seen: list[str] = []
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            if asks_for_one:
                context.verify_mode = ssl.CERT_REQUIRED
                context.load_verify_locations(certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True)

    @property
    def address(self) -> str:
        """Host and port."""
        return f"localhost:{self.server_address[1]}"


@contextmanager
def proxy(target: str, certificate: Path | None = None, *, asks_for_one: bool = False) -> Iterator[Proxy]:
    """A proxy that runs; with a certificate it speaks TLS, and may ask for one in turn."""
    server = Proxy(target, certificate, asks_for_one=asks_for_one)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def busy(times: int) -> Fault:
    """Too busy for the first requests that write."""
    left = [times]

    def fault(handler: Handler) -> bool:
        if "_bulk" not in handler.path or not left[0]:
            return False
        left[0] -= 1
        handler.answer(429, b'{"error":{"type":"rejected_execution_exception","reason":"too many"},"status":429}')
        return True

    return fault


def html(handler: Handler) -> bool:
    """The page of a gateway in place of any answer."""
    handler.answer(200, b"<html><body>Welcome to the gateway</body></html>", {"content-type": "text/html"})
    return True


def overdue(times: int, seconds: float) -> Fault:
    """The first bulks reach the server, and their answers come later than anybody waits for."""
    left = [times]

    def fault(handler: Handler) -> bool:
        if "_bulk" not in handler.path or not left[0]:
            return False
        left[0] -= 1
        status, headers, body = handler.ask()
        time.sleep(seconds)
        with suppress(OSError):  # nobody is there any more
            handler.answer(status, body, headers)
        handler.close_connection = True
        return True

    return fault


def half(times: int, of: str = "search") -> Fault:
    """Half an answer to the first searches, or other requests."""
    left = [times]

    def fault(handler: Handler) -> bool:
        if of not in handler.path or not left[0]:
            return False
        left[0] -= 1
        status, headers, body = handler.ask()
        handler.send_response(status)
        for name, value in headers.items():
            if name.lower() not in _HOPS:
                handler.send_header(name, value)
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body[: len(body) // 2])
        handler.close_connection = True
        return True

    return fault


def asleep(seconds: float, until: threading.Event) -> Fault:
    """Slow to answer searches, until it is woken."""

    def fault(handler: Handler) -> bool:
        if "search" in handler.path:
            until.wait(seconds)
        return False

    return fault


def held(word: bytes, waits: threading.Event, goes_on: threading.Event) -> Fault:
    """Keeps back a request that writes this word, says that it waits, and lets it pass when it is told to."""

    def fault(handler: Handler) -> bool:
        if "_bulk" in handler.path and word in handler.body:
            waits.set()
            goes_on.wait(60)
        return False

    return fault


def locked(user: str, password: str) -> Fault:
    """Lets in whoever knows the password."""
    wanted = f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"

    def fault(handler: Handler) -> bool:
        if handler.headers.get("authorization") == wanted:
            return False
        handler.answer(401, b'{"error":{"type":"security_exception","reason":"missing authentication"},"status":401}')
        return True

    return fault
