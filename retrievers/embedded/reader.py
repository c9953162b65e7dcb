"""Ask an embedded index: by words, by meaning, by both; read, count and describe what it holds."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from threading import Lock

import numpy as np

from retrievers.arguments import count_argument, text_argument
from retrievers.embedded import scoring
from retrievers.embedded.analysis import is_cjk
from retrievers.embedded.documents import DocumentReader
from retrievers.embedded.duplicates import collapsed, naming_duplicates
from retrievers.embedded.exporting import exported
from retrievers.embedded.hits import hit_of
from retrievers.embedded.layout import TEXT, damaged, open_text, read_manifest
from retrievers.embedded.ledger import read_ledger
from retrievers.embedded.matching import wanted
from retrievers.embedded.querying import Question
from retrievers.embedded.readonly import ReadableFolder
from retrievers.embedded.rows import language_code
from retrievers.embedded.scan import nearest_units
from retrievers.embedded.scoring import Candidates, Ranked
from retrievers.embedded.snapshot import Snapshot
from retrievers.embedded.vectors import END, START, Rows
from retrievers.embedders import spec_of
from retrievers.errors import ConfigError, EngineUnavailable, IndexMismatch
from retrievers.filters import Filter, parse
from retrievers.marks import asked_for
from retrievers.protocols import Embedder, FilterLike
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


class EmbeddedRetriever:
    """Reads an index in a folder; sees each new commit of a writer at the next call. Safe to share between threads.

    Args:
        path: the folder.
        embedder: makes the embedder when a search by meaning needs it; None searches by words only.
        must: a filter that holds for every search, read, count, facet and scan, whatever else is asked.

    Raises:
        ConfigError: there is no index at the path, or it cannot be read.
        IndexMismatch: a newer version wrote it.
    """

    def __init__(self, path: Path, embedder: Callable[[], Embedder] | None = None, *, must: FilterLike = None) -> None:
        self._path = Path(path)
        self._must = parse(must)
        self._is_held = self._must is not None
        self._manifest = read_manifest(self._path)
        self._text = ReadableFolder(self._path / TEXT)
        self._index = open_text(self._path, self._text.path)
        self._index.config_reader("manual")
        self._meta = str(self._path / TEXT / "meta.json")
        self._make_embedder = embedder
        self._embedder: Embedder | None = None
        self._lock = Lock()
        self._stamp: tuple[int, int] = (0, 0)
        self._current: Snapshot | None = None

    # -- searching -----------------------------------------------------------------------------------------------

    def search(self, query: str, *, top_k: int = 10, filters: FilterLike = None) -> Sequence[Hit]:
        """By words: BM25 over text, title, headings and path.

        A query of quoted phrases finds only what holds them; beside other words a phrase lifts what holds it.

        Raises:
            FilterError: an unknown field or a wrong type.
        """
        now, question, passing = self._asked(query, filters)
        top_k = count_argument("top_k", top_k)
        if top_k < 1:
            return []
        if question.is_empty:
            return self._without_words(now, passing, top_k) if filters else []
        sought = wanted(now, question)
        found = now.search(now.queries.lexical(question), top_k, passing)
        return self._naming(
            now, [hit_of(now, address, score, sought, is_held=self._is_held) for score, address in found]
        )

    def vector_search(self, query: str, *, top_k: int = 10, filters: FilterLike = None) -> Sequence[Hit]:
        """By meaning: the units whose best chunk is most similar.

        Raises:
            FilterError: an unknown field or a wrong type.
            ConfigError: the index has no vectors, or no embedder was given.
            EngineUnavailable: its vectors are still to be made.
        """
        now, question, passing = self._asked(query, filters)
        top_k = count_argument("top_k", top_k)
        if top_k < 1 or not query.strip() or not now.documents:
            return []
        self._require_vectors(now)
        ranked, rows = _semantic(now, self._loaded().embed_query(query), top_k, passing)
        return self._hits(now, ranked, top_k, question, _best_rows(ranked, rows))

    def hybrid_search(self, query: str, *, top_k: int = 10, filters: FilterLike = None) -> Sequence[Hit]:
        """By words and meaning, mixed; by words alone as long as there are no vectors.

        Raises:
            FilterError: an unknown field or a wrong type.
        """
        now, question, passing = self._asked(query, filters)
        top_k = count_argument("top_k", top_k)
        if top_k < 1:
            return []
        if question.is_empty:
            return self._without_words(now, passing, top_k) if filters else []
        candidates = self._candidates(now, query, question, passing, max(scoring.DEPTH, top_k))
        ranked = scoring.mixed(candidates, unknown_languages=self._unknown_languages(candidates))
        return self._hits(now, ranked, top_k, question, _best_rows(candidates.semantic, candidates.rows))

    def _asked(self, query: str, filters: FilterLike) -> tuple[Snapshot, Question, Filter | None]:
        """The newest state, and what is asked of it."""
        now = self.snapshot()
        passing = now.resolved(asked_for(self._must, filters))
        return now, now.question(text_argument("the query", query)), collapsed(now, passing)

    def candidates(self, query: str, filters: FilterLike = None, depth: int = scoring.DEPTH) -> Candidates:
        """What `hybrid_search` mixes, as arrays: for experiments with the mix."""
        now = self.snapshot()
        return self._candidates(now, query, now.question(query), now.resolved(asked_for(self._must, filters)), depth)

    def _candidates(
        self, now: Snapshot, query: str, question: Question, passing: Filter | None, depth: int
    ) -> Candidates:
        lexical = now.ranked(now.search(now.queries.lexical(question), depth, passing))
        prior = now.ranked(now.search(now.queries.prior(question), depth, passing))
        semantic, rows = Ranked.empty(), np.empty(0, np.intp)
        if self._has_meaning(now, query):
            semantic, rows = _semantic(now, self._loaded().embed_query(query), depth, passing)
        return Candidates(lexical=lexical, semantic=semantic, rows=rows, prior=prior)

    def _has_meaning(self, now: Snapshot, query: str) -> bool:
        if self._make_embedder is None or not self._manifest.dimensions or not len(now.vectors):
            return False
        known = self._loaded().languages
        return known is None or not is_cjk(query) or bool(known & {"zh", "ja", "ko"})

    def _unknown_languages(self, candidates: Candidates) -> frozenset[int]:
        known = self._embedder.languages if self._embedder and len(candidates.semantic.keys) else None
        if known is None:
            return frozenset()
        present = {*candidates.lexical.languages.tolist(), *candidates.semantic.languages.tolist()}
        return frozenset(present - {language_code(code) for code in known} - {0})

    def _hits(
        self, now: Snapshot, ranked: Ranked, top_k: int, question: Question, best: Mapping[int, int]
    ) -> list[Hit]:
        keys = ranked.keys[:top_k].tolist()
        places = now.by_keys(keys)
        sought = wanted(now, question)
        hits = [
            hit_of(now, places[key], float(score), sought, _chunk_span(now, best.get(key)), is_held=self._is_held)
            for key, score in zip(keys, ranked.scores[:top_k], strict=True)
            if key in places
        ]
        return self._naming(now, hits)

    def _without_words(self, now: Snapshot, passing: Filter | None, top_k: int) -> list[Hit]:
        """A query of no words finds, with a filter, the beginnings of what passes."""
        found = now.search(now.heads(passing), top_k)
        return self._naming(now, [hit_of(now, at, 0.0, (), is_held=self._is_held) for _, at in found])

    def _naming(self, now: Snapshot, hits: Sequence[Hit]) -> list[Hit]:
        return naming_duplicates(now, hits, now.resolved(self._must))

    # -- reading -------------------------------------------------------------------------------------------------

    def get(self, doc_id: str) -> RetrievedDocument:
        """The whole document.

        Raises:
            DocumentNotFound: there is none with this id.
        """
        return self._documents().get(text_argument("doc_id", doc_id))

    def read(self, doc_id: str, start: int, end: int) -> Span:
        """The text between two offsets, cut to the document's length.

        Raises:
            DocumentNotFound: there is none with this id.
        """
        return self._documents().read(
            text_argument("doc_id", doc_id), count_argument("start", start), count_argument("end", end)
        )

    def read_pages(self, doc_id: str, first: int, last: int) -> Sequence[Page]:
        """The pages `first` to `last`, 1-based, both included, those that exist.

        Raises:
            DocumentNotFound: there is none with this id.
        """
        return self._documents().read_pages(
            text_argument("doc_id", doc_id), count_argument("first", first), count_argument("last", last)
        )

    def count(self, query: str = "", *, filters: FilterLike = None) -> int:
        """How many documents match the filter and hold all words and phrases, each in some place of the document."""
        return self._documents().count(text_argument("the query", query), filters)

    def facets(self, field: str, *, query: str = "", filters: FilterLike = None, top_k: int = 20) -> Sequence[Facet]:
        """The most frequent values of a field, counted in documents, ties by value.

        Raises:
            FilterError: there is no such field.
        """
        return self._documents().facets(
            text_argument("field", field), text_argument("the query", query), filters, count_argument("top_k", top_k)
        )

    def scan(
        self, *, query: str = "", filters: FilterLike = None, after: str = "", limit: int | None = None
    ) -> Iterator[DocumentSummary]:
        """Every matching document once, ordered by id, as of now, beginning behind the id `after`."""
        return self._documents().scan(
            text_argument("the query", query),
            filters,
            text_argument("after", after),
            None if limit is None else count_argument("limit", limit),
        )

    def describe(self) -> CorpusDescription:
        """Counts, fields with types and examples, languages, embedder."""
        return self._documents().describe(self._manifest.embedder)

    def export(self, *, after: str = "") -> Iterator[IndexedDocument]:
        """Every document as it was written, ordered by id, as of now, with its vectors where it has them."""
        return exported(self.snapshot(), after, self._must)

    def ledger_ends(self) -> Mapping[str, int]:
        """Number of the last entry of each author in the ledger."""
        return self.snapshot().state.ledger.ends

    def read_ledger(self, known: Mapping[str, int]) -> Iterator[LedgerEntry]:
        """The entries of the ledger, in order; none where a filter must hold, for they tell of all documents."""
        return iter(()) if self._must is not None else read_ledger(self._path, self.snapshot().state.ledger, known)

    def embedder(self) -> tuple[str, int]:
        """Name and dimensions of the embedder that the index was built with, ("", 0) without vectors."""
        return self._manifest.embedder, self._manifest.dimensions

    def _documents(self) -> DocumentReader:
        return DocumentReader(self.snapshot(), self._must)

    # -- keeping up ----------------------------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """The newest commit: looked at anew when the files say that there is one.

        Raises:
            EngineUnavailable: the index changes faster than it can be opened, or was removed.
            ConfigError: it is damaged.
        """
        with self._lock:
            for _ in range(5):
                try:
                    return self._newest()
                except (FileNotFoundError, ValueError) as error:  # replaced while it was being opened
                    trouble = error
                    self._stamp = (0, 0)
        if isinstance(trouble, ValueError):
            raise damaged(self._path, trouble)
        raise EngineUnavailable(f"the index {self._path} cannot be read now: {trouble}", hint="try again")

    def _newest(self) -> Snapshot:
        meta = os.stat(self._meta)
        stamp = (meta.st_mtime_ns, meta.st_ino)
        if self._current is None or stamp != self._stamp:
            self._text.refresh()
            self._index.reload()
            self._current = Snapshot(self._path, self._index, self._manifest.dimensions)
            self._stamp = stamp
        return self._current

    def _require_vectors(self, now: Snapshot) -> None:
        if not self._manifest.dimensions:
            raise ConfigError(
                f"the index {self._path} was built without vectors",
                hint="search by words, or give it vectors: ingest reembed --embedder SPEC",
            )
        if self._make_embedder is None:
            raise ConfigError("searching by meaning needs an embedder, and none was given", hint="search by words")
        if not len(now.vectors):
            raise EngineUnavailable(
                f"the vectors of the index {self._path} are still to be made",
                hint="search by words meanwhile; the same `ingest` command again makes them",
            )

    def _loaded(self) -> Embedder:
        with self._lock:
            if self._embedder is None:
                assert self._make_embedder is not None
                embedder = self._make_embedder()
                if embedder.name != self._manifest.embedder:
                    raise mismatch(self._path, self._manifest.embedder, embedder.name)
                self._embedder = embedder
            return self._embedder


def mismatch(path: Path, built: str, asked: str) -> IndexMismatch:
    """The index has another embedder than the one that is asked for."""
    return IndexMismatch(
        f"index {path} was built with {built or 'no embedder'}, not {asked or 'none'}",
        hint=f"use the embedder `{spec_of(built) or 'none'}`, or make all vectors anew: ingest reembed --embedder SPEC",
    )


def _semantic(now: Snapshot, vector: Vector, depth: int, passing: Filter | None) -> tuple[Ranked, Rows]:
    """The units nearest to a vector, and the vector row of the best chunk of each."""
    allowed = now.rows(passing)
    if not len(now.vectors if allowed is None else allowed):
        return Ranked.empty(), np.empty(0, np.intp)
    rows, scores = nearest_units(now.vectors, vector, depth, allowed)
    languages = now.vectors.lang[rows].astype(np.int64)
    return Ranked(now.vectors.unit_keys(rows), scores, languages), rows


def _best_rows(ranked: Ranked, rows: Rows) -> dict[int, int]:
    return dict(zip(ranked.keys.tolist(), rows.tolist(), strict=True))


def _chunk_span(now: Snapshot, row: int | None) -> tuple[int, int] | None:
    if row is None:
        return None
    span = now.vectors.span[row]
    return int(span[START]), int(span[END])
