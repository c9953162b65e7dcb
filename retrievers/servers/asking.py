"""From what was asked to what a server is asked: the bodies of searches, and filters as JSON. Pure functions."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Final, assert_never

from retrievers.embedded import scoring
from retrievers.embedded.catalogue import LONGER, keyword_term
from retrievers.embedded.querying import Question
from retrievers.fields import keyword
from retrievers.filters import ORDERED_BY, And, Eq, Exists, Filter, In, Leaf, Not, Or, Prefix, Range, Scalar
from retrievers.servers.dialect import Json
from retrievers.servers.mapping import LANGUAGES, TYPES
from retrievers.servers.rows import WIDE, field_name, wide_term
from retrievers.types import FieldType

UNITS: Final[Json] = {"term": {"kind": "unit"}}
HEADS: Final[Json] = {"term": {"head": True}}
VECTORS: Final[Json] = {"term": {"kind": "vector"}}
NOTHING: Final[Json] = {"match_none": {}}

COLUMNS: Final[Json] = {"stored_fields": "_none_"}
"""Of a search that wants columns of its rows (`docvalue_fields`) and nothing else, not even their ids.

What is stored of rows lies in blocks, and unpacking one for each row is most of the cost of a search for many.
"""

TEXT: Final = ("text_*", "whole")
"""Where rows keep the text of a unit; see `retrievers.servers.showing.text_of`."""


def all_of(conditions: Iterable[Json]) -> Json:
    """A condition that adds nothing to a score."""
    return {"bool": {"filter": list(conditions)}}


def whether(query: Json) -> Json:
    """The body of a search that tells whether any row holds a condition; `is_there` reads its answer."""
    return {"query": query, "size": 0, "track_total_hits": 1}


def is_there(answer: Json) -> bool:
    """What such a search says."""
    return bool(answer["hits"]["total"]["value"])


def lexical(question: Question, conditions: Sequence[Json], held: Sequence[str] = LANGUAGES) -> Json:
    """Units by words: BM25 over the fields of the languages held. Phrases alone must match; else they weigh."""
    clauses = [
        _weighted(field, words, weight, boost)
        for weight, words in _by_weight(question)
        for field, boost in _fields({"text": 1.0, **scoring.FIELD_BOOSTS}, held)
    ]
    phrases = [_phrase(phrase, scoring.PHRASE_WEIGHT, held) for phrase in question.phrases]
    if question.words:
        return _scored(clauses + phrases, [UNITS, *conditions])
    return {"bool": {"must": phrases, "filter": [UNITS, *conditions]}}


def prior(question: Question, conditions: Sequence[Json], held: Sequence[str] = LANGUAGES) -> Json:
    """Documents by the words of their name."""
    words = [*_by_weight(question), *((1.0, phrase) for phrase in question.phrases)]
    clauses = [
        _weighted(field, text, weight, boost)
        for weight, text in words
        for field, boost in _fields(scoring.PRIOR_BOOSTS, held)
    ]
    return _scored(clauses, [HEADS, *conditions])


def scored(row_ids: Sequence[str], scores: Sequence[float], conditions: Sequence[Json]) -> Json:
    """Rows by their ids, each with a score that is known already."""
    clauses = [
        {"constant_score": {"filter": {"ids": {"values": [row]}}, "boost": max(score, 1e-6)}}
        for row, score in zip(row_ids, scores, strict=True)
    ]
    return _scored(clauses, conditions)


def each(question: Question, held: Sequence[str] = LANGUAGES) -> list[Json]:
    """One condition for each word and phrase: units that hold it in any field."""
    everywhere = dict.fromkeys(("text", *scoring.FIELD_BOOSTS), 1.0)
    fields = [field for field, _ in _fields(everywhere, held)]
    whole = [word for word, weight in question.words.items() if weight == 1.0]
    words = [_any_of([{"match": {field: {"query": word, "operator": "and"}}} for field in fields]) for word in whole]
    return [_phrase(phrase, 1.0, held) for phrase in question.phrases] + words


def _by_weight(question: Question) -> list[tuple[float, str]]:
    """The words of each weight, as one text."""
    texts: dict[float, list[str]] = {}
    for word, weight in question.words.items():
        texts.setdefault(weight, []).append(word)
    return [(weight, " ".join(words)) for weight, words in texts.items()]


def _fields(boosts: Mapping[str, float], held: Sequence[str]) -> list[tuple[str, float]]:
    languages = held or LANGUAGES
    return [(f"{name}_{language}", boost) for language in languages for name, boost in boosts.items() if boost > 0]


def _weighted(field: str, text: str, weight: float, boost: float) -> Json:
    return {"match": {field: {"query": text, "boost": weight * boost}}}


def _phrase(phrase: str, boost: float, held: Sequence[str]) -> Json:
    fields = [field for field, _ in _fields({"text": 1.0, **scoring.FIELD_BOOSTS}, held)]
    return _any_of([{"match_phrase": {field: {"query": phrase, "boost": boost}}} for field in fields])


def _any_of(clauses: Sequence[Json]) -> Json:
    return {"bool": {"should": list(clauses), "minimum_should_match": 1}}


def _scored(clauses: Sequence[Json], conditions: Sequence[Json]) -> Json:
    if not clauses:
        return NOTHING
    return {"bool": {"should": list(clauses), "minimum_should_match": 1, "filter": list(conditions)}}


# --- filters --------------------------------------------------------------------------------------------------------


def condition(resolved: Filter, wide: Container[str] = ()) -> Json:
    """The rows of documents that pass a filter, as `retrievers.filters.resolve` gives it; `wide` as in `rows`."""
    match resolved:
        case And(parts):
            return all_of(condition(part, wide) for part in parts)
        case Or(parts):
            return _any_of([condition(part, wide) for part in parts]) if parts else NOTHING
        case Not(inner):
            return {"bool": {"must_not": [condition(inner, wide)]}}
        case _ if resolved.field in wide:
            return _wide_leaf(resolved)
        case _:
            return _leaf(resolved)


def path_of(field: str, kind: FieldType) -> str:
    """Where the values of a field are indexed that can be read as a type; booleans are so by their text."""
    return f"{TYPES.get(kind, 'k')}.{field_name(field)}"


def _leaf(leaf: Leaf) -> Json:
    field = leaf.field
    match leaf:
        case Eq(_, value):
            return _one_of(field, (value,))
        case In(_, values):
            return _one_of(field, values)
        case Range():
            return {"range": {path_of(field, leaf.type or "keyword"): _by_beginnings(bounds_of(leaf))}}
        case Exists():
            return {"exists": {"field": path_of(field, "keyword")}}
        case Prefix(_, prefix):
            return {"prefix": {path_of(field, "keyword"): prefix[:ORDERED_BY]}}
        case _ as unreachable:
            assert_never(unreachable)


def _wide_leaf(leaf: Leaf) -> Json:
    """Of a field without a field of its own: all of its values are texts."""
    field = leaf.field
    match leaf:
        case Eq(_, value):
            return {"term": {"wide": wide_term(field, keyword_term(str(keyword(value))))}}
        case In(_, values):
            terms = [wide_term(field, keyword_term(str(keyword(value)))) for value in values]
            return {"terms": {"wide": terms}} if terms else NOTHING
        case Range():
            ends = {"gte": wide_term(field, ""), "lt": f"{field_name(field)}{chr(ord(WIDE) + 1)}"}
            bounds = _by_beginnings(bounds_of(leaf))
            given = {name: wide_term(field, str(value)) for name, value in bounds.items()}
            lower = {name: given[name] for name in ("gt", "gte") if name in given} or {"gte": ends["gte"]}
            upper = {name: given[name] for name in ("lt", "lte") if name in given} or {"lt": ends["lt"]}
            return {"range": {"wide": {**lower, **upper}}}
        case Exists():
            return {"prefix": {"wide": wide_term(field, "")}}
        case Prefix(_, prefix):
            return {"prefix": {"wide": wide_term(field, prefix[:ORDERED_BY])}}
        case _ as unreachable:
            assert_never(unreachable)


def bounds_of(leaf: Range) -> Json:
    """One bound a side, the narrower of two: a server takes no more, and one value has to hold both."""
    bounds: Json = {}
    if leaf.gt is not None and (leaf.gte is None or leaf.gt >= leaf.gte):  # type: ignore[operator]  # of one type
        bounds["gt"] = leaf.gt
    elif leaf.gte is not None:
        bounds["gte"] = leaf.gte
    if leaf.lt is not None and (leaf.lte is None or leaf.lt <= leaf.lte):  # type: ignore[operator]  # of one type
        bounds["lt"] = leaf.lt
    elif leaf.lte is not None:
        bounds["lte"] = leaf.lte
    return bounds


def _by_beginnings(bounds: Json) -> Json:
    """Keywords are ordered by their beginnings, and longer ones stand in the index with more behind it."""
    behind = chr(ord(LONGER) + 1)
    turned = {"gt": "gte", "lte": "lt"}
    return {
        **{name: value for name, value in bounds.items() if not _is_beginning(name, value)},
        **{turned[name]: value + behind for name, value in bounds.items() if _is_beginning(name, value)},
    }


def _is_beginning(name: str, value: object) -> bool:
    return name in ("gt", "lte") and isinstance(value, str) and len(value) >= ORDERED_BY


def _one_of(field: str, values: Sequence[Scalar]) -> Json:
    texts = [keyword_term(str(keyword(value))) for value in values if isinstance(value, str | bool)]
    numbers = [value for value in values if not isinstance(value, str | bool)]
    found: list[Json] = []
    if texts:
        found.append({"terms": {path_of(field, "keyword"): texts}})
    if numbers:
        found.append({"terms": {path_of(field, "number"): numbers}})
    return _any_of(found) if found else NOTHING
