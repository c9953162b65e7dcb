"""`PythonREPL` and `MontyREPL`: a session to run code in, which here is the confined process, whatever its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self, runtime_checkable

from rlm_search import assemble
from rlm_search.compat.sessions import named
from rlm_search.context import Context
from rlm_search.errors import ConfigError
from rlm_search.types import Sandbox, variables_of

__all__ = ["ExecResult", "MontyLimits", "MontyREPL", "PythonREPL", "REPLProtocol"]

_NO_VARIABLES = "No variables created yet. Write code to create variables first."
_NO_LIMIT = 1_000_000.0


@dataclass(frozen=True)
class ExecResult:
    """What a cell printed, and how it failed; None if it did not."""

    stdout: str
    error: str | None


@runtime_checkable
class REPLProtocol(Protocol):
    """What the two have in common."""

    def exec(self, code: str) -> ExecResult:
        """Run a cell."""
        ...

    def get(self, name: str) -> Any:
        """A variable."""
        ...

    def set(self, name: str, value: Any) -> None:
        """Bind a variable."""
        ...

    def snapshot_state(self) -> dict[str, str]:
        """What each variable is."""
        ...

    def describe_state(self, max_items: int = 20) -> str:
        """The same as lines."""
        ...


class PythonREPL:
    """A session whose variables last from cell to cell; its process starts with the first cell.

    Variables are plain data, or a `Context`. Functions are set before the first cell, run in your own process, and can
    be called from the session. `close` it, or use it as a context manager; else it ends with this process.

    Args:
        stdout_limit: characters of what a cell printed that are kept.
        exec_timeout: seconds of a cell; None is no limit.
        allowed_modules: taken for the sake of old programs: the sandbox has its own list.
        allowed_builtins: likewise.
    """

    def __init__(
        self,
        *,
        stdout_limit: int = 16_000,
        allowed_modules: Mapping[str, Any] | None = None,
        allowed_builtins: Mapping[str, Any] | None = None,
        exec_timeout: float | None = 60.0,
    ) -> None:
        self._stdout_limit, self._seconds = stdout_limit, exec_timeout or _NO_LIMIT
        self._functions: dict[str, Callable[..., Any]] = {}
        self._given: dict[str, Any] = {}
        self._sandbox: Sandbox | None = None

    def exec(self, code: str) -> ExecResult:
        """Run a cell; the value of a last expression is printed.

        Raises:
            SandboxError: the process does not start, or broke.
        """
        if not code.strip():
            return ExecResult(stdout="", error=None)
        done = self._running().execute(code, timeout=self._seconds)
        cut = "" if len(done.stdout) <= self._stdout_limit else "...<truncated>"
        return ExecResult(stdout=done.stdout[: self._stdout_limit] + cut, error=done.error or None)

    def get(self, name: str) -> Any:
        """A variable; None if there is none.

        Raises:
            ValueError: it is no plain data.
        """
        try:
            return self._running().get(name)
        except KeyError:
            return self._functions.get(name)

    def set(self, name: str, value: Any) -> None:
        """Bind a variable, or a function that cells can call.

        Raises:
            ConfigError: a function after the first cell.
        """
        if callable(value):
            if self._sandbox is not None:
                raise ConfigError(f"`{name}` is a function: set it before the first cell")
            self._functions[name] = named(name, value)
            return
        value = value.sent() if isinstance(value, Context) else value
        if self._sandbox is None:
            self._given[name] = value
        else:
            self._sandbox.set(name, value)

    def restore_names(self, names: Mapping[str, Any]) -> None:
        """Bind these; functions are put back before each cell anyway."""
        for name, value in names.items():
            if name not in self._functions:
                self.set(name, value)

    def show_vars(self) -> str:
        """The variables with their types, in one line."""
        kinds = [f"{name} ({about.partition(':')[0].split()[0]})" for name, about in self.snapshot_state().items()]
        return f"Available variables: {', '.join(kinds)}" if kinds else _NO_VARIABLES

    def snapshot_state(self) -> dict[str, str]:
        """What each variable is, in a few words."""
        found = variables_of(self._running())
        return {name: found[name] for name in sorted(found) if not name.startswith("_")}

    def describe_state(self, max_items: int = 20) -> str:
        """The same as lines."""
        state = self.snapshot_state()
        if not state:
            return "No user variables available."
        lines = [f"{name} = {about}" for name, about in list(state.items())[:max_items]]
        more = [f"... and {len(state) - max_items} more variable(s)"] if len(state) > max_items else []
        return "\n".join(["REPL state:", *lines, *more])

    def close(self) -> None:
        """End the session; no process is left. The next cell begins another."""
        sandbox, self._sandbox = self._sandbox, None
        if sandbox is not None:
            sandbox.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _running(self) -> Sandbox:
        if self._sandbox is None:
            sandbox = assemble.default_sandbox()
            sandbox.start(self._functions, self._given)
            self._sandbox = sandbox
        return self._sandbox


@dataclass(frozen=True)
class MontyLimits:
    """Limits of a session; of these the seconds hold here, the others are those of the sandbox."""

    max_duration_secs: float = 5.0
    max_memory: int = 128 * 1024 * 1024
    max_allocations: int = 1_000_000
    max_recursion_depth: int = 100

    def to_dict(self) -> dict[str, float]:
        """As plain data."""
        return {
            "max_duration_secs": self.max_duration_secs,
            "max_memory": self.max_memory,
            "max_allocations": self.max_allocations,
            "max_recursion_depth": self.max_recursion_depth,
        }


def MontyREPL(*, stdout_limit: int = 16_000, limits: MontyLimits | None = None) -> PythonREPL:  # noqa: N802  # theirs
    """The same session: all of Python in a confined process, in place of a part of it in an interpreter of its own."""
    return PythonREPL(stdout_limit=stdout_limit, exec_timeout=(limits or MontyLimits()).max_duration_secs)
