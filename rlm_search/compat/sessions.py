"""A sandbox that begins with variables of the caller's, and a tool by another name."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

from rlm_search.types import Execution, Sandbox, variables_of


class SandboxWithVariables:
    """A session in which these variables are set from the start. They are plain data."""

    def __init__(self, inner: Sandbox, variables: Mapping[str, Any]) -> None:
        self._inner, self._variables = inner, variables
        self.dialect = str(getattr(inner, "dialect", ""))

    def start(self, functions: Mapping[str, Callable[..., Any]], variables: Mapping[str, Any] | None = None) -> None:
        """Begin."""
        self._inner.start(functions, {**(variables or {}), **self._variables})

    def execute(self, code: str, *, timeout: float) -> Execution:
        """Run a cell."""
        return self._inner.execute(code, timeout=timeout)

    def get(self, name: str) -> Any:
        """A variable."""
        return self._inner.get(name)

    def set(self, name: str, value: Any) -> None:
        """Bind a variable."""
        self._inner.set(name, value)

    def variables(self) -> Mapping[str, str]:
        """What was assigned, where the sandbox can tell."""
        return variables_of(self._inner)

    def close(self) -> None:
        """End the session."""
        self._inner.close()


def named(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function under the name that the model is to call it by."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    call.__name__ = name
    return call
