"""What `ask` puts together: models, limits, the record of the run, and the view of its progress."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rlm_search import running, typed
from rlm_search.assemble import assemble
from rlm_search.cli import printing
from rlm_search.cli.settings import AskSettings, state_folder
from rlm_search.errors import ConfigError
from rlm_search.estimates import Approval, Estimate
from rlm_search.models.settings import key
from rlm_search.rendering.words import number_of
from rlm_search.settings import PromptSettings, RouterSettings
from rlm_search.trace.jsonl import JsonlWriter
from rlm_search.trace.trace import Listener, new_run_id

if TYPE_CHECKING:
    from retrievers.settings import Settings
    from rlm_search.cancelling import Cancellation
    from rlm_search.context import Context
    from rlm_search.models.providers import Provider
    from rlm_search.rlm import RLM
    from rlm_search.router import Router
    from rlm_search.session import Session
    from rlm_search.trace.live import PlainProgress
    from rlm_search.types import Answer

NO_MODEL = (
    "No language model was used, only search and quotation. For answers that reason, name one: --model openai:NAME, "
    "ollama:NAME, …, or set OPENAI_API_KEY."
)

_EXIT_CODES = {"answered": 0, "not_found": 3, "out_of_budget": 7, "failed": 1}
_UNCITED = 8


class Asking:
    """Questions about to be asked.

    Attributes:
        requires_citations: whether an answer without a citation that holds is none.
        model_name: the spec of the root model.
        note: what must be said with every answer, or "".
        trace_file: where the run was recorded, once it was.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        answer_type: Any = None,
        context: Context | None = None,
        has_index: bool = True,
        says_yes: bool = False,
        listeners: Sequence[Listener] = (),
    ) -> None:
        self._settings = settings
        self._context = context
        self._answer_type = None if answer_type is None else typed.answer_type(answer_type)
        self._ask = settings.table("ask", AskSettings)
        self._says_yes = says_yes
        self._instructions = settings.table("prompt", PromptSettings).instructions
        self._terminal = threading.Lock()
        self._session: Session | None = None
        self._pause: Callable[[], AbstractContextManager[None]] = nullcontext
        above = None if says_yes else self._ask.confirm_usd or None
        self._parts = assemble(
            settings,
            require_citations=self._ask.require_citations,
            verify=self._ask.verify,
            verifier=self._ask.verifier,
            has_index=has_index,
            listeners=listeners,
            approval=Approval(above_usd=above, ask=self._confirm),
        )
        if not has_index and not self._parts.model.is_language_model:
            raise ConfigError(
                "working on given text needs a language model, and none is set",
                hint="--model openai:NAME, ollama:NAME, …; or index the files with `ingest` and ask the index",
            )
        if self._ask.verify and not self._ask.verifier and not self._parts.sub_model.is_language_model:
            raise ConfigError(
                "checking claims against their quotes needs a language model, and none is set",
                hint="--sub-model openai:NAME, ollama:NAME, …; or leave out --verify",
            )
        self._router = None if has_index else _router(settings.table("router", RouterSettings), self._parts.rlm)
        self.requires_citations = self._ask.require_citations
        self.model_name = self._parts.model.spec
        self.note = "" if self._parts.model.is_language_model else NO_MODEL
        self.trace_file: Path | None = None

    def announcement(self) -> Iterator[str]:
        """Each provider on another machine, before anything is sent to it; and a model that nobody named."""
        model = self._parts.model
        origin = f" (found by {model.origin})" if model.origin else ""
        remote = {p.host: p for p in self._providers() if p.is_remote}
        for host, provider in remote.items():
            yield f"asking {provider.title} at {host}{origin}: the question and passages of your documents go there"
        if origin and not remote:
            yield f"using {self.model_name}{origin}"

    def run(self, question: str, *, trace: Path | None, quiet: bool, verbose: bool) -> Answer:
        """Ask, show the progress, record the run."""
        with _view(quiet=quiet, verbose=verbose) as view:
            self._pause = getattr(view, "paused", nullcontext)  # a live view and a question share the terminal
            answer, self.trace_file = self._recorded(question, trace, [view] if view is not None else [])
        return answer

    def run_many(
        self, questions: Sequence[str], done: Callable[[int, Answer, Path | None], None], *, workers: int, verbose: bool
    ) -> Generator[running.Outcome, None, None]:
        """Ask several questions at once; `done` is called with the place, answer and record of each as it ends.

        Closing the generator ends those under way.
        """

        def one(place: str, cancellation: Cancellation) -> Answer:
            views = [_lines(f"[{int(place) + 1}] ")] if verbose else []
            answer, record = self._recorded(questions[int(place)], None, views, cancellation)
            done(int(place), answer, record)
            return answer

        return running.many(map(str, range(len(questions))), one, workers=workers)

    @contextmanager
    def session(self) -> Iterator[None]:
        """Within it, questions build on one another."""
        with self._parts.rlm.session(context=self._context) as self._session:
            yield
        self._session = None

    def exit_code(self, answer: Answer) -> int:
        """What a command that came to this answer ends with."""
        if self.requires_citations and not answer.citations and answer.status != "not_found":
            return _UNCITED
        return exit_code_of(answer.status)

    def _recorded(
        self,
        question: str,
        trace: Path | None,
        listeners: Sequence[Listener],
        cancellation: Cancellation | None = None,
    ) -> tuple[Answer, Path | None]:
        """The answer, and the file that its run was recorded in."""
        run_id = new_run_id()
        with ExitStack() as stack:
            writer = self._writer(trace, run_id)
            if writer is not None:
                stack.callback(writer.close)
                listeners = [writer, *listeners]
            options: dict[str, Any] = {
                "answer_type": self._answer_type,
                "instructions": self._instructions,
                "run_id": run_id,
                "listeners": listeners,
                "cancellation": cancellation,
            }
            if self._session is not None:
                answer = self._session.run(question, **options)
            elif self._router is None:
                answer = self._parts.rlm.run(question, context=self._context, **options)
            else:
                answer = self._router.run(question, self._context, **options).answer
        if writer is not None and writer.failure:
            printing.tell(f"the record of the run is not complete: {writer.failure}")
        return answer, writer.path if writer is not None else None

    def about(self, record: Path | None) -> dict[str, str]:
        """What the JSON of an answer says beside it: the model, that none was used, and the record of the run."""
        return {"model": self.model_name, "note": self.note, "trace": str(record or "")}

    def summary(self, answer: Answer) -> str:
        """How much it took, and where the run is."""
        tokens = sum(usage.total_tokens for usage in answer.usage.values())
        parts = [
            number_of(answer.steps, "step"),
            number_of(len(answer.searches), "search", "searches"),
            f"{tokens:,} tokens" if tokens else "",
            "" if answer.cost_usd is None or not tokens else f"${answer.cost_usd:,.4f}",
            f"{answer.seconds:.1f} s",
            f"run: {self.trace_file}" if self.trace_file else "",
        ]
        return " · ".join(part for part in parts if part)

    def _confirm(self, estimate: Estimate) -> bool:
        """Ask on the terminal; where there is none, no."""
        if not (printing.is_terminal(sys.stderr) and printing.is_terminal(sys.stdin)):
            printing.tell(f"not done: {estimate} (give --yes, or raise `ask.confirm_usd`)")
            return False
        with self._terminal, self._pause():
            return click.confirm(f"This takes {estimate}. Go on?", err=True)

    def _providers(self) -> list[Provider]:
        return [m.provider for m in self._parts.models if m.provider is not None]

    def _writer(self, trace: Path | None, run_id: str) -> JsonlWriter | None:
        secrets = [key(provider.key_variable) for provider in self._providers()]
        if trace is not None:
            return JsonlWriter(trace, secrets=secrets)
        if self._ask.runs == "none":
            return None
        try:
            return JsonlWriter(self._runs_folder() / f"{run_id}.jsonl", secrets=secrets)
        except ConfigError as error:
            printing.tell(f"the run is not recorded: {error.message}")
            return None

    def _runs_folder(self) -> Path:
        """`runs` beside the index where that is a folder, else in the state folder of the user."""
        from retrievers.settings import IndexSettings

        if self._ask.runs:
            return Path(self._ask.runs).expanduser()
        index = Path(self._settings.table("index", IndexSettings).url)
        return (index.parent if index.is_dir() else state_folder()) / "runs"


def _router(settings: RouterSettings, rlm: RLM) -> Router | None:
    """What chooses the way for given text, where the settings want one chosen."""
    if not settings.threshold and not settings.profile:
        return None
    from rlm_search.router import Profile, Router

    return Router(rlm, threshold=settings.threshold, profile=Profile(settings.profile or "deterministic_first"))


def exit_code_of(status: str) -> int:
    """What a command ends with that came to an answer of this status."""
    return _EXIT_CODES.get(status, 0)


def _view(*, quiet: bool, verbose: bool) -> AbstractContextManager[Listener | None]:
    """A live view on a terminal, lines with --verbose, else nothing."""
    if quiet:
        return nullcontext(None)
    if verbose:
        return _lines()
    if not printing.is_terminal(sys.stderr):
        return nullcontext(None)
    from rich.console import Console

    from rlm_search.trace.live import LiveView

    return LiveView(Console(stderr=True))


def _lines(label: str = "") -> PlainProgress:
    from rlm_search.trace.live import PlainProgress

    return PlainProgress(sys.stderr, label=label)
