"""What one run holds: its budget, trace, evidence and citations, what it searched, and how it wants to finish."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Any, Literal, TypeAlias

from retrievers.errors import (
    ConfigError,
    DocumentNotFound,
    EngineRejected,
    FilterError,
    IndexMismatch,
    RetrieverError,
    RetrieverFailed,
    ServerRefused,
)
from retrievers.foreign import guarded
from retrievers.protocols import RetrieverProtocol
from retrievers.types import Hit
from rlm_search.budget import Budget
from rlm_search.citations import Citations
from rlm_search.context import Context
from rlm_search.documents import Documents
from rlm_search.errors import RlmError, ToldToModel
from rlm_search.evidence import Evidence
from rlm_search.instructions import Mark, marks
from rlm_search.mapping import Answers
from rlm_search.trace.events import DocumentRead, InstructionSeen, Searched
from rlm_search.trace.trace import Trace
from rlm_search.typed import AnswerType
from rlm_search.types import CallOptions, Limits, SearchRecord

MAX_FILTER_CHARACTERS = 100_000

Doing: TypeAlias = Literal["search", "read"]
"""What a run does with its retriever."""


class ToolError(ToldToModel, ValueError):
    """A tool was asked for something that it cannot do; the message says what to do instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """How a run wants to end: with an answer, or with word that the corpus holds none. `value` is what was given."""

    text: str
    found: bool = True
    value: Any = None


@dataclass(slots=True)
class Pending:
    """What a cell asked of the loop; looked at once the cell has run without an error."""

    finish: Finish | None = None
    variable: str = ""
    shows_variables: bool = False


class Run:
    """One run, or one sub-run. Tools write to it from several threads; the loop reads it between cells."""

    def __init__(
        self,
        *,
        question: str,
        retriever: RetrieverProtocol | None,
        budget: Budget,
        trace: Trace,
        evidence: Evidence | None = None,
        documents: Documents | None = None,
        citations: Citations | None = None,
        parent: Run | None = None,
        mapped: Answers | None = None,
        answer_type: AnswerType | None = None,
        context: Context | None = None,
        instructions: str = "",
        marks_uncited: bool = False,
        brief: str = "",
    ) -> None:
        self.question = question
        self.marks_uncited = marks_uncited
        self.answer_type = answer_type
        self.context = context
        self.instructions = instructions
        self.brief = brief
        self.retriever = retriever
        self.budget = budget
        self.trace = trace
        self.evidence = evidence or Evidence()
        self.documents = documents or (Documents(retriever) if retriever is not None else None)
        self.citations = citations or (Citations(self.documents, self.evidence) if self.documents else None)
        self.pending = Pending()
        self.draft = ""
        self.mapped = mapped or Answers()
        self._parent = parent
        self._lock = Lock()
        self._searches: list[SearchRecord] = []
        self._reads = 0
        self._works: set[Doing] = set()
        self._troubles: dict[Doing, Exception] = {}

    def child(self, question: str, limits: Limits, context: Context | None = None) -> Run:
        """A sub-run: its own loop and limits, within this budget; the same evidence and citations.

        Its context is this one's where none is given.

        Raises:
            BudgetExceeded: no deeper run is allowed.
        """
        return Run(
            question=question,
            retriever=self.retriever,
            budget=self.budget.child(limits),
            trace=self.trace.child(),
            evidence=self.evidence,
            documents=self.documents,
            citations=self.citations,
            parent=self,
            mapped=self.mapped,
            context=context or self.context,
            brief="" if context else self.brief,
        )

    def options(self) -> CallOptions:
        """What every call of a model is made with that the run does not wait for beyond its end."""
        return CallOptions(deadline=self.budget.deadline())

    @property
    def searches(self) -> tuple[SearchRecord, ...]:
        """The searches so far, those of sub-runs included, in order."""
        with self._lock:
            return tuple(self._searches)

    @property
    def has_looked(self) -> bool:
        """Whether anything was searched or read, in this run or in the session that it belongs to."""
        with self._lock:
            return bool(self._searches or self._reads or (self._parent is None and self.evidence.documents()))

    @property
    def broken(self) -> Exception | None:
        """Why nothing could be searched, or nothing that was found could be read; None where one of them worked.

        A run that this is true of knows nothing of what the documents hold. A sub-run leaves it to its parent.
        """
        with self._lock:
            failed = [error for doing, error in self._troubles.items() if doing not in self._works]
        return failed[0] if failed and self._parent is None else None

    @contextmanager
    def trying(self, doing: Doing, *, doc_id: str = "") -> Iterator[None]:
        """Remember whether this works at all; what is wrong with the arguments does not count."""
        try:
            with guarded(self.retriever, doc_id=doc_id):
                yield
        except FilterError:
            raise
        except DocumentNotFound as error:
            if self.evidence.find(doc_id) is not None:
                about = f"the index found the document `{doc_id}`, and cannot read it: {error.message}"
                self._note(doing, EngineRejected(about))
            raise
        except Exception as error:
            self._note(doing, error)
            raise
        self._note(doing, None)

    def _note(self, doing: Doing, trouble: Exception | None) -> None:
        for run in self._line():
            with run._lock:
                if trouble is None:
                    run._works.add(doing)
                else:
                    run._troubles.setdefault(doing, trouble)

    def searched(self, event: Searched, number: int) -> None:
        """Record a search that gave `number` results."""
        record = SearchRecord(function=event.function, query=event.query, filters=event.filters, hits=number)
        for run in self._line():
            with run._lock:
                run._searches.append(record)
        self.trace.emit(event)

    def read(self, event: DocumentRead, text: str) -> None:
        """Record that this text of a document was read: it is evidence from now on."""
        for run in self._line():
            with run._lock:
                run._reads += 1
        self.evidence.add(event.doc_id, event.start, event.end, text=text)
        self.trace.emit(event)
        for mark in marks(text):
            if self.evidence.mark(event.doc_id, mark.said):
                start = event.start + mark.start
                self._mark(mark, event.doc_id, start, start + len(mark.said))

    def saw(self, hits: Sequence[Hit]) -> None:
        """Record that the model is given these hits: they are evidence from now on."""
        for hit in hits:
            self.evidence.add(hit.doc_id, hit.start, hit.end, title=hit.title, source=hit.source, text=hit.preview)
        if next(marks("\n".join(hit.preview for hit in hits)), None) is None:  # all at once: nearly always none
            return
        for hit in hits:
            for mark in marks(hit.preview):
                if self.evidence.mark(hit.doc_id, mark.said):
                    self._mark(mark, hit.doc_id, hit.start, hit.end)

    def _mark(self, mark: Mark, doc_id: str, start: int, end: int) -> None:
        self.trace.emit(InstructionSeen(doc_id=doc_id, start=start, end=end, about=mark.about, passage=mark.passage))

    def _line(self) -> Iterator[Run]:
        """This run and those it was started from."""
        run: Run | None = self
        while run is not None:
            yield run
            run = run._parent


@contextmanager
def telling(function: str, *, found: str = "") -> Iterator[None]:
    """Turn what a retriever raises into what the model is told, or let it end the run.

    Told: filters, unknown documents, requests that the engine refuses, and whatever a server or a retriever of one's
    own says, without its message, which may name hosts and credentials. Ends the run: an engine that cannot be reached.
    """
    try:
        yield
    except RetrieverFailed as error:
        raise ToolError(f"{function} does not work here ({error.kind}); try another way") from None
    except ServerRefused:
        raise ToolError(f"{function}: the search server refuses this request; try another way") from None
    except (FilterError, EngineRejected) as error:
        raise ToolError(f"{function}: {error.message}{_with(error.hint)}") from None
    except (DocumentNotFound, LookupError) as error:
        if not found:
            raise ToolError(f"{function} does not work here ({type(error).__name__}); try another way") from None
        raise ToolError(f"{function}: there is no document {found[:200]!r}; use a doc_id from a search") from None
    except (ConfigError, IndexMismatch):  # no embedder, no vectors; what they say is for the user, and names paths
        raise ToolError(f"{function} does not work with this index; use another search") from None
    except (RetrieverError, RlmError, ToldToModel):
        raise
    except Exception as error:  # told to the model: what a retriever of one's own raises
        raise ToolError(f"{function} does not work here ({type(error).__name__}); try another way") from error


def plain_filters(filters: Any) -> dict[str, Any] | None:
    """Filters as the model gave them: a dict or nothing."""
    if filters is None or filters == {}:
        return None
    if not isinstance(filters, dict):
        raise ToolError(f'filters must be a dict such as {{"year": {{"gte": 2019}}}}, not {type(filters).__name__}')
    if len(str(filters)) > MAX_FILTER_CHARACTERS:
        raise ToolError(f"these filters have more than {MAX_FILTER_CHARACTERS:,} characters")
    return filters


def _with(hint: str) -> str:
    return f" ({hint})" if hint else ""
