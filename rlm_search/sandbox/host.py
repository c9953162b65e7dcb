"""The host's end of a session: asks the worker over a stream, answers its calls, never waits beyond a deadline.

Knows nothing of how the worker was started: `confined.py` launches one as a process, other launchers may follow.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal

from rlm_search.errors import ToldToModel
from rlm_search.sandbox import wire
from rlm_search.sandbox.functions import HostFunction
from rlm_search.sandbox.journal import Exchange
from rlm_search.sandbox.protocol import (
    BadCall,
    Call,
    Done,
    Missing,
    NotPlain,
    Ready,
    SandboxLimits,
    Value,
    decode,
    encode,
)

VALUE_SECONDS = 30.0
"""How long the worker may take to hand over, or to take, a variable."""

_TOLD = (TypeError, ValueError, KeyError, IndexError, LookupError, RuntimeError, PermissionError, TimeoutError)
"""What an error told to the model is raised as there, where it is one of these too; else as `ToolError`."""


_MARGIN, _ERROR_CHARACTERS = 1_000, 10_000


class _OutOfTime(Exception):
    """The deadline of the exchange that is going on has passed."""


class SessionEnded(Exception):
    """The worker is gone or has to go; the session and its variables are lost."""

    def __init__(self, ended: Literal["killed", "crashed"], reason: str) -> None:
        super().__init__(reason)
        self.ended: Literal["killed", "crashed"] = ended
        self.reason = reason


class Diverged(Exception):
    """A cell that was run again asked the host for something else than the first time."""


class Session:
    """One conversation with one worker, one thread at a time."""

    def __init__(self, sock: socket.socket, limits: SandboxLimits) -> None:
        sock.setblocking(False)
        wire.widen(sock)
        self._sock, self._limits = sock, limits
        self._deadline = time.monotonic() + limits.start_seconds
        self._step = 0
        self._received = 0
        self._functions: dict[str, HostFunction] = {}
        self._stop: Exception | None = None
        self.in_cell = False
        self.ran: Done | None = None
        """How the last cell ended that came to its end."""
        self._calls = 0
        self._heard: list[Exchange] = []
        self._replayed: Iterator[Exchange] | None = None
        self._bound: list[tuple[str, Any]] = []
        self.usable = True
        """False once an exchange was cut off in the middle: nothing more can be asked."""

    def ready(self) -> Ready:
        """Wait until the worker has limited itself."""
        with self._ending("the worker did not start in time", self._limits.start_seconds):
            ready: Ready = self._expect(Ready, 0)
            return ready

    def configure(self, seed: int, *, unsafe_unconfined: bool = False) -> None:
        """Tell the worker its limits, and where `random` begins: the first message; it fits into the buffer."""
        names = ("memory_bytes", "cpu_seconds", "output_characters", "message_bytes")
        with self._ending("the worker did not take its settings", self._limits.start_seconds):
            given = {name: getattr(self._limits, name) for name in names}
            self._write(encode({"seed": seed, "unsafe_unconfined": unsafe_unconfined, **given}))

    def offer(self, functions: Mapping[str, Callable[..., Any]]) -> None:
        """Make host functions callable."""
        self._functions = {name: HostFunction.of(name, call) for name, call in functions.items()}
        described = [function.described() for function in self._functions.values()]
        self._request({"t": "offer", "functions": described})

    def set(self, name: str, value: Any) -> None:
        """Bind a variable.

        Raises:
            TypeError: not plain data.
            ValueError: longer than a message may be.
        """
        if self.in_cell:
            self._bound.append((name, value))
        if isinstance(value, str) and len(value) >= wire.RAW_CHARACTERS:
            self._request({"t": "set", "name": name, "raw": True}, wire.text_bytes(value))
            return
        self._request({"t": "set", "name": name, "value": value})

    def get(self, name: str) -> Any:
        """A variable's value; KeyError if there is none, ValueError if it is not plain data."""
        frame = self._request({"t": "get", "name": name})
        if isinstance(frame, Missing):
            raise KeyError(name)
        if isinstance(frame, NotPlain):
            raise ValueError(f"{name} is not plain data: {frame.why}")
        return frame.value

    def variables(self) -> dict[str, str]:
        """The names that were assigned, each with type and short repr."""
        frame = self._request({"t": "list"})
        return frame.value if isinstance(frame, Value) and isinstance(frame.value, dict) else {}

    def execute(self, code: str, seconds: float) -> Done:
        """Run a cell, answering its calls.

        Raises:
            SessionEnded: it did not stop, broke the protocol, or its process died.
            Exception: what a host function raised, once the cell has ended.
        """
        if self.in_cell:
            raise RuntimeError("a host function cannot run a cell of the session that called it")
        self._stop, self._heard = None, []
        late = f"the cell ran for more than {seconds:g} s and could not be stopped"
        step, message = self._message({"t": "execute", "code": code, "seconds": seconds})
        self.in_cell = True
        try:
            with self._ending(late, seconds + self._limits.grace_seconds):
                self._ask(message)
                done = self._until_done(step)
        except SessionEnded:
            if self._stop is None:
                raise
            raise self._stop from None  # what ended the cell matters more than that it had to be killed
        finally:
            self.in_cell = False
        self.ran = done
        if done.threads:
            self.usable = False
            raise SessionEnded("killed", f"{done.threads} background threads were left running, which is not allowed")
        if self._stop is not None:
            raise self._stop
        return done

    @property
    def heard(self) -> Sequence[Exchange]:
        """The calls of the last cell, and what was answered."""
        return self._heard

    def replay(self, code: str, seconds: float, exchanges: Sequence[Exchange]) -> Done:
        """Run a cell again, answering its calls as they were answered; no host function is called.

        Raises:
            Diverged: it asked for something else. It was stopped there.
            SessionEnded: as by `execute`.
        """
        self._replayed = iter(exchanges)
        try:
            return self.execute(code, seconds)
        finally:
            self._replayed = None

    def _until_done(self, step: int) -> Done:
        calls = call_bytes = 0
        while True:
            before = self._received
            frame = self._expect(Call | Done, step)
            if isinstance(frame, Done):
                return self._bounded(frame)
            calls += 1
            self._calls += 1
            call_bytes += self._received - before
            limits = self._limits
            over = calls > limits.calls or call_bytes > limits.call_bytes or self._calls > limits.session_calls
            self._answer(frame, over)

    def _answer(self, call: Call, over: bool) -> None:
        started = time.monotonic()
        deadline = self._deadline
        reply = self._repeated(call) if self._replayed is not None else self._given(call, over)
        paused = time.monotonic() - started
        self._deadline = deadline + paused  # the cell's clock stands while the host works; the worker's does alike
        if self._stop is not None:
            self._deadline = min(self._deadline, time.monotonic() + self._limits.grace_seconds)
        self._write(b'{"paused":%.6f,%b' % (paused, reply[1:]))

    def _bounded(self, done: Done) -> Done:
        """What the worker says of a cell is no longer than our own worker would make it."""
        room = self._limits.output_characters + _MARGIN
        if len(done.stdout) > room or len(done.error) > _ERROR_CHARACTERS or not 0 <= done.stdout_length < 1 << 63:
            raise wire.WireError("the report of a cell is longer than it may be")
        return done

    def _given(self, call: Call, over: bool) -> bytes:
        self._bound = []
        reply = self._encoded(call, self._over_budget() if over else self._reply(call))
        self._heard.append(Exchange(asked=_asked(call), bound=tuple(self._bound), reply=reply))
        return reply

    def _repeated(self, call: Call) -> bytes:
        exchange = next(self._replayed or iter(()), None)
        if self._stop is None and (exchange is None or exchange.asked != _asked(call)):
            self._stop = Diverged(f"{call.name[:80]}() was called with other arguments, or not at all, the first time")
        if self._stop is not None or exchange is None:
            return encode({"t": "abort"})
        for name, value in exchange.bound:
            self.set(name, value)
        return exchange.reply

    def _over_budget(self) -> dict[str, Any]:
        limits = self._limits
        message = f"a cell may make {limits.calls:,} calls with {limits.call_bytes:,} bytes of arguments; this one has"
        if self._calls > limits.session_calls:
            message = f"the {limits.session_calls:,} calls of this session are spent"
        return {"t": "raise", "kind": "RuntimeError", "message": message}

    def _reply(self, call: Call) -> dict[str, Any]:
        if self._stop is not None:  # the cell caught the abort and went on
            return {"t": "abort"}
        function = self._functions.get(call.name)
        try:
            if function is None:
                raise BadCall(f"there is no function {call.name[:80]!r}; there are: {', '.join(self._functions)}")
            return {"t": "return", "value": function.invoke(call.args, call.kwargs)}
        except ToldToModel as error:
            return _told(error)
        except SessionEnded:
            raise
        except Exception as error:  # noqa: BLE001  # ends the run: remembered here, raised when the cell has returned
            self._stop = error
            return {"t": "abort"}

    def _encoded(self, call: Call, reply: dict[str, Any]) -> bytes:
        try:
            message = encode(reply)
        except TypeError as error:  # a result that is no data: a mistake of the host's, not of the model's
            self._stop = error
            return encode({"t": "abort"})
        if len(message) <= self._limits.message_bytes:
            return message
        return encode(_told(BadCall(f"{call.name}(): its result of {len(message):,} bytes is too long; ask for less")))

    def _request(self, fields: dict[str, Any], raw: bytes = b"") -> Value | Missing | NotPlain:
        step, message = self._message(fields)
        self._check_length(raw)
        with self._ending("the worker did not answer in time", VALUE_SECONDS):
            self._ask(message)
            if raw:
                self._write(raw)
            frame: Value | Missing | NotPlain = self._expect(Value | Missing | NotPlain, step)
            if isinstance(frame, Value) and frame.raw:
                return Value(step=step, value=self._text())
        return frame

    def _message(self, fields: dict[str, Any]) -> tuple[int, bytes]:
        """A request and its step, ready to be sent; what cannot be sent is found out here, with nothing lost."""
        self._step += 1
        message = encode({**fields, "step": self._step})
        self._check_length(message)
        return self._step, message

    def _check_length(self, message: bytes) -> None:
        if len(message) > self._limits.message_bytes:
            raise ValueError(f"{len(message):,} bytes are more than a message of this session may have")

    def _ask(self, message: bytes) -> None:
        if wire.waited(self._sock, "read", 0):  # before we have asked anything
            raise wire.Closed if not self._sock.recv(1, socket.MSG_PEEK) else wire.WireError("a frame came unasked")
        self._write(message)

    def _write(self, message: bytes) -> None:
        wire.send(self._sock, message, self._wait)

    def _expect(self, kind: Any, step: int) -> Any:
        """The next frame, which must be of this kind and answer this step."""
        frame = decode(self._receive())
        if not isinstance(frame, kind) or frame.step != step:
            raise wire.WireError(f"a {type(frame).__name__.lower()} frame of step {frame.step} that nobody asked for")
        return frame

    def _text(self) -> str:
        try:
            return self._receive().decode()
        except UnicodeDecodeError as error:
            raise wire.WireError(f"a text that is none: {error}") from None

    def _receive(self) -> bytes:
        limit = min(self._limits.message_bytes, self._limits.session_bytes - self._received)
        message = wire.receive(self._sock, limit=limit, wait=self._wait)
        self._received += len(message)
        return message

    def _wait(self, direction: Literal["read", "write"]) -> None:
        left = self._deadline - time.monotonic()
        if left <= 0 or not wire.waited(self._sock, direction, left):
            raise _OutOfTime

    @contextmanager
    def _ending(self, late: str, seconds: float) -> Iterator[None]:
        """Give the worker so many seconds; whatever goes wrong meanwhile makes the session unusable."""
        outer, self._deadline = self._deadline, time.monotonic() + seconds
        try:
            yield
        except BaseException as error:  # noqa: BLE001  # raised again, Ctrl-C too: it has cut the exchange off
            self.usable = False
            raise _end(error, late) from None
        finally:
            self._deadline = outer


def _end(error: BaseException, late: str) -> BaseException:
    match error:
        case _OutOfTime():
            return SessionEnded("killed", late)
        case wire.Closed():
            return SessionEnded("crashed", "the process that ran the code died")
        case wire.WireError():
            return SessionEnded("killed", f"the code broke the sandbox's protocol: {error}")
        case _:
            return error


def _asked(call: Call) -> bytes:
    return encode({"name": call.name, "args": call.args, "kwargs": call.kwargs})


def _told(error: ToldToModel) -> dict[str, Any]:
    kind = next((kind.__name__ for kind in _TOLD if isinstance(error, kind)), "ToolError")
    message = str(error.args[0]) if error.args else type(error).__name__
    return {"t": "raise", "kind": kind, "message": message}
