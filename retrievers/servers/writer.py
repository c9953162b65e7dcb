"""Write to an index on a server: rows in bulk, several requests on their way, and nothing seen before a flush.

While a writer is open the index is not refreshed by itself: readers see what was there until `flush` refreshes it, and
all rows of a document lie on one shard, so its new version takes the place of the old one in one step. The refresh
interval is told in the index itself and put back by `close`, or by the next writer after a crash.
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

import msgspec

from retrievers.embedded.records import HeadRecord
from retrievers.embedded.rows import without_surrogates
from retrievers.errors import DocumentNotFound, EngineRejected, EngineUnavailable, IndexMismatch, RetrieverError
from retrievers.servers import asking
from retrievers.servers.connecting import reason_of
from retrievers.servers.dialect import Dialect, Json
from retrievers.servers.documents import BATCH, ServerDocuments
from retrievers.servers.looking import look
from retrievers.servers.mapping import mapping_of, settings_of
from retrievers.servers.rows import record_of, routing_of, row_id, text_rows, vector_rows
from retrievers.servers.versions import Versions
from retrievers.types import IndexedDocument, Matrix

BULK_BYTES: Final = 5_000_000
"""Of one request; the servers' own advice is 5 to 15 MB."""

IN_FLIGHT: Final = 3
"""Requests on their way at once."""

_TRIES: Final = 8
_LONGEST_PAUSE: Final = 30.0
_BUSY: Final = (429, 502, 503, 504)
_MGET: Final = 500

_encode: Final = msgspec.json.Encoder().encode


class ServerWriter:
    """Writes to an index on a server, and makes one where there is none. Not to be shared between threads.

    Args:
        dialect: the server, connected; closed with the writer.
        index: the alias that readers use.
        embedder_name: whose vectors it holds, "" for none.
        dimensions: length of a vector, 0 for none.
        shards: of a new index.
        replicas: of a new index; -1 is one where the cluster has more than one node.
        refresh_seconds: how often the index is refreshed when nobody writes in bulk.
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
        rebuild: bool = False,
    ) -> None:
        self._dialect, self._alias = dialect, index
        self._refresh = f"{int(refresh_seconds * 1000)}ms"
        self._versions = Versions(dialect, index)
        self._index = self._versions.writable(rebuild=rebuild) or self._versions.make(
            settings_of(dialect, shards=shards, replicas=replicas),
            mapping_of(dialect, embedder=embedder_name, dimensions=dimensions),
            is_read=not rebuild,
        )
        self._seen = look(dialect, self._index)
        if (self._seen.embedder, self._seen.dimensions) != (embedder_name, dimensions):
            raise IndexMismatch(
                f"index {dialect.place} was built with {self._seen.embedder or 'no embedder'},"
                f" not {embedder_name or 'none'}",
                hint="use that embedder, or build it again with `ingest --rebuild`",
            )
        self._set_refresh("-1")
        self._heads: dict[str, Json | None] = {}
        self._lines: list[bytes] = []
        self._bytes = 0
        self._sending: deque[Future[None]] = deque()
        self._pool = ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="bulk")

    def replace(self, documents: Sequence[IndexedDocument], *, removing: Sequence[str] = ()) -> None:
        """Add documents, each in place of any with its id, and drop those in `removing`; seen after a flush."""
        self._look_up([*(item.document.id for item in documents), *removing])
        for doc_id in removing:
            self._drop(doc_id)
        for item in documents:
            self._write(item)

    def set_vectors(self, document_id: str, content_hash: str, vectors: Matrix) -> None:
        """Give a document its vectors, row i for chunk i; dropped in silence if the document has changed since."""
        self._settle()
        self._look_up([document_id])
        head = self._heads[document_id]
        if head is None or head["hash"] != content_hash:
            return
        record = self._record(head)
        for name, row in vector_rows(head, record, vectors):
            self._put(document_id, name, row)
        self._line({"update": self._address(document_id, row_id(document_id, "u", 0))}, {"doc": {"has_vectors": True}})
        self._heads[document_id] = {**head, "has_vectors": True}

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
        self._dialect.request("POST", f"/{self._index}/_refresh")
        self._heads.clear()

    def publish(self) -> None:
        """Flush, and let readers see this version in place of the one that they see now, in one step."""
        self.flush()
        self._set_refresh(self._refresh)
        self._versions.show(self._index)

    def close(self) -> None:
        """Flush, and let the index refresh by itself again."""
        try:
            self.flush()
        finally:
            self._pool.shutdown(wait=True, cancel_futures=True)
            try:
                self._set_refresh(self._refresh)
            finally:
                self._dialect.close()

    # --- the index --------------------------------------------------------------------------------------------------

    def _set_refresh(self, interval: str) -> None:
        self._dialect.request("PUT", f"/{self._index}/_settings", body={"index": {"refresh_interval": interval}})

    # --- rows -------------------------------------------------------------------------------------------------------

    def _write(self, item: IndexedDocument) -> None:
        document, chunks = without_surrogates(item.document, item.chunks)
        old = self._heads.get(document.id)
        rows = list(text_rows(document, chunks))
        for name, row in rows:
            self._put(document.id, name, row)
        head: Json = rows[0][1]
        if old is not None:
            self._remove(document.id, old, keep=head["summary"])
        self._heads[document.id] = {name: value for name, value in head.items() if not name.startswith("text_")}
        if item.vectors is not None:
            self.set_vectors(document.id, document.content_hash, item.vectors)

    def _put(self, doc_id: str, name: str, row: Json) -> None:
        self._line({"index": self._address(doc_id, name)}, row)

    def _drop(self, doc_id: str) -> None:
        old = self._heads.get(doc_id)
        if old is not None:
            self._remove(doc_id, old, keep={"units": 0, "records": 0})
        self._heads[doc_id] = None

    def _remove(self, doc_id: str, old: Json, *, keep: Json) -> None:
        """The rows of an old version that the new one does not overwrite."""
        summary = old["summary"]
        names = [row_id(doc_id, "u", n) for n in range(keep["units"], summary["units"])]
        names += [row_id(doc_id, "r", n) for n in range(keep["records"], summary["records"])]
        names += [row_id(doc_id, "v", n) for n in range(old["chunks"] if old["has_vectors"] else 0)]
        for name in names:
            self._line({"delete": self._address(doc_id, name)})

    def _address(self, doc_id: str, name: str) -> Json:
        return {"_id": name, "routing": routing_of(doc_id)}

    def _look_up(self, doc_ids: Sequence[str]) -> None:
        """Fetch the heads of documents that are not known yet, as they are now, seen or not."""
        unknown = [doc_id for doc_id in dict.fromkeys(doc_ids) if doc_id not in self._heads]
        for at in range(0, len(unknown), _MGET):
            part = unknown[at : at + _MGET]
            docs = [
                {**self._address(doc_id, row_id(doc_id, "u", 0)), "_source": {"excludes": ["text_*"]}}
                for doc_id in part
            ]
            answer = self._dialect.request("POST", f"/{self._index}/_mget", body={"docs": docs})
            for doc_id, row in zip(part, answer["docs"], strict=True):
                self._heads[doc_id] = row["_source"] if row.get("found") else None

    def _record(self, head: Json) -> HeadRecord:
        doc_id = head["doc_id"]
        docs = [self._address(doc_id, row_id(doc_id, "r", n)) for n in range(head["summary"]["records"])]
        answer = self._dialect.request("POST", f"/{self._index}/_mget", body={"docs": docs})
        return record_of([row["_source"]["record"] for row in answer["docs"]])

    def _documents(self) -> ServerDocuments:
        return ServerDocuments(self._dialect, self._index, self._seen, [])

    # --- bulk -------------------------------------------------------------------------------------------------------

    def _line(self, action: Json, source: Json | None = None) -> None:
        lines = [_encode(action)] if source is None else [_encode(action), _encode(source)]
        self._lines += lines
        self._bytes += sum(map(len, lines))
        if self._bytes >= BULK_BYTES:
            self._send()

    def _send(self) -> None:
        if not self._lines:
            return
        lines, self._lines, self._bytes = self._lines, [], 0
        while len(self._sending) >= IN_FLIGHT:
            self._sending.popleft().result()
        self._sending.append(self._pool.submit(self._deliver, lines))

    def _settle(self) -> None:
        """Wait until all that was handed over has arrived."""
        self._send()
        while self._sending:
            self._sending.popleft().result()

    def _deliver(self, lines: list[bytes]) -> None:
        for attempt in range(_TRIES):
            try:
                answer = self._dialect.request("POST", f"/{self._index}/_bulk", lines=lines)
            except EngineUnavailable:
                if attempt == _TRIES - 1:
                    raise
                _pause(attempt)
                continue
            lines = self._left(lines, answer)
            if not lines:
                return
            _pause(attempt)
        raise EngineUnavailable(
            f"the server {self._dialect.place} stays too busy to be written to", hint="try again later"
        )

    def _left(self, lines: list[bytes], answer: Json) -> list[bytes]:
        """The lines of the actions that the server had no room for.

        Raises:
            EngineRejected: an action that it will never take.
        """
        if not answer["errors"]:
            return []
        left: list[bytes] = []
        at = 0
        for item in answer["items"]:
            ((kind, result),) = item.items()
            size = 1 if kind == "delete" else 2
            if result["status"] in _BUSY:
                left += lines[at : at + size]
            elif result["status"] >= 400 and kind != "delete":
                raise self._item_refused(result)
            at += size
        return left

    def _item_refused(self, result: Json) -> RetrieverError:
        return EngineRejected(f"the server {self._dialect.place} refused the row {result['_id']}: {reason_of(result)}")


def _pause(attempt: int) -> None:
    time.sleep(min(_LONGEST_PAUSE, 0.2 * 2**attempt) * random.uniform(0.5, 1.5))  # noqa: S311 - jitter
