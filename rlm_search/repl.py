"""The model's Python session: cells run in a sandbox, traced, and shown to the model as far as it can read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rlm_search.context import PRELUDE
from rlm_search.errors import SandboxError
from rlm_search.history import observed
from rlm_search.run import Pending, Run
from rlm_search.trace.events import CellFinished, CellStarted
from rlm_search.types import Sandbox, variables_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A cell that has run: what the model is shown of it, and whether it ran through."""

    shown: str
    is_ok: bool


class Repl:
    """One session of one run.

    Args:
        run: what the cells belong to.
        sandbox: where they run; started here, closed by whoever made it.
        cell_seconds: wall clock of one cell.
        output_characters: how much of a cell's output the model is shown.
    """

    def __init__(self, run: Run, sandbox: Sandbox, *, cell_seconds: float, output_characters: int) -> None:
        self._run = run
        self._sandbox = sandbox
        self._cell_seconds = cell_seconds
        self._output_characters = output_characters
        self._listed: Mapping[str, str] = {}

    def start(self, functions: Mapping[str, Callable[..., Any]], variables: Mapping[str, Any]) -> None:
        """Begin the session, in which these functions can be called and these variables are set.

        Raises:
            SandboxError: it does not start, or cannot hold the context of the run.
        """
        context = self._run.context
        given = variables if context is None else {**variables, "ctx": context.sent()}
        self._sandbox.start(functions, given)
        if context is not None:
            begun = self._sandbox.execute(PRELUDE, timeout=self._cell_seconds)
            if begun.ended != "ok":
                raise SandboxError(f"the sandbox cannot hold the context: {begun.error.splitlines()[-1][:200]}")
        self._listed = self._listing()

    def run(self, code: str) -> Ran:
        """Run a cell; what it asks for is in `run.pending` afterwards.

        Raises:
            BudgetExceeded: a limit was met by one of its calls.
            SandboxError: the sandbox is broken.
        """
        self._run.pending = Pending()
        self._run.trace.emit(CellStarted(code=code))
        left = self._run.budget.seconds_left()
        seconds = self._cell_seconds if left is None else min(self._cell_seconds, left + 0.1)
        try:
            execution = self._sandbox.execute(code, timeout=seconds)
        except BaseException as error:  # ends the run; its cell is closed in the trace first
            self._run.trace.emit(CellFinished(stdout="", shown="", error=type(error).__name__, ended="raised"))
            raise
        shown = observed(execution, self._output_characters)
        changes = self._changes() if execution.ended in ("ok", "raised") else ""  # else the session may be lost
        if execution.ended == "ok" and not execution.stdout.strip():
            shown = f"{shown}{changes}"
        if self._run.pending.shows_variables:
            shown = f"{shown}\n{self.variables()}"
        self._run.trace.emit(
            CellFinished(
                stdout=execution.stdout,
                shown=shown,
                error=execution.error,
                ended=execution.ended,
                seconds=execution.seconds,
            )
        )
        return Ran(shown=shown, is_ok=execution.ended == "ok")

    @property
    def dialect(self) -> str:
        """What the model has to know of the Python that it writes; "": it is Python."""
        return str(getattr(self._sandbox, "dialect", ""))

    def value(self, name: str) -> Any:
        """A variable as plain data; KeyError if there is none, ValueError if it is not plain data."""
        return self._sandbox.get(name)

    def variables(self) -> str:
        """The names that cells have assigned, a line each, where the sandbox can tell."""
        return "Variables:\n" + (_lines(self._listing()) or "(none)")

    def names(self) -> tuple[str, ...]:
        """The names that cells have assigned, where the sandbox can tell."""
        return tuple(self._listing())

    def _changes(self) -> str:
        """What a cell has assigned, to be told where it printed nothing."""
        before, self._listed = self._listed, self._listing()
        changed = {name: about for name, about in self._listed.items() if before.get(name) != about}
        return f"\nIt assigned:\n{_lines(changed)}" if changed else ""

    def _listing(self) -> Mapping[str, str]:
        return variables_of(self._sandbox)


def _lines(variables: Mapping[str, str]) -> str:
    return "\n".join(f"- {name}: {about}" for name, about in variables.items())
