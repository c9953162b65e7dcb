"""What a run has seen: every span that a search or a read returned, shared by the run and its sub-runs."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import TypeAlias

SpanKey: TypeAlias = tuple[int, int]

_SPANS_KEPT = 10_000
"""For one document; a run that reads more pieces of it than this has seen it all."""

_TEXT_KEPT = 1_000_000
"""Characters of what the model was given last, so that a quote can be looked for in it without asking the engine."""
_MARKS_KEPT = 1_000
"""Of a run; more would bury the rest of its trace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What is known of a document that the run has met, beside its text."""

    title: str = ""
    source: str = ""


class Evidence:
    """The documents and spans that a run may cite. Only the host adds to it. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._seen: dict[str, Seen] = {}
        self._spans: dict[str, dict[SpanKey, None]] = {}
        self._marked: set[tuple[str, str]] = set()
        self._texts: OrderedDict[tuple[str, int], str] = OrderedDict()
        self._kept = 0

    def add(self, doc_id: str, start: int, end: int, *, title: str = "", source: str = "", text: str = "") -> None:
        """Record that the model was given this span of this document, and the text of it where it is at hand."""
        with self._lock:
            known = self._seen.get(doc_id, Seen())
            self._seen[doc_id] = Seen(title=title or known.title, source=source or known.source)
            spans = self._spans.setdefault(doc_id, {})
            if len(spans) < _SPANS_KEPT:
                spans[start, end] = None
            if text:
                self._keep((doc_id, start), text)

    def find(self, doc_id: str) -> Seen | None:
        """What is known of a document; None if no search or read of this run returned it."""
        with self._lock:
            return self._seen.get(doc_id)

    def spans(self, doc_id: str) -> tuple[SpanKey, ...]:
        """The spans of a document that the model was given, in the order in which it was."""
        with self._lock:
            return tuple(self._spans.get(doc_id, ()))

    def holding(self, is_in: Callable[[str], bool], *, other_than: str) -> tuple[str, ...]:
        """Other documents of which the model was given, not too long ago, a text that this is true of, in order."""
        with self._lock:
            texts = [(doc_id, text) for (doc_id, _), text in self._texts.items() if doc_id != other_than]
        return tuple(dict.fromkeys(doc_id for doc_id, text in texts if is_in(text)))

    def _keep(self, place: tuple[str, int], text: str) -> None:
        self._kept += len(text) - len(self._texts.pop(place, ""))
        self._texts[place] = text
        while self._kept > _TEXT_KEPT:
            self._kept -= len(self._texts.popitem(last=False)[1])

    def mark(self, doc_id: str, passage: str) -> bool:
        """Whether this passage of a document was not marked before; from now on it is."""
        with self._lock:
            is_new = (doc_id, passage) not in self._marked and len(self._marked) < _MARKS_KEPT
            if is_new:
                self._marked.add((doc_id, passage))
            return is_new

    def documents(self) -> tuple[str, ...]:
        """Ids of all documents met, in order."""
        with self._lock:
            return tuple(self._seen)
