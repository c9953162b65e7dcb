"""Tools of the caller's own: plain functions that the model may call beside ours."""

from __future__ import annotations

import functools
import inspect
import time
from collections.abc import Callable, Collection, Sequence
from typing import Any

from retrievers.redaction import redacted
from rlm_search.errors import ConfigError, RlmError, ToldToModel
from rlm_search.run import Run, ToolError
from rlm_search.trace.events import ToolCalled

_SHOWN = 500


def check_tools(tools: Sequence[Callable[..., Any]]) -> tuple[Callable[..., Any], ...]:
    """The tools, each a function with a name of its own.

    Raises:
        ConfigError: one cannot be called by a name, or two have the same.
    """
    names: set[str] = set()
    for tool in tools:
        name = getattr(tool, "__name__", "")
        if not callable(tool) or not name.isidentifier() or name.startswith("_"):
            raise ConfigError(f"{tool!r} cannot be a tool", hint="give functions with names and docstrings")
        if name in names:
            raise ConfigError(f"two tools are called `{name}`", hint="rename one")
        names.add(name)
    return tuple(tools)


def custom(run: Run, tools: Sequence[Callable[..., Any]], reserved: Collection[str]) -> list[Callable[..., Any]]:
    """Tools as the model may call them: charged to nothing, traced, and what they raise is told to it.

    Raises:
        ConfigError: one has the name of a function of ours.
    """
    for tool in tools:
        if tool.__name__ in reserved:
            raise ConfigError(f"the tool `{tool.__name__}` has the name of a function of the session", hint="rename it")
    return [_traced(run, tool) for tool in tools]


def _traced(run: Run, tool: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(tool)
    def call(*args: Any, **kwargs: Any) -> Any:
        run.budget.check()
        error, started = "", time.monotonic()
        try:
            return tool(*args, **kwargs)
        except (ToldToModel, RlmError):
            raise
        except Exception as raised:  # told to the model: what a function of the caller's raises
            error = redacted(f"{type(raised).__name__}: {raised}")[:_SHOWN]
            raise ToolError(f"{tool.__name__}: {error}") from raised
        finally:
            given = ", ".join([*map(repr, args), *(f"{name}={value!r}" for name, value in kwargs.items())])
            seconds = time.monotonic() - started
            run.trace.emit(ToolCalled(function=tool.__name__, arguments=given[:_SHOWN], seconds=seconds, error=error))

    if not inspect.getdoc(tool):
        call.__doc__ = "A tool of this run."
    return call
