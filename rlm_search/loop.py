"""The loop: ask the model, run its code, show it what came of it, until it finishes with an answer that stands."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from difflib import get_close_matches
from typing import Any

from rlm_search import actions, answers, prompts
from rlm_search.actions import Reply, TextFinish
from rlm_search.compaction import HistoryKeeper, HistoryPolicy
from rlm_search.errors import ContextTooLong
from rlm_search.history import History
from rlm_search.models.facts import facts_of
from rlm_search.policy import MAX_ANSWER_CHARACTERS, Policy, RunFailed
from rlm_search.repl import Repl
from rlm_search.run import Finish, Run
from rlm_search.tools import UNTOLD
from rlm_search.tools.finish import UNREADY, as_text, finish_of
from rlm_search.trace.events import FinishRefused, HistoryShortened, LimitWarned
from rlm_search.typed import Misfit
from rlm_search.types import Answer, CallOptions, Completion, Message, Model

_NO_ACTION = (
    "Your reply holds no code. Reply with one ```python block that calls the functions you have, or finish in code "
    'with FINAL("your answer").'
)
_CUT = "Your reply was cut off in the middle of a block of code, which was not run. Write less at once."
_INVENTED = (
    "What you wrote behind your code as if it were its output was left out, with all that followed: the output above "
    "is what the code really printed."
)
_SAME = "This step did exactly what the one before it did. Do something else, or finish with what you have."
_FALLBACK = "Your replies led nowhere, so this code was run for you:"
_STOP = ("\n<output>", "\n<error>")
"""How outputs are shown begins with these, so that a model which begins to invent one is stopped."""
_BESIDE = (
    "The answer that you wrote beside code was not taken: look at the output above first, then finish with FINAL(…)."
)


class Loop:
    """The turns of one run.

    Args:
        run: what it holds and writes to.
        model: the root model, metered and traced.
        repl: where its code runs.
        functions: what the code may call, by name.
        policy: the rules.
        history: how the conversation is kept.
        compact_prompt: say the rules briefly.
    """

    def __init__(
        self,
        run: Run,
        *,
        model: Model,
        repl: Repl,
        functions: Mapping[str, Callable[..., Any]],
        policy: Policy,
        history: HistoryPolicy | None = None,
        compact_prompt: bool = False,
    ) -> None:
        self._run = run
        self._model = model
        self._repl = repl
        self._functions = functions
        self._policy = policy
        self._watches_answer = False
        self._doubted: set[str] = set()
        rules = prompts.finishing(policy.gates, run.answer_type.schema if run.answer_type else None)
        told = {name: function for name, function in functions.items() if name not in UNTOLD}
        given = prompts.given(run.context) + repl.dialect + rules
        system = prompts.system(run.retriever, told, compact=compact_prompt) + given
        system += f"\n\n# For this question\n{run.instructions}" if run.instructions else ""
        self._history = History(system, run.question)
        self._keeper = HistoryKeeper(history or HistoryPolicy(), facts_of(model).window, self._put, self._kept)

    def answer(self) -> Answer:
        """Take turns until there is an answer.

        Raises:
            BudgetExceeded: a limit is spent.
            RunFailed: the model does not get there.
            ModelError: it is away or refuses.
            SandboxError: the sandbox is broken.
            RetrieverError: nothing could be searched, or nothing read, and the model found nothing.
        """
        self._repl.start(self._functions, {"answer": dict(UNREADY), "notes": []})
        while True:
            self._begin_step()
            completion = self._ask()
            self._history.said(completion.text)
            reply = actions.read(completion.text, is_cut=completion.finish_reason == "length")
            try:
                finish = self._act(reply)
            except RunFailed as failure:
                finish = self._fall_back(failure)
            if finish is not None and (answer := self._judge(finish)):
                return answer

    def _begin_step(self) -> None:
        if warned := self._policy.warning(self._run.budget):
            self._run.trace.emit(LimitWarned(kind=warned.kind, used=warned.used, limit=warned.limit))
            self._history.told(
                f"Almost at the limit `{warned.name}` ({warned.amount} used). "
                "Finish now with what you have found and cited."
            )
        self._run.budget.step()
        self._run.trace.step = self._run.budget.count("steps")

    def _ask(self) -> Completion:
        if shortened := self._keeper.fit(self._history):
            self._run.trace.emit(HistoryShortened(**asdict(shortened)))
        options = CallOptions(deadline=self._run.budget.deadline(), stop=_STOP, may_run_code=True)
        while True:
            try:
                return self._model.complete(self._history.messages(), options)
            except ContextTooLong:
                if not self._history.shorten():
                    raise

    def _put(self, messages: Sequence[Message]) -> str:
        """Ask the model outside of the conversation."""
        return self._model.complete(messages, CallOptions(deadline=self._run.budget.deadline())).text

    def _kept(self) -> tuple[Any, str]:
        """The variable `notes`, where there is one, and the names of all."""
        try:
            notes = self._repl.value("notes")
        except (KeyError, ValueError):
            notes = ""
        return notes, self._repl.variables()

    def _act(self, reply: Reply) -> Finish | None:
        """Do what the reply says; returns the finish that it comes to."""
        self._policy.count_reply(is_valid=bool(reply.cells or reply.finish))
        if reply.cells:
            finish = self._run_cells(reply.cells)
            if reply.invents:
                self._history.told(_INVENTED)
            if reply.finish:
                self._history.told(_BESIDE)
            return finish
        if reply.finish:
            return self._finish_in_text(reply.finish)
        self._history.told(_CUT if reply.is_cut else _NO_ACTION)
        return None

    def _run_cells(self, cells: tuple[str, ...]) -> Finish | None:
        """Run cells in order, to the first that fails or finishes."""
        shown: list[str] = []
        for number, code in enumerate(cells, 1):
            self._watches_answer = self._watches_answer or "ready" in code
            ran = self._repl.run(code)
            shown.append(ran.shown)
            self._history.told(ran.shown)
            self._policy.count_cell(has_failed=not ran.is_ok)
            if not ran.is_ok:
                self._not_taken(rest=len(cells) - number)
                return None
            if finish := self._finish_of_cell():
                return finish
        if self._policy.repeats((*cells, *shown)):
            self._history.told(_SAME)
        return None

    def _fall_back(self, failure: RunFailed) -> Finish | None:
        """In place of giving up: the code that was given for this case, once."""
        code = self._policy.fallback()
        if not code:
            raise failure
        self._history.told(f"{_FALLBACK}\n```python\n{code}\n```")
        return self._run_cells((code,))

    def _not_taken(self, *, rest: int) -> None:
        """Tell what does not count because the cell has failed."""
        if self._run.pending.finish or self._run.pending.variable:
            self._keep_draft(self._run.pending.finish)
            self._history.told("FINAL was called, but its cell failed, so the answer was not taken.")
        if rest:
            self._history.told(f"The {rest} further block(s) of your reply were not run.")

    def _finish_of_cell(self) -> Finish | None:
        """The finish of a cell that ran through: one it called for, or one that its variables are."""
        return self._pending_finish() or self._ready_answer() or self._set_variable()

    def _ready_answer(self) -> Finish | None:
        """`answer["content"] = …; answer["ready"] = True`, as models that were trained on it finish."""
        given = self._plain("answer") if self._watches_answer else None
        if not isinstance(given, dict) or not given.get("ready"):
            return None
        content = given.get("content")
        if content is not None and as_text(content).strip():
            return Finish(text=as_text(content), value=content)
        self._history.told('answer["ready"] is set, and answer["content"] is empty: put the answer into it first.')
        return None

    def _set_variable(self) -> Finish | None:
        """The variable whose value is the answer once it is set."""
        name = self._policy.gates.auto_finalize_var
        value = self._plain(name) if name else None
        if isinstance(value, dict) and value.keys() == UNREADY.keys():
            return None  # the form that every session begins with, or a model that fills it in
        if value is None or not self._policy.gates.takes(as_text(value)):
            return None
        return Finish(text=as_text(value), value=value)

    def _plain(self, name: str) -> Any:
        """A variable as plain data; None where it is not there, or no such data."""
        try:
            return self._repl.value(name)
        except (KeyError, ValueError):
            return None

    def _pending_finish(self) -> Finish | None:
        """The finish that a cell asked for and that ran through."""
        if self._run.pending.finish:
            return self._run.pending.finish
        return self._finish_with(self._run.pending.variable) if self._run.pending.variable else None

    def _finish_in_text(self, said: TextFinish) -> Finish | None:
        if said.kind == "variable":
            return self._finish_with(said.value)
        if said.is_word and (value := self._plain(said.value)) is not None:
            return self._unless_empty(said.value, finish_of(value, found=said.kind != "not_found"))
        if not said.is_word and any(map(self._is_known, said.names)):
            return self._run_cells((said.call,))
        if said.is_word and self._may_be_a_slip(said.value):
            return self._nothing(said.value, self._no_variable(said.value))
        if not said.value.strip():
            return self._nothing(said.value, "The answer is empty. Finish with FINAL(answer).")
        return Finish(text=said.value, found=said.kind != "not_found", value=said.value)

    def _is_known(self, name: str) -> bool:
        """Whether code may mean something by a name."""
        if name in self._functions or hasattr(builtins, name):
            return True
        try:
            self._repl.value(name)
        except KeyError:
            return False
        except ValueError:  # something that is no plain data
            return True
        return True

    def _may_be_a_slip(self, word: str) -> bool:
        """Whether a bare word looks more like the name of a variable than like an answer; asked again it is one."""
        if word in self._doubted:
            return False
        self._doubted.add(word)
        return "_" in word or bool(get_close_matches(word, self._repl.names(), n=1, cutoff=0.8))

    def _no_variable(self, name: str) -> str:
        return f"There is no variable {name!r}. {self._repl.variables()}"

    def _nothing(self, said: str, why: str) -> Finish | None:
        """A finish that came to nothing, which is told. Raises RunFailed where it was so too often in a row."""
        self._history.told(why)
        self._policy.repeats(("FINAL", said))
        return None

    def _finish_with(self, name: str) -> Finish | None:
        """The value of a variable as the answer; the model is told where there is none."""
        try:
            finish = finish_of(self._repl.value(name))
        except KeyError:
            return self._nothing(name, self._no_variable(name))
        except ValueError as error:
            return self._nothing(name, f"{name} cannot be an answer: {error}. Make it a string.")
        return self._unless_empty(name, finish)

    def _unless_empty(self, name: str, finish: Finish) -> Finish | None:
        if finish.text.strip():
            return finish
        return self._nothing(name, f"{name} is empty: put the answer into it first.")

    def _judge(self, finish: Finish) -> Answer | None:
        """Take the finish, or send it back with the reason."""
        if not finish.found and self._run.broken is not None:
            raise self._run.broken  # nobody has looked, whatever the model makes of it
        found = answers.checked(self._run, finish.text[: MAX_ANSWER_CHARACTERS + 1])
        refusal = self._policy.refusal(self._run, finish, found)
        value: Any = None
        if not refusal and finish.found and self._run.answer_type is not None:
            try:
                value = self._run.answer_type.read(finish.value)
            except Misfit as misfit:
                refusal = self._policy.misfit(str(misfit))
        if refusal:
            self._keep_draft(finish)
            self._run.trace.emit(FinishRefused(reason=refusal))
            self._history.told(refusal)
            return None
        return answers.finished(self._run, finish, found, value)

    def _keep_draft(self, finish: Finish | None) -> None:
        """Remember the best so far, for the case that the budget ends; nothing that was said before looking."""
        if (
            finish
            and finish.found
            and len(finish.text) <= MAX_ANSWER_CHARACTERS
            and (self._run.has_looked or self._run.retriever is None)
        ):
            self._run.draft = finish.text
