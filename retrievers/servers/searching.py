"""One question to an index on a server: by words, by meaning, by both, and what is found as hits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

import msgspec
import numpy as np

from retrievers.embedded import scoring
from retrievers.embedded.querying import Question
from retrievers.embedded.rows import language_code
from retrievers.embedded.schema import UNIT_BITS
from retrievers.embedded.scoring import Candidates, Ranked
from retrievers.errors import ConfigError, EngineRejected
from retrievers.filters import Filter
from retrievers.servers import asking, fusing
from retrievers.servers.connecting import refusal
from retrievers.servers.dialect import Dialect, Json
from retrievers.servers.duplicates import MARKED, Marked, collapsed, naming_duplicates
from retrievers.servers.editions import WRITERS, refuse_outdated, whole
from retrievers.servers.looking import Seen
from retrievers.servers.rows import routing_of, unit_id
from retrievers.servers.showing import hits_of
from retrievers.types import Hit, Vector

WINDOW: Final = 10_000
"""Results that a server gives in one search at most."""

MOST_NAMED: Final = 1_000
"""Units found by meaning that a server's own mix is told: each is a clause of a query."""

_DEEPER: Final = 4
_KEYS: Final = ["doc_id", "unit", "edition", "language"]
_encode: Final = msgspec.json.Encoder().encode


def window_argument(top_k: int) -> int:
    """A number of results that a server can give.

    Raises:
        EngineRejected: it is beyond the window of results.
    """
    if top_k > WINDOW:
        raise EngineRejected(
            f"a server gives {WINDOW:,} results of one search at most, not {top_k:,}",
            hint="narrow the search by a filter, or walk over all documents with a scan",
        )
    return top_k


def rows_of(answer: Json) -> list[Json]:
    """The rows of a search.

    Raises:
        EngineRejected: they are not all there are.
    """
    if answer.get("timed_out") or answer.get("_shards", {}).get("failed"):
        raise EngineRejected("a part of the index did not answer", hint="look at the state of the cluster")
    rows: list[Json] = answer["hits"]["hits"]
    return rows


def search_together(
    dialect: Dialect, index: str, bodies: Sequence[Json], *, shards: int = 1, routing: str = ""
) -> list[Json]:
    """Several searches in one request; over several shards words are weighed by their frequency in all of them."""
    said: Json = {"routing": routing} if routing else {}
    header = _encode(said if shards == 1 else {**said, "search_type": "dfs_query_then_fetch"})
    lines = [line for body in bodies for line in (header, _encode(body))]
    answers = dialect.request("POST", f"/{index}/_msearch", lines=lines)["responses"]
    for answer in answers:
        if "error" in answer:
            raise refusal(dialect.place, answer.get("status", 400), answer)
    return list(answers)


class Place(NamedTuple):
    """A unit that was found, and the span in it, if one is known."""

    doc_id: str
    unit: int
    edition: str
    language: str
    span: tuple[int, int] | None = None


class ServerSearch:
    """What is asked, of which index, and the conditions that hold; those that must, whatever is asked, once more."""

    def __init__(
        self,
        dialect: Dialect,
        index: str,
        seen: Seen,
        question: Question,
        conditions: Sequence[Json],
        *,
        given: Filter | None = None,
        must: Sequence[Json] = (),
        is_marked: bool = False,
    ) -> None:
        self.seen, self.question = seen, question
        self._dialect, self._index = dialect, index
        self._conditions, self._given, self._must = list(conditions), given, must
        self._is_marked = is_marked
        self._is_written_to = False

    def whole(self, ask: Callable[[ServerSearch], list[Hit]]) -> list[Hit]:
        """What is found of documents that are whole, whoever writes meanwhile; of those that say the same, of one.

        Raises:
            EngineUnavailable: documents are replaced faster than they are found.
        """
        try:
            return self._whole(ask, is_marked=self._is_marked)
        except Marked:
            return self._whole(ask, is_marked=True)

    def _whole(self, ask: Callable[[ServerSearch], list[Hit]], *, is_marked: bool) -> list[Hit]:
        conditions = self._conditions
        if is_marked:
            conditions = collapsed(self._dialect, self._index, self._given, conditions)

        def again(held: list[Json]) -> list[Hit]:
            where = (self._dialect, self._index, self.seen, self.question, held)
            return ask(ServerSearch(*where, given=self._given, must=self._must, is_marked=is_marked))

        return whole(self._dialect, again, conditions)

    def by_words(self, top_k: int) -> list[Hit]:
        """BM25 over text, title, headings and path."""
        return self._found(asking.lexical(self.question, self._conditions, self.seen.held), top_k)

    def beginnings(self, top_k: int) -> list[Hit]:
        """The beginnings of the documents that pass: what a question without words finds."""
        return self._found(asking.all_of([asking.HEADS, *self._conditions]), top_k)

    def by_meaning(self, vector: Vector, top_k: int) -> list[Hit]:
        """The units whose best chunk is most similar."""
        places, scores = self._nearest_units(vector, top_k)
        return self._hits(places[:top_k], [2 * score - 1 for score in scores[:top_k]])

    def by_both(self, vector: Vector | None, top_k: int, known: frozenset[str] | None) -> list[Hit]:
        """Words and meaning mixed on this side; `known` are the languages that the embedder knows, None for all."""
        depth = max(scoring.DEPTH, top_k)
        bodies = [
            _candidates(asking.lexical(self.question, self._conditions, self.seen.held), depth),
            _candidates(asking.prior(self.question, self._conditions, self.seen.held), depth),
        ]
        rows = min(2 * depth, WINDOW)
        if vector is not None:
            bodies.append(self._nearest(vector, rows))
        answers = self._many(bodies)
        found = [_units(answer) for answer in answers]
        if vector is not None:
            near, scores = found.pop()
            if len(near) < depth and rows < WINDOW and len(rows_of(answers[-1])) == rows:  # many chunks of each unit
                near, scores = self._nearest_units(vector, depth)
            found.append((near[:depth], scores[:depth]))  # as many as the embedded engine puts on one scale
        places, mix = _mixed(found, known)
        return self._hits(places[:top_k], mix[:top_k])

    def by_the_server(self, vector: Vector, top_k: int, fusion: str) -> list[Hit]:
        """Words and meaning mixed by the server: the units found by meaning first, then both in one query.

        Raises:
            ConfigError: this server does not do that.
        """
        depth = max(scoring.DEPTH, top_k)
        near, scores = self._nearest_units(vector, min(depth, MOST_NAMED))
        named = asking.scored([unit_id(p.doc_id, p.edition, p.unit) for p in near], scores, self._conditions)
        legs = [{"query": asking.lexical(self.question, self._conditions, self.seen.held)}, {"query": named}]
        body = {**self._dialect.mixing(legs, fusion, depth), "track_total_hits": False}
        try:
            answer = self._dialect.request("POST", f"/{self._index}/_search", body=body)
        except (ConfigError, EngineRejected) as error:
            raise fusing.told(self._dialect.place, error) from None
        if self._is_written_to:
            refuse_outdated(self._dialect, self._index, [answer])
        spans = {(place.doc_id, place.unit): place.span for place in near}
        rows = [(row["_source"], float(row["_score"] or 0.0)) for row in rows_of(answer)[:top_k]]
        return self._shown([(row, score, spans.get((row["doc_id"], row["unit"]))) for row, score in rows])

    # --- asking -----------------------------------------------------------------------------------------------------

    def _found(self, query: Json, top_k: int) -> list[Hit]:
        """The hits of one search, in one request."""
        body = {"query": query, "size": top_k, "track_total_hits": False}
        (answer,) = self._many([body])
        return self._shown([(row["_source"], float(row["_score"] or 0.0), None) for row in rows_of(answer)])

    def _hits(self, places: Sequence[Place], scores: Sequence[float]) -> list[Hit]:
        """The hits at places, whose rows are fetched."""
        if not places:
            return []
        asked = [{"_id": unit_id(p.doc_id, p.edition, p.unit), "routing": routing_of(p.doc_id)} for p in places]
        # whole rows, since taking some of their fields out costs a server more than sending all
        # as of the last refresh: by itself a server gives what is not to be seen yet
        params = {"realtime": "false"}
        answer = self._dialect.request("POST", f"/{self._index}/_mget", params=params, body={"docs": asked})
        return self._shown(
            [
                (row["_source"], score, place.span)
                for row, score, place in zip(answer["docs"], scores, places, strict=True)
                if row.get("found") and row["_source"]["edition"] == place.edition
            ]
        )

    def _shown(self, found: Sequence[tuple[Json, float, tuple[int, int] | None]]) -> list[Hit]:
        hits = hits_of(self.question, self.seen.held, found, is_held=bool(self._must))
        return naming_duplicates(self._dialect, self._index, hits, self._must) if self._is_marked else hits

    def _nearest_units(self, vector: Vector, count: int) -> tuple[list[Place], list[float]]:
        """The units whose best chunk is nearest, at least `count` where there are so many within the window."""
        rows = min(2 * count + 20, WINDOW)
        while True:
            (answer,) = self._many([self._nearest(vector, rows)])
            places, scores = _units(answer)
            if len(places) >= count or len(answer["hits"]["hits"]) < rows or rows == WINDOW:
                return places, scores
            rows = min(_DEEPER * rows, WINDOW)

    def _nearest(self, vector: Vector, rows: int) -> Json:
        body = self._dialect.nearest(vector.tolist(), rows, asking.all_of([asking.VECTORS, *self._conditions]))
        return {**body, **asking.COLUMNS, "docvalue_fields": [*_KEYS, "start", "end"], "track_total_hits": False}

    def _many(self, bodies: Sequence[Json]) -> list[Json]:
        """Several searches in one request.

        Raises:
            Outdated: some of what was found is on its way in or out.
            Marked: there are near-duplicates after all.
        """
        asked = [*bodies, asking.whether(WRITERS), *([] if self._is_marked else [asking.whether(MARKED)])]
        answers = search_together(self._dialect, self._index, asked, shards=self.seen.shards)
        if not self._is_marked and asking.is_there(answers.pop()):
            raise Marked
        self._is_written_to = asking.is_there(answers.pop())
        if self._is_written_to:
            refuse_outdated(self._dialect, self._index, answers)
        return answers


def _candidates(query: Json, depth: int) -> Json:
    return {"query": query, "size": depth, **asking.COLUMNS, "docvalue_fields": _KEYS, "track_total_hits": False}


def _units(answer: Json) -> tuple[list[Place], list[float]]:
    """The units of the rows, each once, best first."""
    found: dict[tuple[str, int], tuple[Place, float]] = {}
    for row in rows_of(answer):
        fields = row["fields"]
        span = (fields["start"][0], fields["end"][0]) if "start" in fields else None
        language = fields.get("language", [""])[0]
        place = Place(fields["doc_id"][0], fields["unit"][0], fields["edition"][0], language, span)
        found.setdefault((place.doc_id, place.unit), (place, float(row["_score"])))
    return [place for place, _ in found.values()], [score for _, score in found.values()]


def _mixed(
    found: Sequence[tuple[Sequence[Place], Sequence[float]]], known: frozenset[str] | None
) -> tuple[list[Place], list[float]]:
    """Units by words, documents by name and, where there are any, units by meaning in one order."""
    numbers: dict[str, int] = {}
    by_key: dict[int, Place] = {}
    legs = []
    for places, scores in found:
        keys = [numbers.setdefault(p.doc_id, len(numbers)) << UNIT_BITS | p.unit for p in places]
        for key, place in zip(keys, places, strict=True):
            if key not in by_key or place.span:
                by_key[key] = place
        legs.append(_ranked(keys, scores, places))
    lexical, named = legs[:2]
    semantic = legs[2] if len(legs) > 2 else Ranked.empty()
    candidates = Candidates(lexical=lexical, semantic=semantic, rows=np.empty(0, np.intp), prior=named)
    ranked = scoring.mixed(candidates, unknown_languages=_unknown_languages(candidates, known))
    return [by_key[key] for key in ranked.keys.tolist()], ranked.scores.tolist()


def _unknown_languages(candidates: Candidates, known: frozenset[str] | None) -> frozenset[int]:
    if known is None or not len(candidates.semantic.keys):
        return frozenset()
    present = {*candidates.lexical.languages.tolist(), *candidates.semantic.languages.tolist()}
    return frozenset(present - {language_code(code) for code in known} - {0})


def _ranked(keys: Sequence[int], scores: Sequence[float], places: Sequence[Place]) -> Ranked:
    languages = [_code(place.language) for place in places]
    return Ranked(np.array(keys, np.int64), np.array(scores, np.float32), np.array(languages, np.int64))


_code: Final = lru_cache(maxsize=1_000)(language_code)
