"""One commit of an index as a reader sees it: rows, vectors and catalogue that belong together."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import tantivy
from tantivy import FieldType, Occur, Query

from retrievers.embedded.analysis import ANALYSERS
from retrievers.embedded.field_types import CountedTypes
from retrievers.embedded.filtering import FilterBuilder, all_of
from retrievers.embedded.layout import VECTORS
from retrievers.embedded.querying import QueryBuilder, Question, silent, take_apart
from retrievers.embedded.records import (
    HeadRecord,
    State,
    UnitRecord,
    decode_head,
    decode_state,
    decode_unit,
)
from retrievers.embedded.schema import HEAD_TAG, STATE_TAG, UNIT_BITS, analyser_tag, unit_key
from retrievers.embedded.scoring import Ranked
from retrievers.embedded.vectors import VectorMap
from retrievers.filters import Filter, parse, resolve
from retrievers.protocols import FilterLike

CACHED_ROWS: Final = 4_000_000
"""Row numbers of filters that are remembered in all, 8 bytes each."""

REMEMBERED_FILTERS: Final = 100

GATHERED: Final = 100_000
"""Rows whose addresses are held at a time; one takes some 200 bytes."""

Address = tantivy.DocAddress
Scored = list[tuple[Any, Address]]


class Snapshot:
    """What one commit holds. Immutable but for its caches; safe to use from several threads.

    Raises:
        FileNotFoundError: a compaction took the vector files away meanwhile; look at the index again.
    """

    def __init__(self, path: Path, index: tantivy.Index, dimensions: int) -> None:
        self.searcher = index.searcher()
        self.schema = index.schema
        self.state = self._read_state()
        self.vectors = VectorMap.open(path / VECTORS, self.state, dimensions)
        counts = {name: self.searcher.doc_freq("tag", analyser_tag(name)) for name in ANALYSERS}
        self.held = {name: count for name, count in counts.items() if count} or {"plain": 0}
        self.queries = QueryBuilder(self.schema, self.searcher, self.held)
        self.types = CountedTypes(self.state.fields, self.schema, self.searcher)
        self._filters = FilterBuilder(self.schema, self.searcher, self.state.fields)
        self._rows: OrderedDict[Filter, npt.NDArray[np.intp]] = OrderedDict()
        self._made: dict[Filter, tuple[str, ...]] = {}
        self._lock = Lock()

    def _read_state(self) -> State:
        found = self.searcher.search(self._tagged(STATE_TAG), 1, count=False).hits
        return decode_state(_bytes(self.searcher.doc(found[0][1]), "state")) if found else State()

    def _tagged(self, tag: str) -> Query:
        return Query.term_query(self.schema, "tag", tag, "basic")

    def question(self, query: str) -> Question:
        """Take a query apart as this index's languages ask for."""
        return take_apart(query, self.held)

    def resolved(self, filters: FilterLike) -> Filter | None:
        """A filter, checked against the fields there are.

        Raises:
            FilterError: as `retrievers.filters`.
        """
        parsed = parse(filters)
        return None if parsed is None else resolve(parsed, self.types)

    # -- rows ----------------------------------------------------------------------------------------------------

    def search(self, query: Query, limit: int, passing: Filter | None = None) -> Scored:
        """The best rows for a query."""
        if passing is not None:
            condition = silent(self._filters.query(passing))
            query = Query.boolean_query([(Occur.Must, query), (Occur.Must, condition)])
        limit = min(max(limit, 1), max(self.searcher.num_docs, 1))  # tantivy makes room for as many as are asked for
        found: Scored = self.searcher.search(query, limit, count=False).hits
        return found

    def ranked(self, found: Scored) -> Ranked:
        """Keys, scores and languages of rows."""
        if not found:
            return Ranked.empty()
        addresses = [address for _, address in found]
        return Ranked(
            np.array(self.searcher.fast_field_values("key", addresses), np.int64),
            np.array([score for score, _ in found], np.float32),
            np.array(self.searcher.fast_field_values("lang", addresses), np.int64),
        )

    def by_keys(self, keys: Sequence[int]) -> dict[int, Address]:
        """Where units are; keys that are not there are left out."""
        if not keys:
            return {}
        found = self.search(Query.term_set_query(self.schema, "key", list(keys)), len(keys))
        addresses = [address for _, address in found]
        return dict(zip(self.searcher.fast_field_values("key", addresses), addresses, strict=True))  # type: ignore[arg-type]  # the column has no gaps

    def unit(self, address: Address) -> tuple[UnitRecord, str]:
        """What is known of a unit, and its text."""
        row = self.searcher.doc(address)
        return decode_unit(_bytes(row, "unit")), row.get_first("body") or ""

    # -- documents -----------------------------------------------------------------------------------------------

    def heads(self, passing: Filter | None, question: Question | None = None) -> Query:
        """The head rows of documents that pass a filter and, over all their units, hold all words and phrases."""
        parts = [self._tagged(HEAD_TAG)]
        if passing is not None:
            parts.append(self._filters.query(passing))
        if question is not None and not question.is_empty:
            parts.append(self._holding(question))
        return all_of(parts)

    def _holding(self, question: Question) -> Query:
        numbers: npt.NDArray[np.int64] | None = None
        for query in self.queries.each(question):
            found = np.unique(self._keys(query) >> UNIT_BITS)
            numbers = found if numbers is None else np.intersect1d(numbers, found, assume_unique=True)
        if numbers is None or not len(numbers):
            return Query.empty_query()
        return Query.term_set_query(self.schema, "key", (numbers << UNIT_BITS).tolist())

    def _keys(self, query: Query) -> npt.NDArray[np.int64]:
        """The keys of all rows that match, gathered in steps so that few addresses are in memory at a time."""
        step = self.state.next_doc_no if self.count(query) <= GATHERED else GATHERED // 4
        parts = [np.empty(0, np.int64)]
        for first in range(0, self.state.next_doc_no, max(step, 1)):
            keys = Query.range_query(
                self.schema, "key", FieldType.Unsigned, unit_key(first, 0), unit_key(first + step, 0) - 1
            )
            some = query if step == self.state.next_doc_no else all_of([query, keys])
            addresses = [address for _, address in self.search(some, self.count(some))]
            parts.append(np.array(self.searcher.fast_field_values("key", addresses), np.int64))
        return np.concatenate(parts)

    def count(self, query: Query) -> int:
        """How many rows match."""
        return int(self.searcher.search(query, 1, count=True).count)  # type: ignore[attr-defined]  # not in its stubs

    def head(self, doc_id: str) -> tuple[int, Address] | None:
        """Number and head row of a document."""
        query = all_of([Query.term_query(self.schema, "doc_id", doc_id, "basic"), self._tagged(HEAD_TAG)])
        found = self.search(query, 1)
        if not found:
            return None
        key = self.searcher.fast_field_values("key", [found[0][1]])[0]
        return int(key or 0) >> UNIT_BITS, found[0][1]

    def head_record(self, address: Address) -> HeadRecord:
        """What is known of the document as a whole."""
        return decode_head(_bytes(self.searcher.doc(address), "head"))

    def text(self, doc_no: int, head: HeadRecord, start: int, end: int) -> str:
        """A piece of a document's text, put together from its units."""
        numbers = _units_between(head.starts, start, end)
        first, last = unit_key(doc_no, numbers.start), unit_key(doc_no, numbers.stop - 1)
        query = Query.range_query(self.schema, "key", FieldType.Unsigned, first, last)
        units = [self.unit(address) for _, address in self.search(query, len(numbers))]
        units.sort(key=lambda unit: unit[0].start)
        return _joined(units, start, end)

    @cached_property
    def documents(self) -> int:
        """How many there are."""
        return self.count(self._tagged(HEAD_TAG))

    # -- vectors -------------------------------------------------------------------------------------------------

    def rows(self, passing: Filter | None) -> npt.NDArray[np.intp] | None:
        """The vector rows of documents that pass a filter, ascending; None for all. Remembered for this commit."""
        if passing is None:
            return None
        with self._lock:
            if passing in self._rows:
                self._rows.move_to_end(passing)
                return self._rows[passing]
        rows = self._rows_of(self._keys(self.heads(passing)) >> UNIT_BITS)
        with self._lock:
            self._rows[passing] = rows
            while len(self._rows) > 1 and sum(map(len, self._rows.values())) > CACHED_ROWS:
                self._rows.popitem(last=False)
        return rows

    def remembered(self, passing: Filter, make: Callable[[], tuple[str, ...]]) -> tuple[str, ...]:
        """What belongs to a filter, made once for this commit."""
        with self._lock:
            known = self._made.get(passing)
        if known is None:
            known = make()
            with self._lock:
                if len(self._made) >= REMEMBERED_FILTERS:
                    self._made.clear()
                self._made[passing] = known
        return known

    def _rows_of(self, doc_nos: npt.NDArray[np.int64]) -> npt.NDArray[np.intp]:
        allowed = np.zeros(max(self.state.next_doc_no, 1), np.bool_)
        allowed[doc_nos] = True
        return np.flatnonzero(allowed[self.vectors.doc])


def _bytes(row: tantivy.Document, field: str) -> bytes:
    stored: bytes = row.get_first(field) or b""
    return stored


def _units_between(starts: Sequence[int], start: int, end: int) -> range:
    first = max(int(np.searchsorted(starts, start, side="right")) - 1, 0)
    last = max(int(np.searchsorted(starts, end, side="left")), first + 1)
    return range(first, min(last, len(starts)))


def _joined(units: Iterable[tuple[UnitRecord, str]], start: int, end: int) -> str:
    pieces = []
    at = start
    for unit, text in units:
        if unit.end > at and unit.start < end:
            pieces.append(text[at - unit.start : end - unit.start])
            at = min(unit.end, end)
    return "".join(pieces)
