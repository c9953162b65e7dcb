"""The process that runs the model's code: started by path, by `python -I -S -B worker.py`, never imported by the host.

It loads what cells may import, gives up what it can (`limits.py`), says so in its first message, then answers one
request at a time until the stream ends. It has no site-packages; its own modules are found beside this file.

    worker.py serve STREAM LIFELINE     descriptors: a socket, and a pipe whose closing kills
    worker.py pipes                     speaks by stdin and stdout
    worker.py container                 likewise, without the environment that it was given
    worker.py lines                     likewise, in lines of base64, through what carries text only
    worker.py fork CONTROL              becomes a worker for each pair of descriptors that comes (`zygote.py`)
"""

from __future__ import annotations

import _thread
import gc
import json
import os
import random
import signal
import socket
import sys
import time
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from rlm_search.sandbox import cells, namespace, wire


def _find_siblings() -> None:  # pragma: no cover  # likewise
    """Make packages of the files beside this one and of `confinement`: nothing else of ours is to be had here."""
    here = os.path.dirname(os.path.abspath(__file__))
    root = os.path.dirname(os.path.dirname(here))
    for name, path in (
        ("rlm_search", []),
        ("rlm_search.sandbox", [here]),
        ("confinement", [os.path.join(root, "confinement")]),
    ):
        package = sys.modules[name] = types.ModuleType(name)
        package.__path__ = path  # a list makes it a package


class ToolError(Exception):
    """A function of the host says that it cannot do what was asked; the message says why."""


class Worker:
    """Answers the host over one socket."""

    def __init__(self, sock: socket.socket | wire.Pipes | wire.Lines, message_bytes: int) -> None:
        from rlm_search.sandbox import guest, plain, wire

        self._sock, self._limit = sock, message_bytes
        self._send, self._receive = wire.send, wire.receive
        self._text_bytes, self._raw_characters = wire.text_bytes, wire.RAW_CHARACTERS
        self._plain, self._NotPlain = plain.plain, plain.NotPlain
        self._encode = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode
        self._decode = json.JSONDecoder(object_hook=guest.revive).decode
        self._decode_untagged = json.JSONDecoder().decode
        self._step = 0
        self._calling = False

    def read(self) -> dict[str, Any]:
        """The next message. Ends the process when the host has gone."""
        text = str(self._receive(self._sock, limit=self._limit), "utf-8")
        message: dict[str, Any] = self._decode(text) if '"__type__"' in text else self._decode_untagged(text)
        return message

    def write(self, **fields: Any) -> None:
        """Send one message, whole or not at all."""
        self._send(self._sock, self._encode(fields).encode("ascii"))

    def serve(self, cells: cells.Cells, names: namespace.Namespace, clock: cells.Clock) -> NoReturn:
        """Answer until the host has gone."""
        from rlm_search.sandbox import namespace as spaces

        self._names, self._clock = names, clock
        threads = _thread._count()
        while True:
            request = self.read()
            kind, step = request["t"], request["step"]
            if kind == "execute":
                self._step = step
                result = cells.run(request["code"], request["seconds"])
                self._step = 0
                result["threads"] = max(0, _thread._count() - threads)
                result["error"], result["stdout"] = self._plain(result["error"]), self._plain(result["stdout"])
                self.write(t="done", step=step, **result)
            elif kind == "offer":
                stubs = {f["name"]: spaces.stub(f, self.call) for f in request["functions"]}
                names.offer(stubs)
                self.write(t="value", step=step, value=None)
            else:
                self._answer(request)

    def _answer(self, request: dict[str, Any]) -> None:
        """Get or set a variable; also in the middle of a call, since a host function may ask for one."""
        step, name = request["step"], request.get("name", "")
        if request["t"] == "set":
            self._names.names[name] = self._text() if request.get("raw") else request["value"]
            self.write(t="value", step=step, value=None)
        elif request["t"] == "list":
            self.write(t="value", step=step, value=self._plain(self._names.described()))
        elif name not in self._names.names:
            self.write(t="missing", step=step)
        else:
            self._send_value(step, self._names.names[name])

    def _text(self) -> str:
        return str(self._receive(self._sock, limit=self._limit), "utf-8")

    def _send_value(self, step: int, value: Any) -> None:
        if type(value) is str and len(value) >= self._raw_characters:
            self._send_text(step, value)
            return
        try:
            message = self._checked({"t": "value", "step": step, "value": self._plain(value)})
        except BaseException as error:  # noqa: BLE001  # told to the host: reading it may run the model's own code
            self.write(t="not_plain", step=step, why=self._plain(f"{type(error).__name__}: {error}"[:500]))
        else:
            self._send(self._sock, message)

    def _send_text(self, step: int, text: str) -> None:
        raw = self._text_bytes(text)
        if len(raw) > self._limit:
            self.write(t="not_plain", step=step, why=f"its {len(raw):,} bytes are too long to hand over")
            return
        self.write(t="value", step=step, value=None, raw=True)
        self._send(self._sock, raw)

    def _checked(self, fields: dict[str, Any]) -> bytes:
        """A message, if the host would take it: one that is too long is an error here, and a violation there."""
        message = self._encode(fields).encode("ascii")
        if len(message) > self._limit:
            raise ValueError(f"{len(message):,} bytes are too long to hand over; at most {self._limit:,}")
        return message

    def call(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Ask the host for a function's result; what it tells is raised here."""
        from rlm_search.sandbox.cells import CellAborted

        if not self._step or self._calling:
            raise ToolError(f"{name}() can only be called by a running cell, one call at a time")
        try:
            sent = {
                "args": [self._plain(a, whole=False) for a in args],
                "kwargs": {k: self._plain(v, whole=False) for k, v in kwargs.items()},
            }
            message = self._checked({"t": "call", "step": self._step, "name": name, **sent})
        except self._NotPlain as error:
            raise TypeError(f"{name}(): {error}") from None
        self._calling = True
        started = time.monotonic()
        self._clock.pause()
        paused = 0.0
        try:
            self._send(self._sock, message)
            reply = self._reply()
            paused = reply.get("paused", 0.0)
        finally:
            self._calling = False
            self._clock.resume(time.monotonic() - started - paused)  # carrying the data is time of the cell
        if reply["t"] == "return":
            return reply["value"]
        if reply["t"] == "abort":
            raise CellAborted
        raise _TOLD.get(reply["kind"], ToolError)(reply["message"])

    def _reply(self) -> dict[str, Any]:
        while True:
            message = self.read()
            if message["t"] in ("return", "raise", "abort"):
                return message
            self._answer(message)


_TOLD: dict[str, Callable[[str], BaseException]] = {
    kind.__name__: kind
    for kind in (TypeError, ValueError, KeyError, IndexError, LookupError, RuntimeError, PermissionError, TimeoutError)
}


def main() -> NoReturn:  # pragma: no cover  # only in a process that can write no coverage data
    """Load everything, then be a worker, or become many."""
    if sys.argv[1] == "container":  # once more, without what the image has in its environment
        os.execve(sys.executable, [sys.executable, "-I", "-S", "-B", __file__, "pipes"], {})  # noqa: S606  # ourselves
    _find_siblings()
    from rlm_search.sandbox import limits, namespace, shims, wire, zygote

    descriptors = limits.settle(*map(int, sys.argv[2:]))
    os.putenv("TZ", "UTC0")  # not `os.environ`, which stays empty; no file of time zones is looked for later
    time.tzset()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # not Python's handler, which asyncio would replace
    namespace.preload()
    shims.install()
    if sys.argv[1] == "fork":
        zygote.attend(descriptors[0], serve)
    if sys.argv[1] == "pipes":
        speak(wire.Pipes(*limits.moved_away()), -1, 0)
    if sys.argv[1] == "lines":
        speak(wire.Lines(*limits.moved_away()), -1, 0)
    serve(descriptors[0], descriptors[1], 0)


def serve(stream: int, lifeline: int, parent: int) -> NoReturn:  # pragma: no cover  # likewise
    """Speak over a socket."""
    from rlm_search.sandbox import limits, wire

    stream, lifeline = limits.settle(stream, lifeline)
    sock = socket.socket(fileno=stream)
    sock.setblocking(True)
    wire.widen(sock)
    speak(sock, lifeline, parent)


def speak(
    sock: socket.socket | wire.Pipes | wire.Lines, lifeline: int, parent: int
) -> NoReturn:  # pragma: no cover  # likewise
    """Get ready, give everything up, say so, and answer."""
    from rlm_search.sandbox import cells, guest, limits, namespace, wire

    try:
        settings = json.loads(wire.receive(sock, limit=1_000_000))
        output = cells.Output(settings["output_characters"])
        clock = cells.Clock()
        clock.install()
        given = {kind.__name__: kind for kind in (ToolError, guest.Failed)}
        names = namespace.Namespace(namespace.facades(), given)
        worker = Worker(sock, settings["message_bytes"])
        random.seed(settings["seed"])
        report = {"unconfined": "as was asked for"}
        if not settings["unsafe_unconfined"]:
            report = limits.confine(
                lifeline=lifeline,
                parent=parent,
                memory_bytes=settings["memory_bytes"],
                cpu_seconds=settings["cpu_seconds"],
            )
        gc.freeze()  # what is loaded stays: collections need not look at it
        worker.write(t="ready", step=0, report=report, pid=os.getpid(), uid=os.geteuid())
        worker.serve(cells.Cells(names.names, output, clock, names.rebind), names, clock)
    except wire.Closed:
        os._exit(0)


if __name__ == "__main__":
    main()
