"""Questions to everything: every matching document, or every hit, goes through the sub-model, and becomes a row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeAlias

from retrievers.errors import DocumentNotFound, RetrieverFailed
from retrievers.protocols import RetrieverProtocol, Scans
from retrievers.types import RetrievedDocument
from rlm_search.documents import Documents
from rlm_search.errors import ConfigError
from rlm_search.estimates import estimate_calls
from rlm_search.mapping import Answers, Question, merging, parts_of, prompt_for, schema_of
from rlm_search.models.facts import facts_of
from rlm_search.models.tokens import estimate_tokens
from rlm_search.run import Run, ToolError, plain_filters
from rlm_search.tools.delegate import DelegateTools
from rlm_search.tools.recording import Table, recorded, table
from rlm_search.tools.search import SearchTools
from rlm_search.trace.events import DocumentRead
from rlm_search.types import Model

MAX_MAPPED = 100_000
"""Documents of one call."""
BATCH = 32
"""Prompts that are put together: what a spent budget loses of answers under way is no more."""
_ANSWER_TOKENS = 300
_AROUND_HIT = 1_000
_SENT_CHARACTERS = 4_000_000
"""Of text that goes into the sandbox at once, and of one document."""
_UNKNOWN_WINDOW = 16_000
"""Tokens that a model reads of which nothing is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """Something that the question is asked of: a span of a document (to its end, where `end` is None)."""

    row: Mapping[str, Any]
    doc_id: str
    start: int = 0
    end: int | None = None
    characters: int = 0


class ExhaustiveTools:
    """The functions that leave nothing out, and say how much they saw. What was answered is not asked again."""

    def __init__(self, run: Run, retriever: RetrieverProtocol, delegate: DelegateTools, search: SearchTools) -> None:
        self._run = run
        self._retriever = retriever
        self._documents = run.documents or Documents(retriever)
        self._delegate = delegate
        self._search = search

    def functions(self) -> list[Callable[..., Any]]:
        """Those that the retriever can serve."""
        if not isinstance(self._retriever, Scans):
            return [self.map_hits]
        return [self.map_documents, self.documents_to_map, self.map_hits]

    def map_documents(
        self,
        question_or_function: str,
        filters: dict[str, Any] | None = None,
        schema: dict[str, Any] | None = None,
        query: str = "",
        model: str | None = None,
    ) -> Table:
        """Ask the sub-model about each matching document, or call a function with it: rows with schema's fields."""
        asked = self._question("map_documents", question_or_function, schema, model)
        assert isinstance(self._retriever, Scans)
        with recorded(self._run, "map_documents", query or question_or_function[:2_000], filters) as found:
            scanned = self._retriever.scan(query=query, filters=plain_filters(filters))
            items = [
                Item(
                    row={"doc_id": d.doc_id, "title": d.title, "source": d.source},
                    doc_id=d.doc_id,
                    characters=d.characters,
                )
                for d in islice(scanned, MAX_MAPPED + 1)
            ]
            found.number = len(items)
        if len(items) > MAX_MAPPED:
            raise ToolError(f"map_documents: more than {MAX_MAPPED:,} documents match; narrow the filters")
        return self._mapped(asked, items, "documents")

    def documents_to_map(self, filters: dict[str, Any] | None = None, query: str = "", after: str = "") -> Table:
        """Some of the matching documents with their text, for a function; .next is where to go on, "" at the end."""
        assert isinstance(self._retriever, Scans)
        with recorded(self._run, "map_documents", query, filters) as found:
            scanned = self._retriever.scan(query=query, filters=plain_filters(filters), after=after)
            rows: list[dict[str, Any]] = []
            characters, last = 0, ""
            for summary in scanned:
                if characters >= _SENT_CHARACTERS:
                    last = rows[-1]["doc_id"]
                    break
                with self._run.trying("read", doc_id=summary.doc_id):
                    document = self._documents.whole(summary.doc_id)
                text = document.content[:_SENT_CHARACTERS]
                self._run.read(DocumentRead(doc_id=document.doc_id, start=0, end=len(text)), text)
                characters += len(text)
                rows.append(_document_row(document, text))
            found.number = len(rows)
        return table(rows, next=last)

    def map_hits(
        self,
        question_or_function: str,
        hits: str | list[dict[str, Any]],
        filters: dict[str, Any] | None = None,
        schema: dict[str, Any] | None = None,
        top_k: int = 200,
        model: str | None = None,
    ) -> Table:
        """Ask the sub-model of each hit (of a search, or of a query's best top_k) and what stands around it."""
        asked = self._question("map_hits", question_or_function, schema, model)
        given = self._search.es_hybrid_search(hits, top_k, filters)["items"] if isinstance(hits, str) else hits
        return self._mapped(asked, [self._item_of(hit) for hit in _different(given)], "hits")

    def _question(self, function: str, question: str, schema: dict[str, Any] | None, name: str | None) -> Question:
        if not question.strip():
            raise ToolError(f"{function}: the question is empty")
        model = self._delegate._chosen(function, name, None)
        try:
            return Question(text=question, schema=schema_of(schema), model=name, characters=_room(model))
        except ConfigError as error:
            raise ToolError(f"{function}: {error.message}") from None

    def _item_of(self, hit: Mapping[str, Any]) -> Item:
        doc_id, start, end = hit.get("doc_id"), hit.get("start"), hit.get("end")
        if not isinstance(doc_id, str) or not isinstance(start, int) or not isinstance(end, int):
            raise ToolError("map_hits: give the hits of a search, or a query")
        row = {
            key: hit[key] for key in ("doc_id", "chunk_id", "pages", "start", "end", "title", "source") if key in hit
        }
        return Item(
            row=row,
            doc_id=doc_id,
            start=max(start - _AROUND_HIT, 0),
            end=end + _AROUND_HIT,
            characters=end - start + 2 * _AROUND_HIT,
        )

    def _mapped(self, question: Question, items: Sequence[Item], what: str) -> Table:
        work = _Work(self._run, self._documents, self._delegate, question)
        work.look(items)
        work.ask()
        return work.result(len(items), what)


_Asked: TypeAlias = tuple[Item, str, list[str]]
"""An item, the key of its answer, and the prompts that it takes."""


class _Work:
    """One mapping: what is known already, what is asked, what failed, and why it stopped."""

    def __init__(self, run: Run, documents: Documents, delegate: DelegateTools, question: Question) -> None:
        self._run, self._documents, self._delegate, self._question = run, documents, delegate, question
        self._kept: Answers = run.mapped
        self._rows: list[dict[str, Any]] = []
        self._failed: list[dict[str, Any]] = []
        self._items: Sequence[Item] = ()
        self._stopped = ""
        self._is_approved = False

    def look(self, items: Sequence[Item]) -> None:
        """These are to be asked about."""
        self._items = items

    def ask(self) -> None:
        """Ask of one batch after the other, as far as the budget goes; what is known is only taken."""
        batch: list[_Asked] = []
        for number, item in enumerate(self._items):
            text = self._text(item)
            if text is None:
                continue
            key = self._question.key(text)
            if key in self._kept:
                self._take(item, self._kept[key])
                continue
            self._seek_approval(number)
            parts = [prompt_for(self._question, part, item.row) for part in parts_of(text, self._question.characters)]
            if batch and sum(len(prompts) for _, _, prompts in batch) + len(parts) > BATCH:
                if not self._ask(batch):
                    return
                batch = []
            batch.append((item, key, parts))
        if batch:
            self._ask(batch)

    def result(self, total: int, what: str) -> Table:
        """The rows so far, and how much of all they are."""
        seen = len(self._rows) + len(self._failed)
        failed = f", {len(self._failed):,} failed" if self._failed else ""
        note = f"stopped: {self._stopped}. The same call goes on where it stopped" if self._stopped else ""
        coverage = f"{seen:,} of {total:,} {what}{failed}"
        return table(self._rows, coverage=coverage, note=note, failed=table(self._failed))

    def _seek_approval(self, first: int) -> None:
        """Before the first prompt: whoever asked the question may be asked whether all this may be spent."""
        if self._is_approved:
            return
        model = self._delegate._chosen("map", self._question.model, None)
        estimate = estimate_calls((item.characters for item in self._items[first:]), model)
        if not self._delegate._approval.allows(estimate):
            raise ToolError(f"{estimate}: more than may be spent at once; narrow the filters or the query")
        self._is_approved = True

    def _text(self, item: Item) -> str | None:
        """What is asked about; None where it cannot be read, which is told."""
        try:
            if item.end is None:
                text = self._documents.whole(item.doc_id).content
            else:
                text = self._documents.span(item.doc_id, item.start, item.end).text
        except (DocumentNotFound, RetrieverFailed) as error:
            self._fail(item, f"cannot be read ({type(error).__name__})")
            return None
        end = item.start + len(text)
        self._run.read(DocumentRead(doc_id=item.doc_id, start=item.start, end=end), text)
        return text

    def _ask(self, batch: Sequence[_Asked]) -> bool:
        """Ask about some; False where the budget does not reach for all of them."""
        fitting = batch
        while fitting and (why := self._spent(fitting)):
            self._stopped, fitting = why, fitting[: len(fitting) // 2]
        if fitting:
            self._ask_all(fitting)
        return not self._stopped

    def _ask_all(self, batch: Sequence[_Asked]) -> None:
        prompts = [prompt for _, _, parts in batch for prompt in parts]
        answers = iter(self._data(prompts))
        found = [list(islice(answers, len(parts))) for _, _, parts in batch]
        merged = iter(self._data([merging(self._question, parts) for parts in found if _needs_merging(parts)]))
        for (item, key, _), parts in zip(batch, found, strict=True):
            value = next(merged) if _needs_merging(parts) else next((p for p in parts if _is_failed(p)), parts[0])
            if _is_failed(value):
                self._fail(item, value["reason"])
                continue
            self._kept[key] = value
            self._take(item, value)

    def _data(self, prompts: list[str]) -> list[Any]:
        """Data from each prompt; one that gave none, or none that fits, is asked once more with the reason."""
        question, model = self._question, self._question.model
        if not prompts:
            return []
        read = [question.read(said) for said in self._delegate.llm_batch(prompts, model)]
        wrong = {n: str(value) for n, value in enumerate(read) if isinstance(value, ValueError)}
        left = self._run.budget.subcalls_left()
        if wrong and (left is None or left >= len(wrong)):
            again = [f"{prompts[n]}\n\nYour last reply was wrong: {why}" for n, why in wrong.items()]
            for number, said in zip(wrong, self._delegate.llm_batch(again, model), strict=True):
                read[number] = question.read(said)
        return [{"__type__": "Failed", "reason": str(v)} if isinstance(v, ValueError) else v for v in read]

    def _spent(self, batch: Sequence[_Asked]) -> str:
        """Why these cannot be asked any more; "" where they can."""
        prompts = [prompt for _, _, parts in batch for prompt in parts]
        budget, calls = self._run.budget, len(prompts) + sum(len(parts) > 1 for _, _, parts in batch)
        left = budget.subcalls_left()
        if left is not None and left < calls:
            return f"{left:,} sub-calls are left"
        tokens = sum(estimate_tokens(prompt) + _ANSWER_TOKENS for prompt in prompts)
        for limit in budget.spent():
            if limit.name in ("sub_tokens", "total_tokens") and limit.limit - limit.used < tokens:
                return f"{max(limit.limit - limit.used, 0):,.0f} of {limit.limit:,.0f} {limit.name} are left"
        seconds = budget.seconds_left()
        if seconds is not None and seconds < 0.1 * (budget.limits.seconds or 0):
            return f"{seconds:.0f} seconds are left"
        return ""

    def _take(self, item: Item, value: Any) -> None:
        fields = value if isinstance(value, dict) else {"answer": value}
        self._rows.append({**item.row, **fields, "doc_id": item.doc_id})

    def _fail(self, item: Item, reason: str) -> None:
        self._failed.append({"doc_id": item.doc_id, "reason": reason})


def _document_row(document: RetrievedDocument, text: str) -> dict[str, Any]:
    return {
        "__type__": "Document",
        "doc_id": document.doc_id,
        "title": document.title,
        "source": document.source,
        "content": text,
        "characters": len(document.content),
        "page_count": len(document.pages),
        "language": document.language,
        "metadata": dict(document.metadata),
    }


def _room(model: Model) -> int:
    """Characters of text that go into one prompt: two thirds of what the model reads, three to a token."""
    window = facts_of(model).window or _UNKNOWN_WINDOW
    return max(window * 2, 1_000)


def _different(hits: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Each place once: several searches find the same."""
    places = set()
    for hit in hits:
        place = hit.get("doc_id"), hit.get("start"), hit.get("end")
        if place not in places:
            places.add(place)
            yield hit


def _needs_merging(parts: Sequence[Any]) -> bool:
    return len(parts) > 1 and not any(map(_is_failed, parts))


def _is_failed(value: Any) -> bool:
    return isinstance(value, dict) and value.get("__type__") == "Failed"
