"""Ask an index on a server: by words, by meaning, by both; read, count and describe what it holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from retrievers.arguments import count_argument, text_argument
from retrievers.embedded.querying import take_apart
from retrievers.errors import FilterError
from retrievers.filters import Filter, conjunction, parse, resolve
from retrievers.marks import asked_for, tellable
from retrievers.protocols import Embedder, FilterLike
from retrievers.servers import asking
from retrievers.servers.corpus import ServerCorpus
from retrievers.servers.dialect import Dialect, Json
from retrievers.servers.documents import ServerDocuments
from retrievers.servers.fusing import OURS
from retrievers.servers.ledger import ServerLedger
from retrievers.servers.looking import Looker, Seen
from retrievers.servers.meaning import Meaning
from retrievers.servers.searching import ServerSearch, window_argument
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
)


class ServerRetriever:
    """Reads an index on a server. Safe to share between threads.

    Args:
        dialect: the server, connected.
        index: name or alias.
        embedder: makes the embedder when a search by meaning needs it, given the name of the index's own; None
            searches by words only.
        must: a filter that holds for every search, get, count, facet and scan, whatever else is asked.
        fusion: how a hybrid search mixes its legs, one of `retrievers.servers.fusing.FUSIONS`.

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
        fusion: str = OURS,
    ) -> None:
        self._dialect, self._index = dialect, index
        self._looker = Looker(dialect, index)
        self._must = parse(must)
        self._meaning = Meaning(dialect.place, embedder)
        self._fusion = fusion
        self._looker.seen()

    # --- searching --------------------------------------------------------------------------------------------------

    def search(self, query: str, *, top_k: int = 10, filters: FilterLike = None) -> Sequence[Hit]:
        """By words: BM25 over text, title, headings and path.

        Raises:
            FilterError: an unknown field or a wrong type.
            EngineRejected: more results than a server gives in one search.
        """
        asked, top_k = self._asked(query, top_k, filters)
        if top_k < 1:
            return []
        if asked.question.is_empty:
            return asked.whole(lambda search: search.beginnings(top_k)) if parse(filters) is not None else []
        return asked.whole(lambda search: search.by_words(top_k))

    def vector_search(self, query: str, *, top_k: int = 10, filters: FilterLike = None) -> Sequence[Hit]:
        """By meaning: the units whose best chunk is most similar.

        Raises:
            FilterError: an unknown field or a wrong type.
            ConfigError: the index has no vectors, or no embedder was given.
            EngineUnavailable: its vectors are still to be made.
            EngineRejected: more results than a server gives in one search.
        """
        asked, top_k = self._asked(query, top_k, filters)
        if top_k < 1 or not query.strip() or not asked.seen.documents:
            return []
        vector = self._meaning.required(asked.seen, query)
        return asked.whole(lambda search: search.by_meaning(vector, top_k))

    def hybrid_search(self, query: str, *, top_k: int = 10, filters: FilterLike = None) -> Sequence[Hit]:
        """By words and meaning, mixed; by words alone as long as there are no vectors.

        Raises:
            FilterError: an unknown field or a wrong type.
            ConfigError: the server cannot mix by itself, as `fusion` wants.
            EngineRejected: more results than a server gives in one search.
        """
        asked, top_k = self._asked(query, top_k, filters)
        if top_k < 1:
            return []
        if asked.question.is_empty:
            return asked.whole(lambda search: search.beginnings(top_k)) if parse(filters) is not None else []
        vector = self._meaning.where_known(asked.seen, query)
        if self._fusion == OURS or vector is None:
            languages = self._meaning.languages
            return asked.whole(lambda search: search.by_both(vector, top_k, languages))
        return asked.whole(lambda search: search.by_the_server(vector, top_k, self._fusion))

    def _asked(self, query: str, top_k: int, filters: FilterLike) -> tuple[ServerSearch, int]:
        """What is to be searched for."""
        query, top_k = text_argument("the query", query), window_argument(count_argument("top_k", top_k))
        seen, conditions = self._conditions(filters)
        given = [each for each in (self._must, parse(filters)) if each is not None]
        question = take_apart(query, seen.held)
        must = [] if self._must is None else _translated([self._must], seen)
        where = (self._dialect, self._index, seen, question, conditions)
        passing = conjunction(given) if given else None
        return ServerSearch(*where, given=passing, must=must, is_marked=seen.marked > 0), top_k

    # --- filters ----------------------------------------------------------------------------------------------------

    def _conditions(self, filters: FilterLike) -> tuple[Seen, list[Json]]:
        """What the index holds, and the conditions that hold for this call, those nobody can take away first."""
        asked_for(self._must, filters)
        asked = [each for each in (self._must, parse(filters)) if each is not None]
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
        return self._corpus(filters).count(text_argument("the query", query))

    def facets(self, field: str, *, query: str = "", filters: FilterLike = None, top_k: int = 20) -> Sequence[Facet]:
        """The most frequent values of a field, counted in documents, ties by value.

        Raises:
            FilterError: there is no such field.
        """
        query, top_k = text_argument("the query", query), count_argument("top_k", top_k)
        return self._corpus(filters).facets(tellable(self._must, text_argument("field", field)), query, top_k)

    def scan(
        self, *, query: str = "", filters: FilterLike = None, after: str = "", limit: int | None = None
    ) -> Iterator[DocumentSummary]:
        """Every matching document once, ordered by id, as of now, beginning behind the id `after`."""
        limit = None if limit is None else count_argument("limit", limit)
        return self._corpus(filters).scan(text_argument("the query", query), text_argument("after", after), limit)

    def describe(self) -> CorpusDescription:
        """Counts, fields with types and examples, languages, embedder."""
        self._looker.seen(fresh=True)
        return self._corpus(None).describe()

    def export(self, *, after: str = "") -> Iterator[IndexedDocument]:
        """Every document as it was written, ordered by id, with its vectors where it has them."""
        documents = self._documents()
        for summary in self._corpus(None).scan("", after, None):
            yield documents.exported(summary.doc_id)

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

    def _documents(self) -> ServerDocuments:
        return ServerDocuments(self._dialect, self._index, *self._conditions(None), is_held=self._must is not None)

    def _corpus(self, filters: FilterLike) -> ServerCorpus:
        return ServerCorpus(self._dialect, self._index, *self._conditions(filters), is_held=self._must is not None)


def _translated(filters: Sequence[Filter], seen: Seen) -> list[Json]:
    return [asking.condition(resolve(each, seen.types), seen.wide) for each in filters]
