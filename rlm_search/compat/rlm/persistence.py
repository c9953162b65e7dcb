"""Completions that share a session: variables stay, contexts and conversations are numbered as rlm numbers them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rlm_search import rlm
from rlm_search.session import Kept, KeptSandbox
from rlm_search.types import Execution

_SECONDS = 60.0


class Persistence:
    """What the completions of one `RLM(persistent=True)` share, one completion at a time.

    Args:
        runtime: whose sandbox is kept.
    """

    def __init__(self, runtime: rlm.RLM) -> None:
        self.kept = Kept(runtime)
        self._sandbox = NumberedContexts(self.kept.sandbox)
        self.kept.sandbox = self._sandbox  # type: ignore[assignment]  # a sandbox is all that a run asks of it
        self._histories = 0

    def told(self) -> str:
        """What the model has to know before the next completion."""
        if not self._sandbox.contexts:
            return ""
        earlier = ", ".join(f"`context_{number}`" for number in range(self._sandbox.contexts))
        history = ", ".join(f"`history_{number}`" for number in range(self._histories))
        return (
            f"This is the next completion of a session, which still has its variables. The context of this one is "
            f"`context_{self._sandbox.contexts}`, and `context` as well; those of earlier ones are {earlier}"
            f"{f', and their conversations {history}' if history else ''}."
        )

    def add_history(self, trajectory: Mapping[str, Any] | None) -> None:
        """Keep the conversation of the completion that is over, as `history_N`; the first is `history`, too."""
        turns = [turn for iteration in (trajectory or {}).get("iterations", ()) for turn in _turns(iteration)]
        self._sandbox.set(f"history_{self._histories}", turns)
        if not self._histories:
            self._sandbox.set("history", turns)
        self._histories += 1

    def close(self) -> None:
        """End the session; no process is left."""
        self._sandbox.end()


class NumberedContexts:
    """A kept sandbox that binds the context of each completion, and keeps those of earlier ones by their number."""

    def __init__(self, inner: KeptSandbox) -> None:
        self._inner = inner
        self.contexts = 0

    def start(self, functions: Mapping[str, Callable[..., Any]], variables: Mapping[str, Any] | None = None) -> None:
        """Begin, or go on with the context among the variables."""
        given = variables or {}
        goes_on = self._inner.has_begun
        self._inner.start(functions, given)
        if "ctx" not in given:
            return
        if goes_on:
            self._inner.set("ctx", given["ctx"])
        self._inner.execute(f"context_{self.contexts} = ctx.text", timeout=_SECONDS)
        self.contexts += 1

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
        """What was assigned."""
        return self._inner.variables()

    def close(self) -> None:
        """The completion is over, the session is not."""

    def end(self) -> None:
        """End the session."""
        self._inner.end()


def _turns(iteration: Mapping[str, Any]) -> list[dict[str, str]]:
    output = "".join(block["result"]["stdout"] + block["result"]["stderr"] for block in iteration["code_blocks"])
    return [{"role": "assistant", "content": iteration["response"]}, {"role": "user", "content": output}]
