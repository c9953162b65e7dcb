"""Citing, finishing, and looking at what is left."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from rlm_search.errors import ToldToModel
from rlm_search.run import Finish, Run, ToolError
from rlm_search.trace.events import Cited


class FinishTools:
    """The functions by which an answer is made. What they ask for is looked at once the cell has run."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def functions(self) -> list[Callable[..., Any]]:
        """Citing only where there is a retriever."""
        finishing: list[Callable[..., Any]] = [self.FINAL, self.FINAL_VAR, self.SUBMIT, self.SHOW_VARS, self.budget]
        return [self.cite, *finishing] if self._run.citations else finishing

    def cite(self, hit_or_doc: str | dict[str, Any], quote: str) -> str:
        """Check that the document says this, word for word, and get a marker such as "[3]" to put behind the claim."""
        assert self._run.citations is not None
        self._run.budget.check()
        doc_id, near = _place(hit_or_doc)
        try:
            citation = self._run.citations.cite(doc_id, quote, near=near)
        except ToldToModel as wrong:
            self._run.trace.emit(Cited(doc_id=doc_id[:200], quote=quote[:1_000], reason=str(wrong)))
            raise ToolError(str(wrong)) from None
        self._run.trace.emit(Cited(doc_id=doc_id, quote=citation.quote, marker=citation.marker))
        return citation.marker

    def FINAL(self, answer: Any, found: bool = True) -> None:  # noqa: N802  # the name that models know
        """Finish with this answer, markers included. found=False: the documents do not hold it; say what you tried."""
        finish = finish_of(answer, found=found)
        if not finish.text.strip():
            raise ToolError("FINAL: the answer is empty")
        self._run.pending.finish, self._run.pending.variable = finish, ""

    def FINAL_VAR(self, name: Any) -> None:  # noqa: N802
        """Finish with the value of this variable, given by its name."""
        if not isinstance(name, str) or not name.strip().isidentifier():
            self.FINAL(name)  # its value was given, and nothing else can be meant
            return
        self._run.pending.variable, self._run.pending.finish = name.strip(), None

    def SUBMIT(self, *answer: Any, **fields: Any) -> None:  # noqa: N802
        """Finish with this answer, or with fields by name (year=2019, …), which together are one answer."""
        if len(answer) + bool(fields) != 1:
            raise ToolError("SUBMIT: give one answer, or fields by name")
        self.FINAL(fields or answer[0])

    def SHOW_VARS(self) -> str:  # noqa: N802
        """List your variables, below the output of this cell."""
        self._run.pending.shows_variables = True
        return "(your variables are listed below the output of this cell)"

    def budget(self) -> dict[str, Any]:
        """What is left of each limit of this run."""
        left = {spent.name: _rounded(max(spent.limit - spent.used, 0)) for spent in self._run.budget.spent()}
        return {"__type__": "Record", **left}


UNREADY = {"content": "", "ready": False}
"""What the variable `answer` is at first, for models that were trained to put their answer into it."""


def finish_of(value: Any, *, found: bool = True) -> Finish:
    """A value as the answer; of the form that some models put their answer into, what it holds."""
    if isinstance(value, dict) and value.keys() == UNREADY.keys():
        value = "" if value["content"] is None else value["content"]
    return Finish(text=as_text(value), found=found, value=value)


def as_text(answer: Any) -> str:
    """An answer as text: a string as it is, other data as JSON."""
    if isinstance(answer, str):
        return answer
    if isinstance(answer, list) and all(isinstance(item, str) for item in answer):
        return "\n".join(answer)
    return json.dumps(answer, ensure_ascii=False, default=str)


def _place(hit_or_doc: str | dict[str, Any]) -> tuple[str, tuple[int, int] | None]:
    """The document that is meant, and where in it to look first. Nothing of it is believed."""
    if isinstance(hit_or_doc, str):
        return hit_or_doc, None
    doc_id, start, end = (hit_or_doc.get(key) for key in ("doc_id", "start", "end"))
    if not isinstance(doc_id, str):
        raise ToolError("cite: give a hit, a document, or a doc_id")
    if isinstance(start, int) and isinstance(end, int) and 0 <= start < end < 2**40:
        return doc_id, (start, end)
    return doc_id, None


def _rounded(value: float) -> float | int:
    return int(value) if value == int(value) else round(value, 2)
