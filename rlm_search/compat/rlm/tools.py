"""Custom tools: functions that the model may call, and data that its session begins with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rlm_search import assemble
from rlm_search.compat.sessions import SandboxWithVariables, named
from rlm_search.errors import ConfigError
from rlm_search.sandbox.plain import NotPlain, plain
from rlm_search.types import Sandbox


@dataclass(frozen=True, slots=True)
class Tools:
    """What was given, sorted: functions, data by name, and what is said of the data."""

    functions: list[Callable[..., Any]]
    data: Mapping[str, Any]
    about: Mapping[str, str]

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Tools:
        """From functions and data by name, each bare or as `{"tool": …, "description": …}`.

        Raises:
            ConfigError: what cannot be sent to the session.
        """
        functions, data, about = [], {}, {}
        for name, entry in given.items():
            described = isinstance(entry, Mapping) and "tool" in entry
            tool = entry["tool"] if described else entry
            description = str(entry.get("description") or "") if described else ""
            if callable(tool):
                functions.append(_function(name, tool, description))
                continue
            try:
                data[name] = plain(tool)
            except NotPlain as error:
                raise ConfigError(f"the custom tool `{name}` is neither a function nor plain data: {error}") from None
            about[name] = description
        return cls(functions, data, about)

    def told(self) -> str:
        """What the model is told of the data; functions are told by their signature."""
        if not self.data:
            return ""
        lines = [
            f"- `{name}` ({type(self.data[name]).__name__}): {said}".rstrip(": ") for name, said in self.about.items()
        ]
        return "\n".join(["Your session has these variables, too:", *lines])

    def in_sandbox(self, make: Callable[[], Sandbox] | None) -> Callable[[], Sandbox] | None:
        """What makes a sandbox that begins with the data."""
        if not self.data:
            return make
        return lambda: SandboxWithVariables((make or assemble.default_sandbox)(), self.data)


def _function(name: str, function: Callable[..., Any], description: str) -> Callable[..., Any]:
    tool = named(name, function)
    if description:
        tool.__doc__ = description
    return tool
