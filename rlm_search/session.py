"""Follow-up questions: runs after one another that share a REPL with its variables, the evidence and the citations."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from threading import Lock
from typing import TYPE_CHECKING, Any, Self

from rlm_search import running
from rlm_search.citations import Citations
from rlm_search.context import Context
from rlm_search.documents import Documents
from rlm_search.errors import SandboxError
from rlm_search.evidence import Evidence
from rlm_search.types import Answer, Execution, Sandbox, variables_of

if TYPE_CHECKING:
    from rlm_search.rlm import RLM

_TURNS_TOLD = 10
_CHARACTERS_TOLD = 2_000
_ANSWER = "answer"


class Session:
    """Questions that build on one another. Use as a context manager; one question at a time.

    Variables, evidence and citations (with their markers) stay; limits hold for each question anew. The model is told
    the earlier questions and answers. After an error of the sandbox, variables are lost.

    Args:
        rlm: answers the questions.
        context: text to work on, for all of them: whatever `RLM.run` takes.

    Raises:
        ConfigError: the context is none, or too much.
    """

    def __init__(self, rlm: RLM, *, context: Any = None) -> None:
        self._rlm = rlm
        self._context = None if context is None else Context.of(context)
        self._turns: list[tuple[str, str]] = []
        self._lock = Lock()
        self.kept = Kept(rlm)

    def run(self, question: str, *, instructions: str = "", **options: Any) -> Answer:
        """Answer one more question; takes the other options of `RLM.run`, and raises what that raises."""
        with self._lock:
            told = f"{self._earlier()}\n\n{instructions}".strip()
            answer = self._rlm.run(question, context=self._context, instructions=told, kept=self.kept, **options)
            self._turns.append((question, answer.text or f"(no answer: {answer.reason})"))
            return answer

    async def arun(self, question: str, **options: Any) -> Answer:
        """`run` to be awaited; cancelling the task ends the run, and leaves the session."""
        return await running.awaited(lambda _, cancellation: self.run(question, cancellation=cancellation, **options))

    def close(self) -> None:
        """End the session; no process is left."""
        self.kept.sandbox.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _earlier(self) -> str:
        if not self._turns:
            return ""
        turns = "\n\n".join(
            f"Question: {question[:_CHARACTERS_TOLD]}\nAnswer: {answer[:_CHARACTERS_TOLD]}"
            for question, answer in self._turns[-_TURNS_TOLD:]
        )
        return (
            "This question follows others. Your session still has its variables (SHOW_VARS() lists them), and markers "
            f"of citations from before hold.\n\n{turns}"
        )


class Kept:
    """What runs of one session share."""

    def __init__(self, rlm: RLM) -> None:
        self.sandbox = KeptSandbox(rlm.new_sandbox, rlm.gates.auto_finalize_var)
        self.evidence = Evidence()
        self.documents = Documents(rlm.retriever) if rlm.retriever is not None else None
        self.citations = Citations(self.documents, self.evidence) if self.documents is not None else None


class KeptSandbox:
    """A sandbox that outlasts a run: started again, it has new functions and its old variables. `end` closes it.

    The variables by which a question may be finished, `answer` and `finishing`, are new for each.
    """

    def __init__(self, make: Callable[[], Sandbox], finishing: str = "") -> None:
        self._make = make
        self._finishing = finishing
        self._inner: Sandbox | None = None
        self._waiting: Sandbox | None = None
        self._functions: Mapping[str, Callable[..., Any]] = {}

    @property
    def has_begun(self) -> bool:
        """Whether there are variables of earlier questions."""
        return self._inner is not None

    def start(self, functions: Mapping[str, Callable[..., Any]], variables: Mapping[str, Any] | None = None) -> None:
        """Begin a session the first time; from then on, the functions lead to those of the run that is under way."""
        self._functions = functions
        given = variables or {}
        if self._inner is not None:
            if self._finishing:
                self._inner.set(self._finishing, None)
            if _ANSWER in given:
                self._inner.set(_ANSWER, given[_ANSWER])
            return
        self._inner, self._waiting = self._waiting or self._make(), None
        self._inner.start({name: self._leading_to(name, function) for name, function in functions.items()}, given)

    @property
    def dialect(self) -> str:
        """What the model has to know of the Python that is run; it is told before the sandbox is started."""
        if self._inner is None and self._waiting is None:
            self._waiting = self._make()
        return str(getattr(self._inner or self._waiting, "dialect", ""))

    def execute(self, code: str, *, timeout: float) -> Execution:
        """Run a cell."""
        try:
            return self._running().execute(code, timeout=timeout)
        except SandboxError:
            self.end()  # broken: the next question begins anew
            raise

    def get(self, name: str) -> Any:
        """A variable."""
        return self._running().get(name)

    def set(self, name: str, value: Any) -> None:
        """Bind a variable."""
        self._running().set(name, value)

    def variables(self) -> Mapping[str, str]:
        """What was assigned, where the sandbox can tell."""
        return variables_of(self._inner)

    def close(self) -> None:
        """The run is over, the session is not."""

    def end(self) -> None:
        """Close it."""
        inner, self._inner = self._inner, None
        if inner is not None:
            inner.close()

    def _running(self) -> Sandbox:
        assert self._inner is not None
        return self._inner

    def _leading_to(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            return self._functions[name](*args, **kwargs)

        return call
