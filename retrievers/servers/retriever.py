"""Ask an index on a server: by words, by meaning, by both; read, count and describe what it holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Final

import msgspec
import numpy as np

from retrievers.arguments import count_argument, text_argument
from retrievers.embedded import scoring
from retrievers.embedded.analysis import is_cjk
from retrievers.embedded.querying import Question, take_apart
from retrievers.embedded.rows import language_code
from retrievers.embedded.schema import UNIT_BITS
from retrievers.embedded.scoring import Candidates, Ranked
from retrievers.errors import ConfigError, EngineRejected, EngineUnavailable, FilterError, IndexMismatch
from retrievers.filters import Filter, conjunction, parse, resolve
from retrievers.protocols import Embedder, FilterLike
from retrievers.servers import asking
from retrievers.servers.connecting import refusal
from retrievers.servers.dialect import Dialect, Json
from retrievers.servers.documents import ServerDocuments
from retrievers.servers.duplicates import collapsed, naming_duplicates
from retrievers.servers.ledger import ServerLedger
from retrievers.servers.looking import Looker, Seen
from retrievers.servers.rows import routing_of, row_id
from retrievers.servers.showing import hit_of, text_of, wanted
from retrievers.types import (
    CorpusDescription,
    DocumentSummary,
    Facet,
    Hit,
    IndexedDocument,
    LedgerEntry,
    Page,
    RetrievedDocument,
    Span,
    Vector,
)

WINDOW: Final = 10_000
"""Results that a server gives in one search at most."""

_encode: Final = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class _Place:
    """A unit that was found, and the span in it, if one is known."""

    doc_id: str
    unit: int
    language: str
    span: tuple[int, int] | None = None


class ServerRetriever:
    """Reads an index on a server. Safe to share between threads.

    Args:
        dialect: the server, connected.
        index: name or alias.
        embedder: makes the embedder when a search by meaning needs it, given the name of the index's own; None
            searches by words only.
        must: a filter that holds for every search, get, count, facet and scan, whatever else is asked.

    Raises:
        ConfigError: there is no such index, or it was made by something else.
    """

    def __init__(
        self,
        dialect: Dialect,
        index: str,
        *,
        embedder: Callable[[str], Embedder | None] | None = None,
        must: FilterLike = None,
    ) -> None:
        self._dialect, self._index = dialect, index
        self._looker = Looker(dialect, index)
        self._must = parse(must)
        self._make_embedder = embedder
        self._embedder: Embedder | None = None
        self._lock = Lock()
        self._looker.seen()

    # --- searching --------------------------------------------------------------------------------------------------

    def search(self, query: str, *, top_k: int = 10, filters: FilterLike = None) -> Sequence[Hit]:
        """By words: BM25 over text, title, headings and path.

        Raises:
            FilterError: an unknown field or a wrong type.
        """
        query, top_k = text_argument("the query", query), count_argument("top_k", top_k)
        seen, conditions = self._asked(filters)
        question = take_apart(query, seen.held)
        if top_k < 1:
            return []
        if question.is_empty:
            return self._without_words(seen, filters, conditions, top_k)
        asked = asking.lexical(question, conditions)
        return self._found(asked, top_k, question, seen)

    def vector_search(self, query: str, *, top_k: int = 10, filters: FilterLike = None) -> Sequence[Hit]:
        """By meaning: the units whose best chunk is most similar.

        Raises:
            FilterError: an unknown field or a wrong type.
            ConfigError: the index has no vectors, or no embedder was given.
            EngineUnavailable: its vectors are still to be made.
        """
        query, top_k = text_argument("the query", query), count_argument("top_k", top_k)
        seen, conditions = self._asked(filters)
        if top_k < 1 or not query.strip() or not seen.documents:
            return []
        vector = self._query_vector(seen, query)
        (answer,) = self._many([self._nearest(vector, min(2 * top_k + 20, WINDOW), conditions)])
        places, scores = _units(answer)
        similarity = [2 * score - 1 for score in scores]
        return self._hits(places[:top_k], similarity[:top_k], take_apart(query, seen.held), seen)

    def hybrid_search(self, query: str, *, top_k: int = 10, filters: FilterLike = None) -> Sequence[Hit]:
        """By words and meaning, mixed; by words alone as long as there are no vectors.

        Raises:
            FilterError: an unknown field or a wrong type.
        """
        query, top_k = text_argument("the query", query), count_argument("top_k", top_k)
        seen, conditions = self._asked(filters)
        question = take_apart(query, seen.held)
        if top_k < 1:
            return []
        if question.is_empty:
            return self._without_words(seen, filters, conditions, top_k)
        depth = min(max(scoring.DEPTH, top_k), WINDOW)
        bodies = [
            _candidates(asking.lexical(question, conditions), depth),
            _candidates(asking.prior(question, conditions), depth),
        ]
        if self._has_meaning(seen, query):
            bodies.append(self._nearest(self._loaded(seen).embed_query(query), min(2 * depth, WINDOW), conditions))
        places, scores = self._mixed(self._many(bodies))
        return self._hits(places[:top_k], scores[:top_k], question, seen)

    def _mixed(self, answers: Sequence[Json]) -> tuple[list[_Place], list[float]]:
        numbers: dict[str, int] = {}
        by_key: dict[int, _Place] = {}
        legs = []
        for answer in answers:
            places, scores = _units(answer)
            keys = [numbers.setdefault(p.doc_id, len(numbers)) << UNIT_BITS | p.unit for p in places]
            for key, place in zip(keys, places, strict=True):
                if key not in by_key or place.span:
                    by_key[key] = place
            legs.append(_ranked(keys, scores, places))
        lexical, named = legs[:2]
        semantic = legs[2] if len(legs) > 2 else Ranked.empty()
        candidates = Candidates(lexical=lexical, semantic=semantic, rows=np.empty(0, np.intp), prior=named)
        ranked = scoring.mixed(candidates, unknown_languages=self._unknown_languages(candidates))
        return [by_key[key] for key in ranked.keys.tolist()], ranked.scores.tolist()

    def _found(self, query: Json, top_k: int, question: Question, seen: Seen) -> list[Hit]:
        """The hits of one search, in one request."""
        body = {"query": query, "size": min(top_k, WINDOW), "track_total_hits": False, "_source": _SHOWN}
        (answer,) = self._many([body])
        rows = [(row["_source"], float(row["_score"] or 0.0)) for row in _rows(answer)]
        found_by = wanted(question, seen.held, [text_of(source) for source, _ in rows])
        hits = [hit_of(source, score, found_by, None) for source, score in rows]
        return naming_duplicates(self._dialect, self._index, seen, hits)

    def _hits(self, places: Sequence[_Place], scores: Sequence[float], question: Question, seen: Seen) -> list[Hit]:
        """The hits at places, whose rows are fetched."""
        if not places:
            return []
        asked = [
            {"_id": row_id(p.doc_id, "u", p.unit), "routing": routing_of(p.doc_id), "_source": _SHOWN} for p in places
        ]
        answer = self._dialect.request("POST", f"/{self._index}/_mget", body={"docs": asked})
        found = [
            (row["_source"], score, place.span)
            for row, score, place in zip(answer["docs"], scores, places, strict=True)
            if row.get("found")
        ]
        found_by = wanted(question, seen.held, [text_of(source) for source, _, _ in found])
        hits = [hit_of(source, score, found_by, span) for source, score, span in found]
        return naming_duplicates(self._dialect, self._index, seen, hits)

    def _without_words(self, seen: Seen, filters: FilterLike, conditions: list[Json], top_k: int) -> list[Hit]:
        """A query of no words finds, with a filter, the beginnings of what passes."""
        if parse(filters) is None:
            return []
        return self._found(asking.all_of([asking.HEADS, *conditions]), top_k, Question({}, ()), seen)

    def _many(self, bodies: Sequence[Json]) -> list[Json]:
        """Several searches in one request."""
        lines = [line for body in bodies for line in (b"{}", _encode(body))]
        answers = self._dialect.request("POST", f"/{self._index}/_msearch", lines=lines)["responses"]
        for answer in answers:
            if "error" in answer:
                raise refusal(self._dialect.place, answer.get("status", 400), answer)
        return list(answers)

    # --- meaning ----------------------------------------------------------------------------------------------------

    def _nearest(self, vector: Vector, count: int, conditions: Sequence[Json]) -> Json:
        body = self._dialect.nearest(vector.tolist(), count, asking.all_of([asking.VECTORS, *conditions]))
        return {**body, "_source": False, "docvalue_fields": [*_KEYS, "start", "end"], "track_total_hits": False}

    def _has_meaning(self, seen: Seen, query: str) -> bool:
        if self._make_embedder is None or not seen.dimensions or not seen.vectors:
            return False
        known = self._loaded(seen).languages
        return known is None or not is_cjk(query) or bool(known & {"zh", "ja", "ko"})

    def _query_vector(self, seen: Seen, query: str) -> Vector:
        place = self._dialect.place
        if not seen.dimensions:
            raise ConfigError(
                f"the index {place} was built without vectors",
                hint="search by words, or build it again with an embedder: ingest --rebuild",
            )
        if self._make_embedder is None:
            raise ConfigError("searching by meaning needs an embedder, and none was given", hint="search by words")
        if not seen.vectors:
            raise EngineUnavailable(
                f"the vectors of the index {place} are still to be made",
                hint="search by words meanwhile; the same `ingest` command again makes them",
            )
        return self._loaded(seen).embed_query(query)

    def _loaded(self, seen: Seen) -> Embedder:
        with self._lock:
            if self._embedder is None:
                assert self._make_embedder is not None
                embedder = self._make_embedder(seen.embedder)
                if embedder is None or embedder.name != seen.embedder or embedder.dimensions != seen.dimensions:
                    raise IndexMismatch(
                        f"index {self._dialect.place} was built with {seen.embedder},"
                        f" not {embedder.name if embedder else 'none'}",
                        hint="use that embedder, or build it again with `ingest --rebuild`",
                    )
                self._embedder = embedder
            return self._embedder

    def _unknown_languages(self, candidates: Candidates) -> frozenset[int]:
        known = self._embedder.languages if self._embedder and len(candidates.semantic.keys) else None
        if known is None:
            return frozenset()
        present = {*candidates.lexical.languages.tolist(), *candidates.semantic.languages.tolist()}
        return frozenset(present - {language_code(code) for code in known} - {0})

    # --- filters ----------------------------------------------------------------------------------------------------

    def _asked(self, filters: FilterLike) -> tuple[Seen, list[Json]]:
        """As `_conditions`, for a search: of documents that say the same, one only."""
        seen, conditions = self._conditions(filters)
        given = [each for each in (self._must, parse(filters)) if each is not None]
        return seen, collapsed(self._dialect, self._index, seen, conjunction(given) if given else None, conditions)

    def _conditions(self, filters: FilterLike) -> tuple[Seen, list[Json]]:
        """What the index holds, and the conditions that hold for this call, those nobody can take away first."""
        given = parse(filters)
        asked = [each for each in (self._must, given) if each is not None]
        seen = self._looker.seen()
        try:
            return seen, _translated(asked, seen)
        except FilterError:
            seen = self._looker.seen(fresh=True)  # the field may be newer than what was seen
            return seen, _translated(asked, seen)

    # --- reading ----------------------------------------------------------------------------------------------------

    def get(self, doc_id: str) -> RetrievedDocument:
        """The whole document.

        Raises:
            DocumentNotFound: there is none with this id, or none that the mandatory filter lets through.
        """
        return self._documents().get(text_argument("doc_id", doc_id))

    def read(self, doc_id: str, start: int, end: int) -> Span:
        """The text between two offsets, cut to the document's length.

        Raises:
            DocumentNotFound: as `get`.
        """
        return self._documents().read(
            text_argument("doc_id", doc_id), count_argument("start", start), count_argument("end", end)
        )

    def read_pages(self, doc_id: str, first: int, last: int) -> Sequence[Page]:
        """The pages `first` to `last`, 1-based, both included, those that exist.

        Raises:
            DocumentNotFound: as `get`.
        """
        return self._documents().read_pages(
            text_argument("doc_id", doc_id), count_argument("first", first), count_argument("last", last)
        )

    def count(self, query: str = "", *, filters: FilterLike = None) -> int:
        """How many documents match the filter and hold all words and phrases, each in some place of the document."""
        return self._documents(filters).count(text_argument("the query", query))

    def facets(self, field: str, *, query: str = "", filters: FilterLike = None, top_k: int = 20) -> Sequence[Facet]:
        """The most frequent values of a field, counted in documents, ties by value.

        Raises:
            FilterError: there is no such field.
        """
        query, top_k = text_argument("the query", query), count_argument("top_k", top_k)
        return self._documents(filters).facets(text_argument("field", field), query, top_k)

    def scan(
        self, *, query: str = "", filters: FilterLike = None, after: str = "", limit: int | None = None
    ) -> Iterator[DocumentSummary]:
        """Every matching document once, ordered by id, as of now, beginning behind the id `after`."""
        limit = None if limit is None else count_argument("limit", limit)
        return self._documents(filters).scan(text_argument("the query", query), text_argument("after", after), limit)

    def describe(self) -> CorpusDescription:
        """Counts, fields with types and examples, languages, embedder."""
        return self._documents(fresh=True).describe()

    def export(self, *, after: str = "") -> Iterator[IndexedDocument]:
        """Every document as it was written, ordered by id, with its vectors where it has them."""
        return self._documents().export(after)

    def ledger_ends(self) -> Mapping[str, int]:
        """Number of the last entry of each author in the ledger."""
        return ServerLedger(self._dialect, self._index).ends()

    def read_ledger(self, known: Mapping[str, int]) -> Iterator[LedgerEntry]:
        """The entries of the ledger, in order; none where a filter must hold, for they tell of all documents."""
        return iter(()) if self._must is not None else ServerLedger(self._dialect, self._index).read(known)

    def embedder(self) -> tuple[str, int]:
        """Name and dimensions of the embedder that the index was built with, ("", 0) without vectors."""
        seen = self._looker.seen()
        return seen.embedder, seen.dimensions

    def close(self) -> None:
        """Let go of all connections."""
        self._dialect.close()

    def _documents(self, filters: FilterLike = None, *, fresh: bool = False) -> ServerDocuments:
        if fresh:
            self._looker.seen(fresh=True)
        seen, conditions = self._conditions(filters)
        return ServerDocuments(self._dialect, self._index, seen, conditions)


_KEYS: Final = ["doc_id", "unit", "language"]
_SHOWN: Final = ["doc_id", "start", "end", "hit", *asking.TEXT]


def _translated(filters: Sequence[Filter], seen: Seen) -> list[Json]:
    return [asking.condition(resolve(each, seen.types), seen.wide) for each in filters]


def _candidates(query: Json, depth: int) -> Json:
    return {"query": query, "size": depth, "_source": False, "docvalue_fields": _KEYS, "track_total_hits": False}


def _rows(answer: Json) -> list[Json]:
    if answer.get("timed_out") or answer.get("_shards", {}).get("failed"):
        raise EngineRejected("a part of the index did not answer", hint="look at the state of the cluster")
    rows: list[Json] = answer["hits"]["hits"]
    return rows


def _units(answer: Json) -> tuple[list[_Place], list[float]]:
    """The units of the rows, each once, best first."""
    found: dict[tuple[str, int], tuple[_Place, float]] = {}
    for row in _rows(answer):
        fields = row["fields"]
        span = (fields["start"][0], fields["end"][0]) if "start" in fields else None
        place = _Place(fields["doc_id"][0], fields["unit"][0], fields.get("language", [""])[0], span)
        found.setdefault((place.doc_id, place.unit), (place, float(row["_score"])))
    return [place for place, _ in found.values()], [score for _, score in found.values()]


def _ranked(keys: Sequence[int], scores: Sequence[float], places: Sequence[_Place]) -> Ranked:
    languages = [language_code(place.language) for place in places]
    return Ranked(np.array(keys, np.int64), np.array(scores, np.float32), np.array(languages, np.int64))
