"""The worker's side of the wire for an interpreter that another process is: answers the host, passes calls on to it.

What comes out of the interpreter is not trusted here either: it is counted, made plain, and checked by the host again.
"""

from __future__ import annotations

import datetime
import os
import socket
from collections import deque
from collections.abc import Callable, Mapping, Sized
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec

from rlm_search.sandbox import wire
from rlm_search.sandbox.cells import Output
from rlm_search.sandbox.plain import MAX_ITEMS, NotPlain, plain
from rlm_search.sandbox.protocol import encode

if TYPE_CHECKING:
    from rlm_search.sandbox.monty_cells import MontyCells

_TOLD: Mapping[str, type[Exception]] = {
    kind.__name__: kind
    for kind in (TypeError, ValueError, KeyError, IndexError, LookupError, RuntimeError, PermissionError, TimeoutError)
}
_DROPPED = ("content", "text")
"""What a document goes without, as the argument of a host function."""


class MontyGuest:
    """Reads requests from one stream, and writes what came of them."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._limit = 1_000_000
        self._step = 0
        self.is_aborted = False
        """The host wants the cell to end."""
        self.is_gone = False
        """The host has gone in the middle of a cell."""
        self._bound: list[tuple[str, Any]] = []

    def settle(self) -> int:
        """Take the session's settings; returns the seed of its random numbers."""
        settings = self._read()
        self._limit = settings["message_bytes"]
        self.output = Output(settings["output_characters"])
        return int(settings["seed"])

    def serve(self, cells: MontyCells) -> NoReturn:
        """Say what holds, then answer until the host has gone."""
        self._write(t="ready", step=0, report=cells.proven(), pid=os.getpid(), uid=0)
        while True:
            request = self._read()
            kind, step = request["t"], request["step"]
            if kind == "execute":
                self._step, self.is_aborted = step, False
                result = cells.run(request["code"])
                self._step = 0
                self._bind(cells)
                self._write(t="done", step=step, threads=0, **result)
            elif kind == "offer":
                cells.offer(request["functions"])
                self._write(t="value", step=step, value=None)
            elif kind == "set":
                cells.set(request["name"], self._value(request))
                self._write(t="value", step=step, value=None)
            elif kind == "list":
                self._write(t="value", step=step, value=cells.described())
            else:
                self._answer(step, partial(cells.get, request["name"]))

    def call(self, name: Any, args: Any, kwargs: Any) -> Any:
        """What the interpreter calls: asks the host for a function's result; what it tells is raised there."""
        if not (isinstance(name, str) and isinstance(args, list) and isinstance(kwargs, dict) and self._step):
            raise TypeError("a function of the session is called with arguments, by a running cell")
        try:
            sent = {"args": [sendable(a) for a in args], "kwargs": {str(k): sendable(v) for k, v in kwargs.items()}}
        except NotPlain as error:
            raise TypeError(f"{name}(): {error}") from None
        message = encode({"t": "call", "step": self._step, "name": str(plain(name)), **sent})
        if len(message) > self._limit:
            raise ValueError(f"{len(message):,} bytes are too long to hand over; at most {self._limit:,}")
        try:
            wire.send(self._sock, message)
            reply = self._reply()
        except wire.WireError:
            self.is_gone = True
            raise KeyboardInterrupt from None  # the cell ends by it, or is killed
        if reply["t"] == "return":
            return reply["value"]
        if reply["t"] == "abort":
            self.is_aborted = True
            raise KeyboardInterrupt("stopped by the host")
        raise _TOLD.get(reply["kind"], RuntimeError)(reply["message"])

    def _reply(self) -> dict[str, Any]:
        """The answer to a call. What is bound meanwhile is there once the cell has ended: until then monty waits."""
        while True:
            message = self._read()
            if message["t"] in ("return", "raise", "abort"):
                return message
            if message["t"] == "set":
                self._bound.append((message["name"], self._value(message)))
                self._write(t="value", step=message["step"], value=None)
            else:
                why = "monty tells no variable while a cell runs"
                self._write(t="not_plain", step=message["step"], why=why)

    def _bind(self, cells: MontyCells) -> None:
        bound, self._bound = self._bound, []
        for name, value in bound:
            cells.set(name, value)

    def _answer(self, step: int, ask: Callable[[], Any]) -> None:
        try:
            value = ask()
        except KeyError:
            self._write(t="missing", step=step)
            return
        except (NotPlain, ValueError) as error:
            self._write(t="not_plain", step=step, why=str(error)[:500])
            return
        if isinstance(value, str) and len(value) >= wire.RAW_CHARACTERS:
            self._send_text(step, wire.text_bytes(value))
            return
        message = encode({"t": "value", "step": step, "value": value})
        if len(message) > self._limit:
            self._write(t="not_plain", step=step, why=f"its {len(message):,} bytes are too long to hand over")
            return
        wire.send(self._sock, message)

    def _send_text(self, step: int, raw: bytes) -> None:
        if len(raw) > self._limit:
            self._write(t="not_plain", step=step, why=f"its {len(raw):,} bytes are too long to hand over")
            return
        self._write(t="value", step=step, value=None, raw=True)
        wire.send(self._sock, raw)

    def _value(self, request: Mapping[str, Any]) -> Any:
        if request.get("raw"):
            return str(wire.receive(self._sock, limit=self._limit), "utf-8")
        return request["value"]

    def _read(self) -> dict[str, Any]:
        message: dict[str, Any] = msgspec.json.decode(wire.receive(self._sock, limit=self._limit))
        return message

    def _write(self, **fields: Any) -> None:
        wire.send(self._sock, encode(fields))


def sendable(value: Any) -> Any:
    """What the interpreter gave as an argument, as plain data: documents go without their text.

    Raises:
        NotPlain: something in it is no data, or there is too much of it.
    """
    return plain(_opened(value, [MAX_ITEMS], whole=False))


def whole(value: Any) -> Any:
    """A variable as plain data.

    Raises:
        NotPlain: likewise.
    """
    return plain(_opened(value, [MAX_ITEMS], whole=True))


_SIMPLE = (str, int, float, bool, datetime.date, datetime.time, type(None))


def _opened(value: Any, left: list[int], *, whole: bool, depth: int = 60) -> Any:
    """Objects of the interpreter's classes as dicts. Items are counted: what holds itself many times must end."""
    if isinstance(value, _SIMPLE):
        return value
    if depth == 0:
        raise NotPlain("it nests too deep, or holds itself")
    below = partial(_opened, left=left, whole=whole, depth=depth - 1)
    if isinstance(value, dict):
        _count(value, left)
        return {_key(k): v if isinstance(v, _SIMPLE) else below(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset | deque):
        _count(value, left)
        return [item if isinstance(item, _SIMPLE) else below(item) for item in value]
    attributes = getattr(value, "attributes", None)
    if type(value).__name__ != "MontyClassProxy" or not isinstance(attributes, dict):
        raise NotPlain(f"it holds a {type(value).__name__.removeprefix('Monty')}, which is not plain data")
    if attributes.get("_kind") == "Context":
        return {"context": True}
    dropped = _DROPPED if not whole and attributes.get("_kind") in ("Document", "Page") else ()
    return below({k: v for k, v in attributes.items() if not k.startswith("_") and k not in dropped})


def _count(items: Sized, left: list[int]) -> None:
    left[0] -= len(items) + 1
    if left[0] < 0:
        raise NotPlain(f"it has more than {MAX_ITEMS:,} items")


def _key(key: Any) -> Any:
    if isinstance(key, str | int | float | bool | datetime.date | None):
        return key
    raise NotPlain(f"it has a key of type {type(key).__name__}; keys must be strings")
