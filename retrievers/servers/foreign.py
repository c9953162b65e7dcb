"""Ask an index that was made by something else, as it stands: read only, by names for what its fields mean.

Each row of such an index, a page or a chunk, is one result. Rows that name the same document make up its text, in the
order of their pages. What is no text, title, vector, document or page is metadata, of the type that the server's own
mapping gives it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from threading import Lock
from typing import Any, Final

from retrievers.arguments import count_argument, text_argument
from retrievers.embedded import scoring
from retrievers.embedded.querying import Question, take_apart
from retrievers.errors import ConfigError, DocumentNotFound, EngineRejected, FilterError, IndexMismatch
from retrievers.filters import parse, resolve
from retrievers.protocols import Embedder, FilterLike
from retrievers.servers import fusing
from retrievers.servers.dialect import Dialect, Json
from retrievers.servers.foreign_fields import ForeignFields, condition, row_metadata, types_in_mapping
from retrievers.servers.foreign_rows import Row, mixed, page_starts
from retrievers.servers.foreign_values import all_aggregations, counted, documents_in, facets_of, info_of
from retrievers.servers.looking import mapping_under
from retrievers.servers.searching import rows_of, search_together, window_argument
from retrievers.servers.showing import wanted
from retrievers.snippets import Readied, folded_whitespace, passage
from retrievers.types import CorpusDescription, DocumentSummary, Facet, Hit, RetrievedDocument, Vector

_BATCH: Final = 1_000
_EXAMPLES: Final = 5
_TITLE_BOOST: Final = 0.5
_LANGUAGE: Final = ("en",)
"""Whose question words are left out of a query; the texts are read by the analysers of their own mapping."""


class ForeignRetriever:
    """Reads an index that was made by something else. Safe to share between threads.

    Args:
        dialect: the server, connected.
        index: name or alias.
        fields: what the fields of its rows mean.
        embedder: makes the embedder of queries, given the dimensions of the vectors; None searches by words only.
        must: a filter that holds for every search, get, count, facet and scan, whatever else is asked.
        fusion: how a hybrid search mixes its legs, one of `retrievers.servers.fusing.FUSIONS`.

    Raises:
        ConfigError: there is no such index, or it lacks a field that was named.
    """

    def __init__(
        self,
        dialect: Dialect,
        index: str,
        fields: ForeignFields,
        *,
        embedder: Callable[[int], Embedder | None] | None = None,
        must: FilterLike = None,
        fusion: str = fusing.OURS,
    ) -> None:
        self._dialect, self._index, self._fields = dialect, index, fields
        self._mapping = mapping_under(dialect, index)
        self._found = types_in_mapping(self._mapping, fields, dialect.place)
        self._types = {name: each.type for name, each in self._found.items()}
        self._make_embedder = embedder
        self._embedder: Embedder | None = None
        self._lock = Lock()
        self._must, self._fusion = parse(must), fusion
        self._conditions(None)
        counted = dialect.request("POST", f"/{index}/_search", body={"size": 0, "track_total_hits": False})
        self._shards = int(counted["_shards"]["total"])

    # --- searching --------------------------------------------------------------------------------------------------

    def search(self, query: str, *, top_k: int = 10, filters: FilterLike = None) -> Sequence[Hit]:
        """By words.

        Raises:
            FilterError: an unknown field or a wrong type.
            EngineRejected: more results than a server gives in one search.
        """
        question, top_k, conditions = self._asked(query, top_k, filters)
        if top_k < 1 or question.is_empty:
            return []
        (rows,) = self._many([self._lexical(question, conditions, top_k)])
        return self._hits(rows, question)

    def vector_search(self, query: str, *, top_k: int = 10, filters: FilterLike = None) -> Sequence[Hit]:
        """By meaning: the rows whose vector is most similar.

        Raises:
            FilterError: an unknown field or a wrong type.
            ConfigError: no vectors were named, or no embedder was given.
            IndexMismatch: the embedder's vectors have another length.
            EngineRejected: more results than a server gives in one search.
        """
        question, top_k, conditions = self._asked(query, top_k, filters)
        if top_k < 1 or not query.strip():
            return []
        vector = self._loaded().embed_query(query)
        (rows,) = self._many([self._nearest(vector, top_k, conditions)])
        return self._hits(rows, question)

    def hybrid_search(self, query: str, *, top_k: int = 10, filters: FilterLike = None) -> Sequence[Hit]:
        """By words and meaning, mixed; by words alone where there are no vectors.

        Raises:
            FilterError: an unknown field or a wrong type.
            ConfigError: the server cannot mix by itself, as `fusion` wants.
            EngineRejected: more results than a server gives in one search.
        """
        if not self._fields.vector or self._make_embedder is None:
            return self.search(query, top_k=top_k, filters=filters)
        question, top_k, conditions = self._asked(query, top_k, filters)
        if top_k < 1 or question.is_empty:
            return []
        depth = max(scoring.DEPTH, top_k)
        vector = self._loaded().embed_query(query)
        legs = [self._lexical(question, conditions, depth), self._nearest(vector, depth, conditions)]
        rows = mixed(self._many(legs)) if self._fusion == fusing.OURS else self._mixed_there(legs, depth)
        return self._hits(rows[:top_k], question)

    def _asked(self, query: str, top_k: int, filters: FilterLike) -> tuple[Question, int, list[Json]]:
        query, top_k = text_argument("the query", query), window_argument(count_argument("top_k", top_k))
        return take_apart(query, _LANGUAGE), top_k, self._conditions(filters)

    def _mixed_there(self, legs: Sequence[Json], depth: int) -> list[Row]:
        body = {**self._dialect.mixing(legs, self._fusion, depth), **self._shown()}
        try:
            return self._rows(self._dialect.request("POST", f"/{self._index}/_search", body=body))
        except (ConfigError, EngineRejected) as error:
            raise fusing.told(self._dialect.place, error) from None

    def _lexical(self, question: Question, conditions: Sequence[Json], size: int) -> Json:
        boosts = {self._fields.text: 1.0, **({self._fields.title: _TITLE_BOOST} if self._fields.title else {})}
        words = " ".join(word for word, weight in question.words.items() if weight == 1.0)
        clauses: list[Json] = [
            {"match": {field: {"query": words, "boost": boost}}} for field, boost in boosts.items() if words
        ]
        phrases = [
            {"match_phrase": {self._fields.text: {"query": phrase, "boost": scoring.PHRASE_WEIGHT}}}
            for phrase in question.phrases
        ]
        query = {"bool": {"should": [*clauses, *phrases], "minimum_should_match": 1, "filter": list(conditions)}}
        if not words:
            query = {"bool": {"must": phrases, "filter": list(conditions)}}
        return {"query": query, "size": size, **self._shown()}

    def _nearest(self, vector: Vector, count: int, conditions: Sequence[Json]) -> Json:
        body = self._dialect.nearest(
            vector.tolist(), count, {"bool": {"filter": list(conditions)}}, field=self._fields.vector
        )
        return {**body, **self._shown()}

    def _shown(self) -> Json:
        excluded = [self._fields.vector] if self._fields.vector else []
        return {"_source": {"excludes": excluded}, "track_total_hits": False}

    def _many(self, bodies: Sequence[Json]) -> list[list[Row]]:
        answers = search_together(self._dialect, self._index, bodies, shards=self._shards)
        return [self._rows(answer) for answer in answers]

    def _rows(self, answer: Json) -> list[Row]:
        return [Row(row["_id"], float(row["_score"] or 0.0), row.get("_source") or {}) for row in rows_of(answer)]

    def _hits(self, rows: Sequence[Row], question: Question) -> list[Hit]:
        texts = [Readied(self._fields.text_of(row.source)) for row in rows]
        sought = wanted(question, _LANGUAGE, texts)
        return [self._hit(row, each.text, passage(each, sought)) for row, each in zip(rows, texts, strict=True)]

    def _hit(self, row: Row, text: str, span: tuple[int, int]) -> Hit:
        fields = self._fields
        page = fields.page_of(row.source)
        return Hit(
            doc_id=fields.document_of(row.id, row.source),
            chunk_id=row.id,
            preview=folded_whitespace(text[span[0] : span[1]]),
            score=row.score,
            pages=(page,) if page else (),
            title=fields.title_of(row.source),
            source=fields.source_of(row.source),
            metadata=row_metadata(row.source, fields),
        )

    def _loaded(self) -> Embedder:
        dimensions = self._found_dimensions()
        with self._lock:
            if self._embedder is None:
                if self._make_embedder is None:
                    raise ConfigError("searching by meaning needs an embedder, and none was given")
                embedder = self._make_embedder(dimensions)
                if embedder is None or embedder.dimensions != dimensions:
                    made = f"{embedder.name} makes {embedder.dimensions}" if embedder else "there is no embedder"
                    raise IndexMismatch(
                        f"the vectors of {self._dialect.place} have {dimensions} dimensions, and {made}",
                        hint="name the embedder that made them: spec in the table [embedder]",
                    )
                self._embedder = embedder
            return self._embedder

    def _found_dimensions(self) -> int:
        name = self._fields.vector
        if not name:
            raise ConfigError(
                f"no vectors of {self._dialect.place} were named, so it is not searched by meaning",
                hint="search by words, or name the field: vector in the table [retriever.fields]",
            )
        mapped = self._mapping["properties"][name]
        return int(mapped.get("dims") or mapped.get("dimension") or 0)

    # --- reading ----------------------------------------------------------------------------------------------------

    def get(self, doc_id: str) -> RetrievedDocument:
        """The whole document: the text of its rows, in the order of their pages.

        Raises:
            DocumentNotFound: there is none with this id, or none that the mandatory filter lets through.
        """
        rows = list(self._rows_of(text_argument("doc_id", doc_id)))
        if not rows:
            raise DocumentNotFound(f"no document `{doc_id}` in the index", hint="ids come with the results of a search")
        fields = self._fields
        texts = [fields.text_of(row.source) for row in rows]
        pages, labels = page_starts([fields.page_of(row.source) for row in rows], texts)
        return RetrievedDocument(
            doc_id=doc_id,
            content="\n".join(texts),
            title=fields.title_of(rows[0].source),
            source=fields.source_of(rows[0].source),
            pages=pages,
            page_labels=labels,
            metadata=row_metadata(rows[0].source, fields),
        )

    def _rows_of(self, doc_id: str) -> Iterator[Row]:
        document, page = self._fields.document, self._fields.page
        own = {"term": {self._path(document): doc_id}} if document else {"ids": {"values": [doc_id]}}
        order = [{self._path(page): {"order": "asc", "missing": "_last"}}] if page else []
        body: Json = {"query": {"bool": {"filter": [own, *self._conditions(None)]}}, "size": _BATCH, **self._shown()}
        body["sort"] = [*order, {"_doc": "asc"}]
        point = self._dialect.open_point_in_time(self._index, "2m")
        try:
            while True:
                body["pit"] = {"id": point, "keep_alive": "2m"}
                answer = self._dialect.request("POST", "/_search", body=body)
                yield from self._rows(answer)
                found = answer["hits"]["hits"]
                if len(found) < _BATCH:
                    return
                body["search_after"] = found[-1]["sort"]
        finally:
            self._dialect.close_point_in_time(point)

    # --- counting ---------------------------------------------------------------------------------------------------

    def count(self, query: str = "", *, filters: FilterLike = None) -> int:
        """How many documents have a row that matches the filter and holds all words."""
        conditions = self._conditions(filters) + self._holding(query)
        body: Json = {"query": {"bool": {"filter": conditions}}, "size": 0, "track_total_hits": True}
        if self._fields.document:
            body["aggs"] = documents_in(self._path(self._fields.document))
        answer = self._dialect.request("POST", f"/{self._index}/_search", body=body)
        found = answer.get("aggregations") or {}
        return counted({"doc_count": answer["hits"]["total"]["value"], **found})

    def facets(self, field: str, *, query: str = "", filters: FilterLike = None, top_k: int = 20) -> Sequence[Facet]:
        """The most frequent values of a field, counted in documents, ties by value.

        Raises:
            FilterError: there is no such field.
        """
        if field not in self._types:
            resolve(parse({field: {"exists": True}}) or _unreachable(), self._types)
        conditions = self._conditions(filters) + self._holding(query)
        answer = self._aggregated([field], conditions, max(top_k, 1))
        return facets_of(answer, field, self._found[field])[: max(top_k, 0)]

    def scan(
        self, *, query: str = "", filters: FilterLike = None, after: str = "", limit: int | None = None
    ) -> Iterator[DocumentSummary]:
        """Every document with a matching row once, ordered by id, beginning behind the id `after`."""
        conditions = self._conditions(filters) + self._holding(query)
        return self._scan(conditions, after, limit)

    def _scan(self, conditions: list[Json], after: str, limit: int | None) -> Iterator[DocumentSummary]:
        field = self._fields.document
        if not field:
            raise ConfigError(
                f"the documents of {self._dialect.place} cannot be listed",
                hint="name the field that tells a row's document: document in the table [retriever.fields]",
            )
        sources = [{"id": {"terms": {"field": self._path(field)}}}]
        composite: Json = {"size": _BATCH, "sources": sources}
        if after:
            composite["after"] = {"id": after}
        left = limit
        while left is None or left > 0:
            top = {"top_hits": {"size": 1, "_source": {"excludes": [self._fields.text, self._fields.vector or ""]}}}
            body = {
                "query": {"bool": {"filter": conditions}},
                "size": 0,
                "aggs": {"ids": {"composite": composite, "aggs": {"row": top}}},
            }
            answer = self._dialect.request("POST", f"/{self._index}/_search", body=body)["aggregations"]["ids"]
            for bucket in answer["buckets"][:left]:
                source = bucket["row"]["hits"]["hits"][0]["_source"]
                yield DocumentSummary(
                    doc_id=str(bucket["key"]["id"]),
                    title=self._fields.title_of(source),
                    source=self._fields.source_of(source),
                    pages=bucket["doc_count"] if self._fields.page else 0,
                    metadata=row_metadata(source, self._fields),
                )
            left = None if left is None else left - len(answer["buckets"])
            if "after_key" not in answer:
                return
            composite["after"] = answer["after_key"]

    def describe(self) -> CorpusDescription:
        """Counts, fields with types and examples."""
        conditions = self._conditions(None)
        answer = self._aggregated(list(self._types), conditions, _EXAMPLES + 1)
        infos = [info_of(answer, name, field, _EXAMPLES) for name, field in self._found.items()]
        body = {"query": {"bool": {"filter": conditions}}}
        rows = int(self._dialect.request("POST", f"/{self._index}/_count", body=body)["count"])
        return CorpusDescription(
            documents=self.count(),
            chunks=rows,
            vectors=rows if self._fields.vector else 0,
            fields=tuple(info for info in infos if info.documents),
        )

    def close(self) -> None:
        """Let go of all connections."""
        self._dialect.close()

    def _aggregated(self, names: Sequence[str], conditions: Sequence[Json], most: int) -> Json:
        document = self._path(self._fields.document) if self._fields.document else ""
        aggs = all_aggregations(self._found, names, document, most)
        body = {"query": {"bool": {"filter": list(conditions)}}, "size": 0, "aggs": aggs}
        answer = self._dialect.request("POST", f"/{self._index}/_search", body=body)
        found: Json = answer.get("aggregations", {})
        return found

    def _holding(self, query: str) -> list[Json]:
        question = take_apart(query, _LANGUAGE)
        words = [word for word, weight in question.words.items() if weight == 1.0]
        text = self._fields.text
        return [
            *({"match": {text: {"query": word, "operator": "and"}}} for word in words),
            *({"match_phrase": {text: phrase}} for phrase in question.phrases),
        ]

    def _conditions(self, filters: FilterLike) -> list[Json]:
        """What holds for this call, those conditions that nobody can take away first."""
        given = [each for each in (self._must, parse(filters)) if each is not None]
        return [condition(resolve(each, self._types), self._found) for each in given]

    def _path(self, field: str) -> str:
        known = self._found.get(field)
        return known.path if known else field


def _unreachable() -> Any:
    raise FilterError("there is no such field")
