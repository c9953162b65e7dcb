"""Write to an index on a server: rows in bulk, several requests on their way, and nothing seen half.

While a writer is open the index is not refreshed by itself: readers see what was there until `flush` refreshes it.
Several machines may write at once, so another one's flush may come at any moment: the rows of a new edition of a
document are written beside the old ones, and count only when the head says so (`retrievers.servers.editions`). `close`
lets the index refresh by itself again, that of the next writer after a crash.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from retrievers.embedded.records import HeadRecord
from retrievers.embedded.rows import without_surrogates
from retrievers.errors import DocumentNotFound, EngineRejected, IndexMismatch
from retrievers.fields import fields_of
from retrievers.servers import asking
from retrievers.servers.bulk import Bulk, patiently
from retrievers.servers.dialect import Dialect, Json
from retrievers.servers.documents import BATCH, ServerDocuments
from retrievers.servers.exchange import Exchange
from retrievers.servers.ledger import ServerLedger
from retrievers.servers.looking import look
from retrievers.servers.mapping import MOST_METADATA, mapping_of, settings_of
from retrievers.servers.presence import Presence
from retrievers.servers.recent import Recent
from retrievers.servers.rows import record_of, text_rows, vector_rows, whole_record
from retrievers.servers.versions import Versions
from retrievers.types import Document, IndexedDocument, LedgerEntry, Matrix

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
        self._exchange = Exchange(dialect, self._index, self._bulk, self._presence)
        self._recent = Recent()
        self._refused: dict[str, str] = {}
        self._fields = set(self._seen.own_fields)
        self._wide = set(self._seen.wide)

    def replace(self, documents: Sequence[IndexedDocument], *, removing: Sequence[str] = ()) -> None:
        """Add documents, each in place of any with its id, and drop those in `removing`; seen after a flush."""
        self._exchange.look_up([*(item.document.id for item in documents), *removing])
        for doc_id in removing:
            self._drop(doc_id)
        for item in documents:
            self._write(item)

    def set_vectors(self, document_id: str, content_hash: str, vectors: Matrix) -> None:
        """Give a document its vectors, row i for chunk i; dropped in silence if the document has changed since."""
        head = self._exchange.head(document_id)
        if head is not None and head["hash"] == content_hash:
            rows = vector_rows(head, self._record(head), vectors)
            self._exchange.extend(document_id, rows, {"has_vectors": True})

    def mark_duplicates(self, originals: Mapping[str, str]) -> None:
        """Mark documents as near-duplicates of others, or with "" of none; text and vectors stay.

        Unknown ids are ignored.
        """
        self.flush()
        self._exchange.look_up(list(originals))
        for document_id, original in originals.items():
            head = self._exchange.head(document_id)
            if head is not None and head["hit"].get("duplicate_of", "") != original:
                self._mark(document_id, original)

    def _mark(self, document_id: str, original: str) -> None:
        """Write the rows anew, vectors with them."""
        item = patiently(lambda: self._documents().exported(document_id))
        self._put(item, original)

    def missing_vectors(self) -> Iterator[str]:
        """Ids of documents whose text is in the index and whose vectors are not."""
        self.flush()
        if not self._seen.dimensions:
            return
        after = ""
        query = asking.all_of([asking.HEADS, {"term": {"has_vectors": False}}])
        while True:
            body: Json = {"query": query, "size": BATCH, "sort": [{"doc_id": "asc"}], **asking.COLUMNS}
            if after:
                body["search_after"] = [after]
            rows = self._exchange.ask("_search", body)["hits"]["hits"]
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
            return patiently(lambda: self._documents().restored(document_id))
        except DocumentNotFound:
            return None

    def holds(self, document_id: str) -> str:
        """The content hash of the document with this id, or "" if it is not in the index."""
        self._settle()
        head = self._exchange.head(document_id)
        return head["hash"] if head else ""

    def delete(self, document_ids: Sequence[str]) -> None:
        """Drop documents; unknown ids are ignored."""
        self._exchange.look_up(document_ids)
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
        self._exchange.ask("_refresh")
        self._exchange.forget()

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
        self._exchange.add(_LEDGER, [({"index": address}, row) for address, row in rows])
        refused = self._bulk.settle().refused
        if refused:
            reason = refused.get(_LEDGER, "")
            raise EngineRejected(f"the server {self._dialect.place} refused an entry of the ledger: {reason}")
        if self._is_anew:
            self._exchange.ask("_refresh")
            self._ledger.delete_void()
        self._entries, self._is_anew = [], False

    def _write(self, item: IndexedDocument) -> None:
        document, chunks = without_surrogates(item.document, item.chunks)
        self._make_room(document)
        self._put(replace(item, document=document, chunks=chunks))
        self._recent.keep(IndexedDocument(document=document, chunks=chunks))

    def _put(self, item: IndexedDocument, original: str = "") -> None:
        document, chunks = item.document, item.chunks
        *rows, (name, head) = text_rows(document, chunks, self._wide, original=original)
        if item.vectors is not None:
            rows += vector_rows(head, whole_record(document, chunks), item.vectors)
            head["has_vectors"] = True
        self._exchange.write(document.id, [*rows, (name, head)])

    def _drop(self, doc_id: str) -> None:
        self._recent.drop(doc_id)
        self._exchange.drop(doc_id)

    def _make_room(self, document: Document) -> None:
        """Fields that are new get one of their own on the server, as long as there are not too many."""
        for name in fields_of(document):
            if name not in self._fields and name not in self._wide:
                (self._fields if len(self._fields) < MOST_METADATA else self._wide).add(name)

    def _record(self, head: Json) -> HeadRecord:
        """What is kept of a document; read back only where it was not written a moment ago."""
        doc_id = head["doc_id"]
        recent = self._recent.get(doc_id)
        if recent is not None and recent.document.content_hash == head["hash"]:
            return whole_record(recent.document, recent.chunks)
        self._settle()
        return record_of([row["record"] for row in self._exchange.rows(doc_id, head, "r")])

    def _settle(self) -> None:
        """Wait until all has arrived, and what it replaces is gone."""
        for doc_id, reason in self._exchange.settle().items():
            self._refused.setdefault(doc_id, reason)
            self._recent.drop(doc_id)

    def _documents(self) -> ServerDocuments:
        return ServerDocuments(self._dialect, self._index, self._seen, [])


def _milliseconds(seconds: float) -> str:
    return f"{int(seconds * 1000)}ms"
