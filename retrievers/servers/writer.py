"""Write to an index on a server: rows in bulk, several requests on their way, and nothing seen half.

While a writer is open the index is not refreshed by itself: readers see what was there until `flush` refreshes it.
Several machines may write at once, so another one's flush may come at any moment: the rows of a new edition of a
document are written beside the old ones, and count only when the head says so (`retrievers.servers.editions`). `close`
lets the index refresh by itself again, that of the next writer after a crash.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from retrievers.embedded.records import HeadRecord
from retrievers.embedded.rows import without_surrogates
from retrievers.errors import DocumentNotFound, EngineRejected, IndexMismatch
from retrievers.fields import fields_of
from retrievers.servers import asking
from retrievers.servers.bulk import Bulk, Op
from retrievers.servers.dialect import Dialect, Json
from retrievers.servers.documents import BATCH, ServerDocuments
from retrievers.servers.ledger import ServerLedger
from retrievers.servers.looking import look
from retrievers.servers.mapping import MOST_METADATA, mapping_of, settings_of
from retrievers.servers.presence import Presence
from retrievers.servers.recent import Recent
from retrievers.servers.rows import Row, head_id, record_of, routing_of, row_id, text_rows, vector_rows, whole_record
from retrievers.servers.versions import Versions
from retrievers.types import Document, IndexedDocument, LedgerEntry, Matrix

_MGET: Final = 500
_LEDGER: Final = "#ledger"  # in a bulk, in place of the document that a row is about


class ServerWriter:
    """Writes to an index on a server, and makes one where there is none. Not to be shared between threads.

    Args:
        dialect: the server, connected; closed with the writer.
        index: the alias that readers use.
        embedder_name: whose vectors it holds, "" for none.
        dimensions: length of a vector, 0 for none.
        shards: of a new index.
        replicas: of a new index; -1 is one where the cluster has more than one node.
        refresh_seconds: how often a new index is refreshed when nobody writes in bulk.
        vectors: how a new index keeps them; "" is the server's default.
        rebuild: fill a new version beside the old one, or go on with one that was left unfinished, and let readers
            see it only with `publish`.

    Raises:
        IndexMismatch: it was built with another embedder, or by a newer version.
        ConfigError: the name stands for something else.
    """

    def __init__(
        self,
        dialect: Dialect,
        index: str,
        *,
        embedder_name: str,
        dimensions: int,
        shards: int = 1,
        replicas: int = -1,
        refresh_seconds: float = 1.0,
        vectors: str = "",
        rebuild: bool = False,
    ) -> None:
        self._dialect = dialect
        self._versions = Versions(dialect, index)
        self._index = self._versions.writable(rebuild=rebuild) or self._versions.make(
            settings_of(dialect, shards=shards, replicas=replicas, refresh=_milliseconds(refresh_seconds)),
            mapping_of(dialect, embedder=embedder_name, dimensions=dimensions, vectors=vectors),
            is_read=not rebuild,
        )
        self._seen = look(dialect, self._index)
        if (self._seen.embedder, self._seen.dimensions) != (embedder_name, dimensions):
            raise IndexMismatch(
                f"index {dialect.place} was built with {self._seen.embedder or 'no embedder'},"
                f" not {embedder_name or 'none'}",
                hint="use that embedder, or make all vectors anew: ingest reembed --embedder SPEC",
            )
        self._presence = Presence(dialect, self._index, refresh=_milliseconds(refresh_seconds))
        self._set_refresh("-1")
        self._ledger = ServerLedger(dialect, self._index)
        self._entries: list[LedgerEntry] = []
        self._is_anew = False
        self._bulk = Bulk(dialect, self._versions.door(self._index))
        self._is_announced = False
        self._heads: dict[str, Json | None] = {}
        self._met: dict[str, Json] = {}
        self._gone: dict[str, dict[str, None]] = {}
        self._recent = Recent()
        self._refused: dict[str, str] = {}
        self._fields = set(self._seen.own_fields)
        self._wide = set(self._seen.wide)

    def replace(self, documents: Sequence[IndexedDocument], *, removing: Sequence[str] = ()) -> None:
        """Add documents, each in place of any with its id, and drop those in `removing`; seen after a flush."""
        self._look_up([*(item.document.id for item in documents), *removing])
        for doc_id in removing:
            self._drop(doc_id)
        for item in documents:
            self._write(item)

    def set_vectors(self, document_id: str, content_hash: str, vectors: Matrix) -> None:
        """Give a document its vectors, row i for chunk i; dropped in silence if the document has changed since."""
        self._look_up([document_id])
        head = self._heads[document_id]
        if head is None or head["hash"] != content_hash:
            return
        self._put(document_id, vector_rows(head, self._record(head), vectors))
        told: Json = {"doc": {"has_vectors": True}}
        self._add(document_id, [], ({"update": self._address(document_id, head_id(document_id))}, told))
        self._heads[document_id] = {**head, "has_vectors": True}

    def mark_duplicates(self, originals: Mapping[str, str]) -> None:
        """Mark documents as near-duplicates of others, or with "" of none; text and vectors stay.

        Unknown ids are ignored.
        """
        self.flush()
        self._look_up(list(originals))
        for document_id, original in originals.items():
            head = self._heads[document_id]
            if head is not None and head["hit"].get("duplicate_of", "") != original:
                self._mark(document_id, original)

    def _mark(self, document_id: str, original: str) -> None:
        """Write the rows anew, vectors with them."""
        item = self._documents().exported(document_id)
        rows = list(text_rows(item.document, item.chunks, self._wide, original=original))
        self._exchange(document_id, rows, whole_record(item.document, item.chunks), item.vectors)

    def missing_vectors(self) -> Iterator[str]:
        """Ids of documents whose text is in the index and whose vectors are not."""
        self.flush()
        if not self._seen.dimensions:
            return
        after = ""
        query = asking.all_of([asking.HEADS, {"term": {"has_vectors": False}}])
        while True:
            body: Json = {"query": query, "size": BATCH, "sort": [{"doc_id": "asc"}], "_source": False}
            if after:
                body["search_after"] = [after]
            rows = self._dialect.request("POST", f"/{self._index}/_search", body=body)["hits"]["hits"]
            yield from (row["sort"][0] for row in rows)
            if len(rows) < BATCH:
                return
            after = rows[-1]["sort"][0]

    def chunks_of(self, document_id: str) -> IndexedDocument | None:
        """A document as it was given to `replace`, without vectors; None if it is not there."""
        if recent := self._recent.get(document_id):
            return recent
        self.flush()
        try:
            return self._documents().restored(document_id)
        except DocumentNotFound:
            return None

    def holds(self, document_id: str) -> str:
        """The content hash of the document with this id, or "" if it is not in the index."""
        self._settle()
        self._look_up([document_id])
        head = self._heads[document_id]
        return head["hash"] if head else ""

    def delete(self, document_ids: Sequence[str]) -> None:
        """Drop documents; unknown ids are ignored."""
        self._look_up(document_ids)
        for doc_id in document_ids:
            self._drop(doc_id)

    def flush(self) -> None:
        """Make everything so far durable and searchable: after it returns, a crash loses nothing.

        Raises:
            EngineUnavailable: the server does not answer.
            EngineRejected: it refused something.
        """
        self._settle()
        self._write_entries()
        self._dialect.request("POST", f"/{self._index}/_refresh")
        self._heads.clear()
        self._met.clear()
        self._is_announced = False

    @property
    def is_empty(self) -> bool:
        """There was no document when it was opened."""
        return not self._seen.documents

    def ledger_ends(self) -> Mapping[str, int]:
        """Number of the last entry of each author in the ledger."""
        self._dialect.request("POST", f"/{self._index}/_refresh")  # a writer that was killed has left some unseen
        return self._ledger.ends()

    def read_ledger(self, known: Mapping[str, int]) -> Iterator[LedgerEntry]:
        """The entries of the ledger, in order, behind those that are known of each author."""
        return self._ledger.read(known)

    def write_ledger(self, entries: Sequence[LedgerEntry], *, anew: bool = False) -> None:
        """Write entries down with the next flush, when all documents have arrived."""
        self._entries += entries
        self._is_anew = self._is_anew or anew

    def take_refused(self) -> Mapping[str, str]:
        """Documents that the server would not take since the last call, and why; nothing of them is in the index."""
        refused, self._refused = self._refused, {}
        return refused

    @property
    def warnings(self) -> Sequence[str]:
        """What cannot be filtered as it is: one sentence."""
        if not self._wide:
            return ()
        named = ", ".join(sorted(self._wide)[:3])
        return (
            f"{len(self._wide):,} metadata fields beyond {MOST_METADATA} ({named}, …) are found by their text only:"
            " no ranges of numbers or dates",
        )

    def publish(self) -> None:
        """Flush, and let readers see this version in place of the one that they see now, in one step."""
        self.flush()
        self._set_refresh(self._presence.refresh)
        self._versions.show(self._index)

    def close(self) -> None:
        """Flush, and let the index refresh by itself again."""
        try:
            self.flush()
        finally:
            self._bulk.close()
            try:
                self._set_refresh(self._presence.refresh)
                self._presence.end()
            finally:
                self._dialect.close()

    # --- the index --------------------------------------------------------------------------------------------------

    def _set_refresh(self, interval: str) -> None:
        self._dialect.request("PUT", f"/{self._index}/_settings", body={"index": {"refresh_interval": interval}})

    # --- rows -------------------------------------------------------------------------------------------------------

    def _write_entries(self) -> None:
        if not self._entries:
            return
        rows = self._ledger.rows(self._entries, anew=self._is_anew)
        self._add(_LEDGER, [({"index": address}, row) for address, row in rows])
        refused = self._bulk.settle().refused
        if refused:
            reason = refused.get(_LEDGER, "")
            raise EngineRejected(f"the server {self._dialect.place} refused an entry of the ledger: {reason}")
        if self._is_anew:
            self._dialect.request("POST", f"/{self._index}/_refresh")
            self._ledger.delete_void()
        self._entries, self._is_anew = [], False

    def _write(self, item: IndexedDocument) -> None:
        document, chunks = without_surrogates(item.document, item.chunks)
        self._make_room(document)
        rows = list(text_rows(document, chunks, self._wide))
        self._exchange(document.id, rows, whole_record(document, chunks), item.vectors)
        self._recent.keep(IndexedDocument(document=document, chunks=chunks))

    def _exchange(self, doc_id: str, rows: list[Row], record: HeadRecord, vectors: Matrix | None) -> None:
        """Write an edition beside the one that is there, and let it take its place."""
        *others, (name, head) = rows
        old = self._heads.get(doc_id)
        if vectors is not None:
            others += vector_rows(head, record, vectors)
            head["has_vectors"] = True
        if old is not None and old["edition"] != head["edition"]:
            self._leave(doc_id, old)
        elif old is not None:  # the same again: its vectors are there
            head["has_vectors"] = head["has_vectors"] or old["has_vectors"]
        for written, _ in others:
            self._gone.get(doc_id, {}).pop(written, None)
        ops = [({"index": self._address(doc_id, other)}, row) for other, row in others]
        action = "index" if old is not None or doc_id not in self._met else "create"
        self._add(doc_id, ops, ({action: {**self._address(doc_id, name), **self._unchanged(doc_id)}}, head))
        self._heads[doc_id] = _without_text(head)

    def _put(self, doc_id: str, rows: Iterable[Row]) -> None:
        self._add(doc_id, [({"index": self._address(doc_id, name)}, row) for name, row in rows])

    def _add(self, doc_id: str, ops: Iterable[Op], last: Op | None = None) -> None:
        if not self._is_announced:
            self._bulk.add("", [self._presence.again()])
            self._is_announced = True
        self._bulk.add(doc_id, ops, last)

    def _make_room(self, document: Document) -> None:
        """Fields that are new get one of their own on the server, as long as there are not too many."""
        for name in fields_of(document):
            if name not in self._fields and name not in self._wide:
                (self._fields if len(self._fields) < MOST_METADATA else self._wide).add(name)

    def _drop(self, doc_id: str) -> None:
        self._recent.drop(doc_id)
        old = self._heads.get(doc_id)
        if old is not None:
            self._leave(doc_id, old)
            head = {**self._address(doc_id, head_id(doc_id)), **self._unchanged(doc_id)}
            self._add(doc_id, [({"delete": head}, None)])
        self._heads[doc_id] = None

    def _unchanged(self, doc_id: str) -> Json:
        """That the head is as it was when it was looked up; once only, since the next change finds one of our own."""
        return self._met.pop(doc_id, {})

    def _leave(self, doc_id: str, old: Json) -> None:
        """The rows of an edition that is no longer the one that counts: they go when its successor has arrived."""
        self._gone.setdefault(doc_id, {}).update(dict.fromkeys(_names(doc_id, old)))

    def _address(self, doc_id: str, name: str) -> Json:
        return {"_id": name, "routing": routing_of(doc_id)}

    def _look_up(self, doc_ids: Sequence[str]) -> None:
        """Fetch the heads of documents that are not known yet, as they are now, seen or not."""
        unknown = [doc_id for doc_id in dict.fromkeys(doc_ids) if doc_id not in self._heads]
        for at in range(0, len(unknown), _MGET):
            part = unknown[at : at + _MGET]
            docs = [
                {**self._address(doc_id, head_id(doc_id)), "_source": {"excludes": list(asking.TEXT)}}
                for doc_id in part
            ]
            answer = self._dialect.request("POST", f"/{self._index}/_mget", body={"docs": docs})
            for doc_id, row in zip(part, answer["docs"], strict=True):
                found = row.get("found")
                self._heads[doc_id] = row["_source"] if found else None
                self._met[doc_id] = (
                    {"if_seq_no": row["_seq_no"], "if_primary_term": row["_primary_term"]} if found else {}
                )

    def _record(self, head: Json) -> HeadRecord:
        """What is kept of a document; read back only where it was not written a moment ago."""
        doc_id = head["doc_id"]
        recent = self._recent.get(doc_id)
        if recent is not None and recent.document.content_hash == head["hash"]:
            return whole_record(recent.document, recent.chunks)
        self._settle()
        docs = [self._address(doc_id, name) for name in _names(doc_id, head, kinds="r")]
        answer = self._dialect.request("POST", f"/{self._index}/_mget", body={"docs": docs})
        return record_of([row["_source"]["record"] for row in answer["docs"]])

    def _settle(self) -> None:
        """Wait until all has arrived, then until what it replaces is gone.

        A document of which one row was refused goes as a whole.
        """
        settled = self._bulk.settle()
        for doc_id in settled.conflicts - settled.refused.keys():
            self._yield(doc_id)
        for doc_id, reason in settled.refused.items():
            self._refused.setdefault(doc_id, reason)
            self._remove_whole(doc_id)
            self._heads[doc_id] = None
            self._recent.drop(doc_id)
        for doc_id, names in self._gone.items():
            self._add(doc_id, [({"delete": self._address(doc_id, name)}, None) for name in names])
        self._gone.clear()
        self._bulk.settle()

    def _yield(self, doc_id: str) -> None:
        """Another writer changed the document since it was looked up: its edition stays, ours is taken back."""
        ours = self._heads.pop(doc_id, None)
        self._met.pop(doc_id, None)
        self._gone.pop(doc_id, None)
        self._look_up([doc_id])
        theirs = self._heads[doc_id]
        if ours is None or (theirs is not None and theirs["edition"] == ours["edition"]):
            return  # that was our own request, answered twice, or both wrote the same
        self._leave(doc_id, ours)
        self._recent.drop(doc_id)
        self._refused.setdefault(doc_id, "another run wrote this document at the same moment")

    def _remove_whole(self, doc_id: str) -> None:
        self._dialect.request("POST", f"/{self._index}/_refresh")  # what is to be deleted has to be seen
        query = {"query": {"term": {"doc_id": doc_id}}}
        params = {"routing": routing_of(doc_id), "conflicts": "proceed"}
        self._dialect.request("POST", f"/{self._index}/_delete_by_query", params=params, body=query)

    def _documents(self) -> ServerDocuments:
        return ServerDocuments(self._dialect, self._index, self._seen, [])


def _names(doc_id: str, head: Json, kinds: str = "urv") -> Iterator[str]:
    """The ids of the rows of an edition beside its head: units, record, vectors."""
    counts = {"u": head["summary"]["units"], "r": head["summary"]["records"], "v": head["chunks"]}
    for kind in kinds:
        yield from (row_id(doc_id, head["edition"], kind, number) for number in range(kind == "u", counts[kind]))


def _milliseconds(seconds: float) -> str:
    return f"{int(seconds * 1000)}ms"


def _without_text(head: Json) -> Json:
    is_text = tuple(name.removesuffix("*") for name in asking.TEXT)
    return {name: value for name, value in head.items() if not name.startswith(is_text)}
