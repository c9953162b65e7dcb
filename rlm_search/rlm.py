"""`RLM`: the parts of a system put together once, and a run of their own for each question."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retrievers.protocols import RetrieverProtocol
from retrievers.redaction import without_hosts
from retrievers.rerankers import Reranker
from rlm_search import answers, direct, running, typed
from rlm_search.budget import Budget
from rlm_search.cancelling import Cancellation
from rlm_search.compaction import HistoryPolicy
from rlm_search.context import Context
from rlm_search.context_engineer import ContextEngineer, Preparation
from rlm_search.errors import BudgetExceeded
from rlm_search.estimates import Approval
from rlm_search.gates import Gates
from rlm_search.history import OUTPUT_CHARACTERS
from rlm_search.loop import Loop
from rlm_search.mapping import Answers
from rlm_search.models.metered import MeteredModel
from rlm_search.models.traced import TracedModel
from rlm_search.policy import Policy, RunFailed
from rlm_search.repl import Repl
from rlm_search.run import Run
from rlm_search.running import Outcome
from rlm_search.tools import DelegateTools, offered
from rlm_search.tools.custom import check_tools
from rlm_search.tools.pdfs import DocumentPolicy
from rlm_search.trace.events import AnyEvent, RunStarted
from rlm_search.trace.trace import Listener, Trace
from rlm_search.types import Answer, Limits, Model, Sandbox
from rlm_search.verification import verified

if TYPE_CHECKING:
    from rlm_search.session import Kept, Session


class RLM:
    """Answers questions by letting a model write Python that searches. Safe to use from several threads at once.

    Args:
        model: the root model, or its spec (`openai:gpt-5-mini`, `ollama:qwen3:8b`, `extractive`).
        retriever: what is searched, or the path or URL of an index; None for a REPL without documents.
        sub_model: what `llm_query` asks; by default the root model.
        deeper_models: the root models of runs at depth 1, 2, … that `rlm_query` starts; the last holds for all deeper.
        limits: what each run may use.
        history: how a run keeps its conversation with the root model.
        approval: is asked before calls that together cost much.
        rerankers: by name, what a search may be reranked by (`rerank=`) beside the sub-model; the first is the usual.
        doc_tools: offer the document tools of pyrlm-runtime (`list_pdfs`, `read_pdf_pages` …), within this policy.
        sandbox: makes the sandbox of a run; by default a confined process.
        listeners: are given every event of every run.
        require_citations: an answer without a citation that holds is not returned, and its sentences without one are
            marked (`Answer.doubts`).
        verify: the sub-model is shown each claim of an answer with its quotes only; those not borne out are marked.
        verifier: another model for that.
        tools: functions of your own that the model may call: it is told their signatures and the first line of their
            docstrings; they take and return plain data, and may be called from several threads.
        gates: what must have happened before an answer counts, and when a run is given up.
        cell_seconds: wall clock of one cell.
        output_characters: how much of a cell's output the model is shown.
        compact_prompt: tell the model the rules and tools briefly: for small models, and windows that are.
        context_engineer: prepares the sub-model for pieces of a context that is given.
    """

    def __init__(
        self,
        *,
        model: Model | str,
        retriever: RetrieverProtocol | str | Path | None = None,
        sub_model: Model | str | None = None,
        deeper_models: Sequence[Model | str] = (),
        limits: Limits | None = None,
        history: HistoryPolicy | None = None,
        approval: Approval | None = None,
        rerankers: Mapping[str, Reranker] | None = None,
        doc_tools: DocumentPolicy | bool = False,
        sandbox: Callable[[], Sandbox] | None = None,
        listeners: Sequence[Listener] = (),
        require_citations: bool = False,
        verify: bool = False,
        verifier: Model | str | None = None,
        gates: Gates | None = None,
        tools: Sequence[Callable[..., Any]] = (),
        cell_seconds: float = 60.0,
        output_characters: int = OUTPUT_CHARACTERS,
        compact_prompt: bool = False,
        context_engineer: ContextEngineer | None = None,
    ) -> None:
        from rlm_search import assemble  # which knows every part, this one included

        self.model = assemble.model_of(model)
        self.sub_model = assemble.model_of(sub_model) if sub_model is not None else self.model
        self.deeper_models = tuple(assemble.model_of(deeper) for deeper in deeper_models)
        self.retriever = assemble.retriever_of(retriever)
        self.limits = limits or Limits()
        self._sandbox = sandbox or assemble.default_sandbox
        self._history = history or HistoryPolicy()
        self._approval = approval or Approval()
        self._listeners = tuple(listeners)
        self._require_citations = require_citations
        self._verify = verify
        self._verifier = assemble.model_of(verifier) if verifier is not None else self.sub_model
        self.gates = gates or Gates()
        self._tools = check_tools(tools)
        self._cell_seconds = cell_seconds
        self._output_characters = output_characters
        self._compact_prompt = compact_prompt
        self._engineer = context_engineer
        self._mapped = Answers()
        self._rerankers = dict(rerankers or {})
        self._doc_tools = DocumentPolicy() if doc_tools is True else doc_tools or None

    def run(
        self,
        question: str,
        *,
        context: Any = None,
        instructions: str = "",
        answer_type: Any = None,
        run_id: str = "",
        listeners: Sequence[Listener] = (),
        cancellation: Cancellation | None = None,
        kept: Kept | None = None,
    ) -> Answer:
        """Answer a question in a run of its own.

        Args:
            question: in any language.
            context: text to work on, beside the index or in place of one: a Context, a text, texts, texts by name, or
                other data. The model has it in its session as `P` and `ctx`; it is never shown all of it.
            instructions: what the model is told beside the rules, of this question alone.
            answer_type: what the answer has to be, told to the model and checked: a JSON schema, a pydantic model, a
                dataclass or another type; `Answer.value` is then an instance. None: text.
            run_id: how the run is called in the trace; by default a new id.
            listeners: are given the events of this run, beside those of all runs.
            cancellation: ends the run from another thread.
            kept: what earlier questions of a `Session` left.

        Returns:
            The answer, whatever its status: a run that comes to nothing says so, and why.

        Raises:
            ConfigError: `answer_type` is no type of an answer, or the context is no text, or too much.
            ModelError: the model is away, or refuses.
            SandboxError: the sandbox does not start, or broke.
            RetrieverError: the index cannot be asked.
            RunCancelled: it was ended from outside.
        """
        trace = Trace(run_id, listeners=(*self._listeners, *listeners))
        run = Run(
            question=question,
            retriever=self.retriever,
            budget=Budget(self.limits, cancellation=cancellation),
            trace=trace,
            mapped=self._mapped,
            instructions=instructions,
            marks_uncited=self._require_citations or self._verify,
            answer_type=None if answer_type is None else typed.answer_type(answer_type),
            context=None if context is None else Context.of(context),
            evidence=kept.evidence if kept else None,
            documents=kept.documents if kept else None,
            citations=kept.citations if kept else None,
        )
        return self._carry_out(run, kept.sandbox if kept else None)

    def ask(
        self,
        question: str,
        text: str,
        *,
        run_id: str = "",
        listeners: Sequence[Listener] = (),
        cancellation: Cancellation | None = None,
    ) -> Answer:
        """Put a question and a text that is small enough to the root model, once: no code, no sandbox.

        Traced, limited and answered as a run is; it raises what `run` raises of the model. The status is `not_found`
        where the model says that the text does not hold the answer.
        """
        trace = Trace(run_id, listeners=(*self._listeners, *listeners))
        budget = Budget(self.limits, cancellation=cancellation)
        run = Run(question=question, retriever=None, budget=budget, trace=trace)
        model = TracedModel(MeteredModel(self.model, run.budget, "root"), trace, "root")
        return self._traced(run, lambda: direct.answer(run, model, text))

    def stream(self, question: str, **options: Any) -> Generator[AnyEvent, None, Answer]:
        """The events of a run as they happen; the generator's value is the answer. Closing it ends the run.

        Takes the options of `run`, and raises at its end what that raises.
        """
        return running.stream(
            lambda heard, cancellation: self.run(question, listeners=[heard], cancellation=cancellation, **options)
        )

    async def arun(self, question: str, **options: Any) -> Answer:
        """`run` to be awaited; cancelling the task ends the run."""
        return await running.awaited(lambda _, cancellation: self.run(question, cancellation=cancellation, **options))

    def run_many(self, questions: Iterable[str], *, workers: int = 4, **options: Any) -> Generator[Outcome, None, None]:
        """The outcome of each question in their order, `workers` under way at once; models and their caches are shared.

        What ends one run is told in its outcome, and costs no other. Closing the generator ends those under way.
        """
        return running.many(
            questions,
            lambda question, cancellation: self.run(question, cancellation=cancellation, **options),
            workers=workers,
        )

    def model_at(self, depth: int) -> Model:
        """The root model of runs at this depth."""
        if depth == 0 or not self.deeper_models:
            return self.model
        return self.deeper_models[min(depth, len(self.deeper_models)) - 1]

    def session(self, *, context: Any = None) -> Session:
        """A session for questions that build on one another; close it, or use it as a context manager."""
        from rlm_search.session import Session

        return Session(self, context=context)

    def new_sandbox(self) -> Sandbox:
        """A sandbox of the kind that runs have, not started yet."""
        return self._sandbox()

    def _carry_out(self, run: Run, sandbox: Sandbox | None = None) -> Answer:
        def work() -> Answer:
            with closing(self._sandbox() if sandbox is None else sandbox) as sandbox_of_run:
                return self._answered(run, sandbox_of_run)

        return self._traced(run, work)

    def _traced(self, run: Run, work: Callable[[], Answer]) -> Answer:
        """Do the work of a run, its trace opened before and closed after, whatever happens."""
        run.trace.emit(
            RunStarted(
                question=run.question,
                model=self.model_at(run.budget.depth).name,
                sub_model=self.sub_model.name,
                retriever=type(self.retriever).__name__ if self.retriever is not None else "",
                limits=asdict(run.budget.limits),
            )
        )
        try:
            answer = work()
        except BudgetExceeded as spent:
            answer = answers.unfinished(run, "out_of_budget", spent.message)
        except RunFailed as failure:
            answer = answers.failed(run, str(failure))
        except BaseException as error:  # ends the run: its trace is closed, and whoever asked sees the error itself
            run.trace.emit(answers.closing_event(answers.failed(run, _reason(error))))
            raise
        run.trace.emit(answers.closing_event(answer))
        return answer

    def _answered(self, run: Run, sandbox: Sandbox) -> Answer:
        try:
            answer = self._loop(run, sandbox).answer()
        except RunFailed as failure:
            if run.broken is not None:
                raise run.broken from failure  # what the model failed at
            raise
        if not self._verify or run.budget.depth:
            return answer
        return verified(run, TracedModel(MeteredModel(self._verifier, run.budget, "sub"), run.trace, "sub"), answer)

    def _loop(self, run: Run, sandbox: Sandbox) -> Loop:
        model = self.model_at(run.budget.depth)
        root = TracedModel(MeteredModel(model, run.budget, "root"), run.trace, "root")
        sub = TracedModel(MeteredModel(self.sub_model, run.budget, "sub"), run.trace, "sub")
        same = model is self.sub_model
        as_sub = sub if same else TracedModel(MeteredModel(model, run.budget, "sub"), run.trace, "sub")
        names = {"sub": sub, "root": as_sub, self.sub_model.name: sub, model.name: as_sub}
        deeper = _Deeper(self, run) if run.budget.may_go_deeper() else None
        preparation = self._preparation(run)
        delegate = DelegateTools(
            run,
            names,
            ask=deeper,
            options=run.options,
            approval=self._approval,
            prepared=preparation.prepared if preparation else str,
        )
        return Loop(
            run,
            model=root,
            repl=Repl(run, sandbox, cell_seconds=self._cell_seconds, output_characters=self._output_characters),
            functions=offered(run, delegate, tools=self._tools, rerankers=self._rerankers, doc_tools=self._doc_tools),
            policy=Policy(gates=self.gates, require_citations=self._require_citations),
            history=self._history,
            compact_prompt=self._compact_prompt,
        )

    def _preparation(self, run: Run) -> Preparation | None:
        """What the context engineer does in a run, its brief written; None where there is nothing to prepare."""
        if self._engineer is None or run.context is None:
            return None
        model = self._engineer.model or self.sub_model
        metered = TracedModel(MeteredModel(model, run.budget, "sub"), run.trace, "sub")
        preparation = Preparation(self._engineer, run, metered, run.options)
        preparation.begin()
        return preparation


@dataclass(frozen=True, slots=True)
class _Deeper:
    """What `rlm_query` does: a run of its own within the budget of this one, sharing its evidence."""

    rlm: RLM
    run: Run

    def __call__(self, question: str, context: str | None) -> Any:
        own = None if context is None else Context.from_text(context)
        answer = self.rlm._carry_out(self.run.child(question, self.rlm.limits, own))
        self.run.budget.check()  # what the sub-run has spent may be all there was
        if answer.status == "answered":
            return answer.text
        return {"__type__": "Failed", "reason": f"{answer.status.replace('_', ' ')}: {answer.reason or answer.text}"}


def _reason(error: BaseException) -> str:
    """One line for the trace: the messages of our own errors hold no secrets, and hosts are for the user alone."""
    return without_hosts(getattr(error, "message", "")) or type(error).__name__
