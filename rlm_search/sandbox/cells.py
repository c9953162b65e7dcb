"""One cell after another, in the worker: run it, capture what it prints, echo its last value, tell what it raised."""

from __future__ import annotations

import ast
import gc
import io
import linecache
import signal
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

from rlm_search.sandbox.guest import Table, short

ECHO_CHARACTERS = 4_000
_MESSAGE_CHARACTERS = 2_000
_LINE_CHARACTERS = 200
_FRAMES_SHOWN = 4
_RECURSION_LIMIT = 1_000
_REPEAT_SECONDS = 0.05
"""How soon the alarm rings again, for a cell that swallowed the first."""


class CellTimeout(BaseException):
    """The cell's time is up. Not an `Exception`, so that an honest `except Exception` lets it through."""


class CellAborted(BaseException):
    """The host wants the cell to end: a budget is spent, or a host function broke."""


class Output(io.TextIOBase):
    """Stands in for stdout and stderr: keeps the first and the last characters written, and counts them all."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._room = limit // 2
        self.clear()

    def clear(self) -> None:
        """Forget everything, for the next cell."""
        self._head: list[str] = []
        self._tail: list[str] = []
        self._head_length = self._tail_length = self.length = 0

    def write(self, text: str) -> int:
        """Take a piece of output."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self.length += len(text)
        rest = text
        if self._head_length < self._room:
            taken = text[: self._room - self._head_length]
            self._head.append(taken)
            self._head_length += len(taken)
            rest = text[len(taken) :]
        if rest:
            rest = rest[-self._room :]
            self._tail.append(rest)
            self._tail_length += len(rest)
            if self._tail_length > 4 * self._room:
                self._fold()
        return len(text)

    def value(self) -> str:
        """Head and tail, and between them how much was left out."""
        self._fold()
        left_out = self.length - self._head_length - self._tail_length
        gap = f"\n… {left_out:,} of {self.length:,} characters left out …\n" if left_out > 0 else ""
        return "".join([*self._head, gap, *self._tail])

    def _fold(self) -> None:
        tail = "".join(self._tail)[-self._room :]
        self._tail, self._tail_length = [tail], len(tail)

    def writable(self) -> bool:
        """It is."""
        return True

    @property
    def encoding(self) -> str:  # type: ignore[override]  # read-only here, as it is for sys.stdout
        """What a terminal would say."""
        return "utf-8"


class Clock:
    """The soft limit: an alarm that raises `CellTimeout` in the cell, stopped while the host works."""

    def __init__(self) -> None:
        self._armed = False
        self._left = 0.0

    def install(self) -> None:
        """Take the alarm signal. Main thread only."""
        signal.signal(signal.SIGALRM, self._ring)

    def start(self, seconds: float) -> None:
        """Give the cell its time."""
        self._left = max(seconds, 0.001)
        self.resume()

    def pause(self) -> None:
        """Stand still: from here to `resume` nothing is raised."""
        self._armed = False
        self._left = signal.setitimer(signal.ITIMER_REAL, 0)[0]

    def resume(self, spent: float = 0.0) -> None:
        """Go on with what time is left, less `spent` seconds that did not stand still after all."""
        self._left -= spent
        self._armed = True
        signal.setitimer(signal.ITIMER_REAL, max(self._left, 0.001), _REPEAT_SECONDS)

    def stop(self) -> None:
        """The cell is over."""
        self._armed = False
        signal.setitimer(signal.ITIMER_REAL, 0)

    def _ring(self, *_: Any) -> None:
        if self._armed:
            raise CellTimeout


class Cells:
    """Runs cells in one namespace, which lasts."""

    def __init__(
        self, namespace: dict[str, Any], output: Output, clock: Clock, rebind: Callable[[], list[str]]
    ) -> None:
        self._namespace, self._output, self._clock, self._rebind = namespace, output, clock, rebind
        self._count = 0
        self._tracing = sys.gettrace(), sys.getprofile()

    def run(self, code: str, seconds: float) -> dict[str, Any]:
        """Run one cell for at most `seconds`; returns the fields of the frame that reports it."""
        self._count += 1
        name = f"<cell {self._count}>"
        _remember(name, code)
        self._rebind()
        self._output.clear()
        capture(self._output)
        ended, error = self._guarded(code, name, seconds)
        _put_right(*self._tracing)
        for taken in self._rebind():
            self._output.write(f"note: {taken} is a function of this session; what you assigned to it is not kept\n")
        return {
            "stdout": self._output.value(),
            "stdout_length": self._output.length,
            "error": error[: 4 * _MESSAGE_CHARACTERS],
            "ended": ended,
        }

    def _guarded(self, code: str, name: str, seconds: float) -> tuple[str, str]:
        # The alarm may ring anywhere in here, also while the clock is being stopped: hence the outer try.
        try:
            try:
                self._clock.start(seconds)
                return self._told(code, name)
            finally:
                self._clock.stop()
        except CellTimeout as late:
            self._clock.stop()
            return "timeout", _timeout_words(late, seconds)
        except CellAborted:
            self._clock.stop()
            return "raised", "stopped by the host"
        except MemoryError:
            self._clock.stop()
            return "raised", "MemoryError: the cell used more memory than it has; variables are kept"

    def _told(self, code: str, name: str) -> tuple[str, str]:
        try:
            self._run(code, name)
        except (CellTimeout, CellAborted):
            raise
        except SystemExit:
            return "raised", "SystemExit: exit() ends the cell and nothing else; variables are kept"
        except BaseException as error:  # noqa: BLE001  # whatever the model's code raises is told to the model
            return "raised", describe(error)
        return "ok", ""

    def _run(self, code: str, name: str) -> None:
        tree = ast.parse(code, name)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        if tree.body:
            self._evaluate(compile(tree, name, "exec", _FLAGS, dont_inherit=True))
        if isinstance(last, ast.Expr):
            self._echo(self._evaluate(compile(ast.Expression(last.value), name, "eval", _FLAGS, dont_inherit=True)))

    def _evaluate(self, code: types.CodeType) -> Any:
        value = eval(code, self._namespace)  # noqa: S307  # running the model's code is what this process is for
        if code.co_flags & _COROUTINE:
            import asyncio  # loaded already; not at the top, for the sake of those who import this on the host

            return asyncio.run(value)
        return value

    def _echo(self, value: Any) -> None:
        if value is None:
            return
        self._namespace["_"] = value
        text = repr(value)
        if len(text) > ECHO_CHARACTERS and not isinstance(value, Table):
            half = ECHO_CHARACTERS // 2
            text = f"{text[:half]}\n… {len(text) - 2 * half:,} of {len(text):,} characters left out …\n{text[-half:]}"
        self._output.write(text + "\n")


_FLAGS = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
_COROUTINE = 0x80  # inspect.CO_COROUTINE: the cell awaits at its top level


def _put_right(trace: Any, profile: Any) -> None:
    """Undo what would spoil the next cell, and our own work before that; back to what was there before the first."""
    sys.setrecursionlimit(_RECURSION_LIMIT)
    sys.settrace(trace)
    sys.setprofile(profile)
    gc.enable()


def _remember(name: str, code: str) -> None:
    """Let tracebacks and `inspect.getsource` find the cell's lines."""
    linecache.cache[name] = (len(code), None, code.splitlines(keepends=True), name)


def describe(error: BaseException) -> str:
    """A traceback for the model: frames of its own code only, each with its line, then what was raised."""
    if isinstance(error, SyntaxError) and str(error.filename).startswith("<cell"):
        return _syntax(error)
    lines = list(_trail(error))
    if error.__cause__ is not None:
        lines.append(f"  caused by {_headline(error.__cause__)}")
    return "\n".join([*lines, _headline(error)])


def _trail(error: BaseException) -> Iterator[str]:
    frames = [(frame.f_code, line) for frame, line in _walk(error.__traceback__) if _is_cell(frame)]
    if not frames:
        return
    yield "Traceback (most recent call last):"
    left_out = len(frames) - 2 * _FRAMES_SHOWN
    for position, (code, line) in enumerate(frames):
        if left_out > 0 and _FRAMES_SHOWN <= position < _FRAMES_SHOWN + left_out:
            if position == _FRAMES_SHOWN:
                yield f"  … {left_out} more frames …"
            continue
        where = "" if code.co_name == "<module>" else f", in {code.co_name}"
        yield f"  {code.co_filename[1:-1]}, line {line}{where}"
        if source := linecache.getline(code.co_filename, line).strip():
            yield f"    {source[:_LINE_CHARACTERS]}"


def _walk(traceback: types.TracebackType | None) -> Iterator[tuple[types.FrameType, int]]:
    while traceback is not None:
        yield traceback.tb_frame, traceback.tb_lineno
        traceback = traceback.tb_next


def _is_cell(frame: types.FrameType) -> bool:
    return frame.f_code.co_filename.startswith("<cell")


def _headline(error: BaseException) -> str:
    name = type(error).__name__
    try:
        message = str(error)
    except Exception:  # noqa: BLE001  # told to the model: its own __str__ is broken
        message = "(its message cannot be shown)"
    if len(message) > _MESSAGE_CHARACTERS:
        message = f"{message[:_MESSAGE_CHARACTERS]}… ({len(message):,} characters)"
    notes = "".join(f"\n{short(note, _LINE_CHARACTERS)}" for note in getattr(error, "__notes__", [])[:5])
    return (f"{name}: {message}" if message else name) + notes


def _syntax(error: SyntaxError) -> str:
    line = (error.text or "").rstrip("\n")
    lines = [f"  {str(error.filename)[1:-1]}, line {error.lineno}"]
    if line.strip():
        indent = len(line) - len(line.lstrip())
        lines.append(f"    {line.strip()[:_LINE_CHARACTERS]}")
        if error.offset and error.offset - 1 - indent < _LINE_CHARACTERS:
            lines.append("    " + " " * max(error.offset - 1 - indent, 0) + "^")
    return "\n".join([*lines, f"{type(error).__name__}: {error.msg}"])


def _timeout_words(late: CellTimeout, seconds: float) -> str:
    lines = [f"TimeoutError: the cell ran for {seconds:g} s, its limit, and was stopped; what it had assigned is kept"]
    if where := list(_trail(late))[-2:]:
        lines += ["It was at:", *where]
    return "\n".join(lines)


def capture(output: Output) -> None:
    """Let everything that prints, print there."""
    sys.stdout = sys.stderr = output
