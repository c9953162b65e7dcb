"""From what was asked to what tantivy is asked: words, phrases, fields and boosts.

Query objects are built directly; a user's text never meets a query parser, so no punctuation can make it fail.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import tantivy
from tantivy import Occur, Query

from retrievers.embedded import scoring
from retrievers.embedded.analysis import ANALYSERS, CJK_RUN, Analyser, mixed_parts
from retrievers.embedded.schema import HEAD_TAG

REMEMBERED_TERMS: Final = 20_000
"""Terms whose frequency is remembered for a commit, some 200 bytes each."""

MOST_WORDS: Final = 128
"""Words of a query that are looked for; a page of text as a query stays affordable."""

LONGEST_QUERY: Final = 8_000
"""Characters of a query that are looked at."""

_PHRASE: Final = re.compile(r'"([^"]*)"|“([^”]*)”|„([^“”]*)[“”]|«([^»]*)»|「([^」]*)」')
_WORD: Final = re.compile(r"[^\W_]+")
_HYPHENATED: Final = re.compile(r"(?<![^\W_])[^\W_]++(?:[-\u2010\u2011][^\W_]++)+")


@dataclass(frozen=True, slots=True)
class Question:
    """A query taken apart: words with their weight, and quoted phrases."""

    words: Mapping[str, float]
    phrases: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        """Whether nothing is asked for."""
        return not self.words and not self.phrases


def take_apart(query: str, held: Iterable[str]) -> Question:
    """Find the words and quoted phrases of a query; words that only make it a question go if others remain."""
    query = query[:LONGEST_QUERY]
    phrases = tuple(text for text in ("".join(groups) for groups in _PHRASE.findall(query)) if _WORD.search(text))
    rest = _PHRASE.sub(" ", query)
    words = _words_of(rest)[:MOST_WORDS]
    stopwords = frozenset().union(*(ANALYSERS[name].stopwords for name in held))
    telling = [word for word in words if word not in stopwords]
    if telling:  # a quoted title in a question: its words count, too, where the phrase stands nowhere
        telling += [word for text in phrases for word in _words_of(text) if word not in stopwords]
    weights = dict.fromkeys(telling or ([] if phrases else words), 1.0)
    for part in mixed_parts(rest):
        weights.setdefault(part, scoring.PART_WEIGHT)
    for compound in _HYPHENATED.findall(rest):
        weights.setdefault("".join(_WORD.findall(compound)).lower(), scoring.COMPOUND_WEIGHT)
    return Question(weights, phrases)


def _words_of(text: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(text)]


class QueryBuilder:
    """Builds tantivy queries over one state of an index.

    Args:
        held: rows by analyser, of the analysers that have any.
    """

    def __init__(self, schema: tantivy.Schema, searcher: tantivy.Searcher, held: Mapping[str, int]) -> None:
        self._schema = schema
        self._searcher = searcher
        self._analysers = [ANALYSERS[name] for name in held]
        self._rows = held
        self._frequencies: dict[tuple[str, str], int] = {}

    def lexical(self, question: Question) -> Query:
        """Units by words: BM25 over all fields. Phrases alone must match; beside other words they weigh."""
        must = Occur.Should if question.words else Occur.Must
        clauses = [(must, Query.boost_query(self._phrase(p), scoring.PHRASE_WEIGHT)) for p in question.phrases]
        for word, weight in question.words.items():
            clauses += [(Occur.Should, query) for query in self._word(word, weight, scoring.FIELD_BOOSTS)]
        return Query.boolean_query(clauses)

    def prior(self, question: Question) -> Query:
        """Documents by the words of their name and title."""
        words = [*question.words.items(), *((word, 1.0) for phrase in question.phrases for word in phrase.split())]
        clauses = [
            (Occur.Should, query)
            for word, weight in words
            for query in self._short_fields(word, weight, scoring.PRIOR_BOOSTS)
        ]
        named = Query.boolean_query(clauses)
        return Query.boolean_query([(Occur.Must, named), (Occur.Must, silent(self.tagged(HEAD_TAG)))])

    def each(self, question: Question) -> list[Query]:
        """One query for each word and phrase: units that hold it in any field."""
        whole = [word for word, weight in question.words.items() if weight == 1.0]
        words = [Query.boolean_query([(Occur.Should, q) for q in self._word(w, 1.0, _EVERYWHERE)]) for w in whole]
        return [self._phrase(phrase) for phrase in question.phrases] + words

    def tagged(self, tag: str) -> Query:
        """Rows with a tag."""
        return Query.term_query(self._schema, "tag", tag, "basic")

    def rarity(self, word: str) -> float:
        """How much it tells that a word stands somewhere: more, the fewer units hold it."""
        count = sum(
            self._frequency(analyser.field, term)
            for analyser in self._analysers
            for term in _query_terms(analyser, word)[:1]
        )
        return math.log(1 + self._searcher.num_docs / (1 + count))

    def _frequency(self, field: str, term: str) -> int:
        """Rows that hold a term: remembered, since each segment's dictionary is asked, and questions share words."""
        count = self._frequencies.get((field, term))
        if count is None:
            if len(self._frequencies) >= REMEMBERED_TERMS:
                self._frequencies.clear()
            count = self._frequencies[field, term] = self._searcher.doc_freq(field, term)
        return count

    def _word(self, word: str, weight: float, boosts: Mapping[str, float]) -> list[Query]:
        return [*self._in_text(word, weight), *self._short_fields(word, weight, boosts)]

    def _in_text(self, word: str, weight: float) -> list[Query]:
        terms = [(analyser, _query_terms(analyser, word)) for analyser in self._analysers]
        if len(terms) == 1:
            analyser, only = terms[0]
            return [self._term(analyser.field, term, weight) for term in only]
        counted = [
            (analyser, term, self._frequency(analyser.field, term), len(found) == 1)
            for analyser, found in terms
            for term in found
        ]
        total = sum(count for _, _, count, alone in counted if alone)
        return [
            self._term(analyser.field, term, weight * self._fairness(analyser, count, total if alone else count))
            for analyser, term, count, alone in counted
            if count or _is_single_cjk(term)
        ]

    def _fairness(self, analyser: Analyser, count: int, total: int) -> float:
        """What makes a term's score comparable across the text fields of several languages.

        tantivy takes frequencies and average lengths field by field, over the rows of all: in the field of a rare
        language every word would look rare, and every text long.
        """
        rows = self._searcher.num_docs
        share = rows / max(self._rows[analyser.name], 1)
        length = (1 + 1.2 * (0.25 + 0.75 * share)) / 2.2
        return length * _idf(rows, total) / _idf(rows, count)

    def _short_fields(self, word: str, weight: float, boosts: Mapping[str, float]) -> list[Query]:
        terms = dict.fromkeys(term for analyser in self._analysers for term in _query_terms(analyser, word))
        return [
            self._term(field, term, weight * boost) for field, boost in boosts.items() if boost > 0 for term in terms
        ]

    def _term(self, field: str, term: str, weight: float) -> Query:
        if len(term) == 1 and CJK_RUN.match(term):
            return Query.regex_query(self._schema, field, f"{term}.?")  # one character: any pair that it begins
        query = Query.term_query(self._schema, field, term, "freq")
        return query if weight == 1.0 else Query.boost_query(query, weight)

    def _phrase(self, phrase: str) -> Query:
        queries = [
            query
            for analyser in self._analysers
            for field in (analyser.field, *scoring.FIELD_BOOSTS)
            if (query := self._sequence(field, _placed_terms(analyser, phrase))) is not None
        ]
        return Query.boolean_query([(Occur.Should, query) for query in queries])

    def _sequence(self, field: str, placed: Sequence[tuple[int, str]]) -> Query | None:
        if not placed:
            return None
        if len(placed) == 1:
            return self._term(field, placed[0][1], 1.0)
        return Query.phrase_query(self._schema, field, list(placed))


_EVERYWHERE: Final = {"title": 1.0, "headings": 1.0, "name": 1.0}


def silent(query: Query) -> Query:
    """A condition that adds nothing to a score."""
    return Query.const_score_query(query, 0.0)


def _idf(rows: int, count: int) -> float:
    return math.log(1 + (rows - min(count, rows) + 0.5) / (count + 0.5))


@lru_cache(maxsize=10_000)
def _query_terms(analyser: Analyser, word: str) -> tuple[str, ...]:
    """The terms to look for; of a run of CJK characters its pairs, without the single one at its end."""
    terms = tuple(dict.fromkeys(analyser.terms(word)))
    return tuple(term for term in terms if not _is_single_cjk(term)) if len(terms) > 1 else terms


def _placed_terms(analyser: Analyser, phrase: str) -> list[tuple[int, str]]:
    placed = list(enumerate(analyser.terms(phrase)))
    pairs = [(place, term) for place, term in placed if not _is_single_cjk(term)]
    return pairs or placed


def _is_single_cjk(term: str) -> bool:
    return len(term) == 1 and CJK_RUN.match(term) is not None
