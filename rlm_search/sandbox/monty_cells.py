"""One cell after another in a session of monty: run it, capture what it prints, tell what it raised."""

from __future__ import annotations

import ast
import keyword
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import TYPE_CHECKING, Any, TypeAlias

from rlm_search.sandbox import signatures
from rlm_search.sandbox.plain import NotPlain, plain

if TYPE_CHECKING:
    from pydantic_monty import ResourceLimits

    from rlm_search.sandbox.monty_guest import MontyGuest

Attempts: TypeAlias = Mapping[str, tuple[str, str]]
_ERROR_CHARACTERS, _LINE_CHARACTERS, _FRAMES_SHOWN = 8_000, 200, 8
_PLAIN = {"str", "int", "float", "bool", "NoneType", "list", "tuple", "dict", "set", "frozenset", "date", "datetime"}
_ALSO_PLAIN = {"time", "Counter", "defaultdict", "deque"}
_BUILTINS = [
    *(
        "print",
        "len",
        "range",
        "list",
        "dict",
        "str",
        "int",
        "float",
        "sum",
        "min",
        "max",
        "sorted",
        "enumerate",
        "zip",
    ),
    *("map", "isinstance", "type", "repr", "open", "any", "all"),
]
"""A cell that assigns to one of these spoils it for itself only."""
_OVER_TIME = "time limit exceeded"


class SessionGone(Exception):
    """Monty's process has ended, or may not go on; the host finds the stream closed."""


class MontyCells:
    """Runs cells in one session of monty.

    Args:
        session: of `pydantic_monty`, new.
        guest: answers calls of host functions, and has the output.
        limits: of the session, as monty was given them.
    """

    def __init__(self, session: Any, guest: MontyGuest, limits: ResourceLimits) -> None:
        self._session, self._guest, self._limits = session, guest, limits
        self._feeds = self._count = 0
        self._codes: dict[str, tuple[int, str]] = {}
        self._assigned: dict[str, None] = {}
        self._functions: list[str] = []
        self._hidden: set[str] = set()
        self._restoring = ""
        self._feed(resources.files("rlm_search.sandbox").joinpath("monty_prelude.py").read_text(encoding="utf-8"))
        self.offer(())

    def proven(self) -> dict[str, str]:
        """What must not be possible, tried: "held" for each that is refused, or what came of it."""
        much = (self._limits["max_memory"] or 0) + 1
        attempts: Attempts = {
            "files": (f"open({__file__!r}).read()", "PermissionError"),
            "environment": ("import os\nos.environ['PATH']", "RuntimeError"),
            "modules": ("import socket, subprocess, ctypes", "ModuleNotFoundError"),
            "memory": (f"'a' * {much}", "MemoryError"),
        }
        report = {name: self._attempted(code, error) for name, (code, error) in attempts.items()}
        return {**report, "time": "held" if self._limits["max_feed_duration_secs"] else "there is no limit"}

    def _attempted(self, code: str, error: str) -> str:
        from pydantic_monty import MontyError

        try:
            self._feed(code)
        except MontyError as refused:
            kind = type(refused.exception()).__name__
            return "held" if kind == error else f"it raised {kind}"
        return "it works"

    def offer(self, described: Sequence[Mapping[str, Any]]) -> None:
        """Bind functions that call the host's, now and after each cell."""
        source = []
        for function in described:
            name = str(function["name"])
            told = f"{name}{signatures.rebuild(function)}\n{function.get('doc') or ''}".rstrip()
            source.append(f"def {name}(*args, **kwargs):\n    return _asked({name!r}, args, kwargs)")
            source.append(f"_docs.append(({name}, {told!r}))")
            self._functions.append(name)
        every = [*_BUILTINS, *self._functions]
        source.append(f"_all = {every!r}\n_kept = ({', '.join(every)})")
        self._feed("\n".join(source))
        self._hidden = set(every)
        self._restoring = (
            f"_now = ({', '.join(every)})\n{', '.join(every)} = _kept\n"
            "[name for name, now, kept in zip(_all, _now, _kept) if now is not kept]"
        )

    def run(self, code: str) -> dict[str, Any]:
        """Run one cell; returns the fields of the frame that reports it.

        Raises:
            SessionGone: there can be no next one.
        """
        from pydantic_monty import MontyError

        output = self._guest.output
        output.clear()
        self._count += 1
        tree = _parsed(code)
        if tree is not None:
            self._assigned.update(dict.fromkeys(_assigned(tree)))
        ended, error = "ok", ""
        try:
            self._feed(_showing(code, tree), cell=code)
        except MontyError as raised:
            ended, error = "raised", self._told(raised)
        if self._guest.is_gone or self._session.worker_pid is None:
            raise SessionGone
        if self._guest.is_aborted:
            ended, error = "raised", "stopped by the host"
        for name in self._taken():
            output.write(f"note: {name} is a function of this session; what you assigned to it is not kept\n")
        return {
            "stdout": plain(output.value()),
            "stdout_length": output.length,
            "error": plain(error[:_ERROR_CHARACTERS]),
            "ended": ended,
        }

    def get(self, name: str) -> Any:
        """A variable as plain data.

        Raises:
            KeyError: there is none.
            NotPlain: it is no plain data.
        """
        from rlm_search.sandbox.monty_guest import whole

        kind, value = self._looked_up(name)
        if isinstance(value, str) and kind not in _PLAIN | _ALSO_PLAIN:
            raise NotPlain(f"it is of type {kind}, which is not plain data (str, int, float, list, dict …)")
        return whole(value)

    def _looked_up(self, name: str) -> tuple[str, Any]:
        from pydantic_monty import MontyError

        if not _is_name(name):
            raise KeyError(name)
        try:
            kind, value = self._feed(f"(type({name}).__name__, {name})")
        except MontyError as error:
            if isinstance(error.exception(), NameError):
                raise KeyError(name) from None
            raise NotPlain(str(error)) from None
        except (TypeError, ValueError) as error:  # two things that cannot be told apart, or an answer that is none
            raise NotPlain(str(error)) from None
        return str(kind), value

    def set(self, name: str, value: Any) -> None:
        """Bind a variable. Names that no code could write are bound to nothing."""
        if not _is_name(name):
            return
        self._assigned[name] = None
        self._feed(f"{name} = _revive({name})", inputs={name: value})

    def described(self) -> dict[str, str]:
        """The names that were assigned, each with its type and a short repr."""
        names = [name for name in self._assigned if name not in self._hidden]
        looked_at = [f"try: _seen[{name!r}] = _about({name})\nexcept Exception: pass" for name in names]
        seen = self._feed("\n".join(["_seen = {}", *looked_at, "_seen"]))
        return {str(name): str(plain(str(about))) for name, about in seen.items()} if isinstance(seen, dict) else {}

    def _taken(self) -> list[str]:
        """Put builtins and functions back; returns which had been overwritten."""
        from pydantic_monty import MontyError

        try:
            taken = self._feed(self._restoring)
        except MontyError:  # one of them had been put out of reach: the next cell finds the others as it left them
            return []
        return [name for name in taken if isinstance(name, str)] if isinstance(taken, list) else []

    def _feed(self, code: str, *, cell: str | None = None, inputs: Mapping[str, Any] | None = None) -> Any:
        if cell is not None:
            self._codes[f"<python-input-{self._feeds}>"] = self._count, cell
        self._feeds += 1
        try:
            return self._session.feed_run(
                code,
                inputs=dict(inputs or {}),
                external_lookup={"_call": self._guest.call},
                print_callback=lambda _, text: self._guest.output.write(text),
            )
        except RuntimeError as error:
            raise SessionGone from error  # it has ended before

    def _told(self, error: Any) -> str:
        """What is told of an exception: the frames of cells, each with its line, then what was raised."""
        raised = error.exception()
        frames = error.traceback() if hasattr(error, "traceback") else []
        if frames and frames[0].filename == "main.py":
            self._feeds -= 1  # too deeply nested to be counted as an input
        if isinstance(raised, TimeoutError) and not frames and _OVER_TIME in str(error):
            raise SessionGone
        if isinstance(raised, SystemExit):
            return "SystemExit: exit() ends the cell and nothing else; variables are kept"
        headline = error.display("type-msg") if hasattr(error, "display") else f"{type(raised).__name__}: {error}"
        return "\n".join([*self._trail(frames), headline])

    def _trail(self, frames: Sequence[Any]) -> list[str]:
        known = [(*self._codes[frame.filename], frame) for frame in frames if frame.filename in self._codes]
        lines = []
        for number, code, frame in known[-_FRAMES_SHOWN:]:
            where = "" if frame.function_name in ("<module>", None) else f", in {frame.function_name}"
            lines.append(f"  cell {number}, line {frame.line}{where}")
            source = code.splitlines()[frame.line - 1 : frame.line]
            lines += [f"    {line.strip()[:_LINE_CHARACTERS]}" for line in source if line.strip()]
        return ["Traceback (most recent call last):", *lines] if lines else []


def _is_name(name: str) -> bool:
    return re.fullmatch(r"[A-Za-z_]\w*", name) is not None and not keyword.iskeyword(name)


def _parsed(code: str) -> ast.Module | None:
    """The cell as Python reads it; None where it does not: monty then says what is wrong."""
    try:
        return ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _showing(code: str, tree: ast.Module | None) -> str:
    """The cell, in which the value of a last expression is shown."""
    last = tree.body[-1] if tree is not None and tree.body else None
    if not isinstance(last, ast.Expr) or last.end_lineno is None or last.end_col_offset is None:
        return code
    lines = code.encode("utf-8", "replace").splitlines(keepends=True)
    end, column = last.end_lineno - 1, last.end_col_offset  # columns are counted in bytes
    lines[end] = lines[end][:column] + b"))" + lines[end][column:]
    start, column = last.lineno - 1, last.col_offset
    lines[start] = lines[start][:column] + b"_show((" + lines[start][column:]
    return b"".join(lines).decode()


def _assigned(tree: ast.Module) -> list[str]:
    """The names that a cell assigns at its top level."""
    found: list[str] = []
    waiting: list[ast.AST] = list(reversed(tree.body))
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.append(node.name)
            continue
        if isinstance(node, ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.append(node.id)
        waiting.extend(reversed(list(ast.iter_child_nodes(node))))
    return [name for name in found if not name.startswith("_")]
