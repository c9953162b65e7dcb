"""`LocalREPL`, `get_environment`: a session to run code in, which here is the confined process, or the container."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from rlm_search import assemble
from rlm_search.compat.rlm.completion import RLMChatCompletion, sandbox_of
from rlm_search.compat.rlm.tools import Tools
from rlm_search.context import Context
from rlm_search.types import Sandbox, variables_of

_SECONDS = 60.0


@dataclass
class REPLResult:
    """What a cell did; `locals` says of each variable what it is."""

    stdout: str
    stderr: str
    locals: Mapping[str, str]
    execution_time: float | None = None
    rlm_calls: list[RLMChatCompletion] = field(default_factory=list)
    final_answer: str | None = None


class LocalREPL:
    """A session whose variables last; `context` and `context_N` are what was given. Use as a context manager.

    Args:
        context_payload: a text, or data, which becomes JSON.
        setup_code: is run first.
        custom_tools: functions and data by name, as `RLM` takes them.
        sandbox: makes the session; by default the confined process.
    """

    def __init__(
        self,
        *,
        context_payload: Any = None,
        setup_code: str | None = None,
        custom_tools: Mapping[str, Any] | None = None,
        sandbox: Callable[[], Sandbox] | None = None,
    ) -> None:
        tools = Tools.of(custom_tools or {})
        self._contexts = 0
        self._sandbox = (sandbox or assemble.default_sandbox)()
        given = {**tools.data, "answer": {"content": "", "ready": False}}
        self._sandbox.start({tool.__name__: tool for tool in tools.functions}, given)
        if context_payload is not None:
            self.load_context(context_payload)
        if setup_code:
            self.execute_code(setup_code)

    def execute_code(self, code: str) -> REPLResult:
        """Run a cell; `final_answer` is that of `answer["content"]` once `answer["ready"]` is set."""
        began = time.monotonic()
        done = self._sandbox.execute(code, timeout=_SECONDS)
        return REPLResult(
            stdout=done.stdout,
            stderr=done.error,
            locals=variables_of(self._sandbox),
            execution_time=time.monotonic() - began,
            final_answer=self._final_answer(),
        )

    def load_context(self, context_payload: Any) -> None:
        """Bind the first context."""
        self.add_context(context_payload, 0)

    def add_context(self, context_payload: Any, context_index: int | None = None) -> int:
        """Bind one more as `context_N`; returns N."""
        number = self._contexts if context_index is None else context_index
        text = Context.of(context_payload).text
        self._sandbox.set(f"context_{number}", text)
        if number == 0:
            self._sandbox.set("context", text)
        self._contexts = max(self._contexts, number + 1)
        return number

    def get_context_count(self) -> int:
        """How many there are."""
        return self._contexts

    def cleanup(self) -> None:
        """End the session; no process is left."""
        self._sandbox.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.cleanup()

    def _final_answer(self) -> str | None:
        try:
            answer = self._sandbox.get("answer")
        except (KeyError, ValueError):
            return None
        is_ready = isinstance(answer, dict) and bool(answer.get("ready"))
        return str(answer["content"]) if is_ready and "content" in answer else None


def get_environment(environment: str, environment_kwargs: Mapping[str, Any]) -> LocalREPL:
    """The session of an environment: `local`, `ipython` or `docker`.

    Raises:
        ConfigError: one of the others, which are services.
    """
    given = {**environment_kwargs}
    image = {"image": given.pop("image")} if "image" in given else {}
    return LocalREPL(**given, sandbox=sandbox_of(environment, image))
