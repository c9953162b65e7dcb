"""One edition of a document in place of another: written beside it, then named by the head, then the old rows go."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from retrievers.servers import asking
from retrievers.servers.bulk import Bulk, Op, patiently
from retrievers.servers.dialect import Dialect, Json
from retrievers.servers.presence import Presence
from retrievers.servers.rows import Row, head_id, routing_of, row_id

_MGET: Final = 500


class Exchange:
    """Writes, changes and drops documents of one version of an index, and knows their heads. For one thread.

    Args:
        dialect: the server, connected.
        index: the version.
        bulk: what sends rows to it.
        presence: the row of the writer, which goes before the rows of each batch.
    """

    def __init__(self, dialect: Dialect, index: str, bulk: Bulk, presence: Presence) -> None:
        self._dialect, self._index, self._bulk, self._presence = dialect, index, bulk, presence
        self._is_announced = False
        self._heads: dict[str, Json | None] = {}
        self._met: dict[str, Json] = {}  # heads that are as they were when they were looked up, and how to tell
        self._gone: dict[str, dict[str, None]] = {}  # rows that have to go when what replaces them has arrived

    def look_up(self, doc_ids: Sequence[str]) -> None:
        """Fetch the heads of documents that are not known yet, as they are now, seen or not."""
        unknown = [doc_id for doc_id in dict.fromkeys(doc_ids) if doc_id not in self._heads]
        for at in range(0, len(unknown), _MGET):
            part = unknown[at : at + _MGET]
            shown = {"excludes": list(asking.TEXT)}
            docs = [{**_address(doc_id, head_id(doc_id)), "_source": shown} for doc_id in part]
            for doc_id, row in zip(part, self.ask("_mget", {"docs": docs})["docs"], strict=True):
                found = row.get("found")
                self._heads[doc_id] = row["_source"] if found else None
                self._met[doc_id] = (
                    {"if_seq_no": row["_seq_no"], "if_primary_term": row["_primary_term"]} if found else {}
                )

    def head(self, doc_id: str) -> Json | None:
        """The head of a document as it will be when all has arrived, without its text; None without a document."""
        self.look_up([doc_id])
        return self._heads[doc_id]

    def rows(self, doc_id: str, head: Json, kind: str) -> list[Json]:
        """The sources of rows of a kind, of the edition of a head, as they are now."""
        docs = [_address(doc_id, name) for name in _names(doc_id, head, kind)]
        return [row["_source"] for row in self.ask("_mget", {"docs": docs})["docs"]]

    def write(self, doc_id: str, rows: Sequence[Row]) -> None:
        """Write an edition, its head last; it takes the place of the one that is there."""
        *others, (name, head) = rows
        old = self.head(doc_id)
        if old is not None and old["edition"] != head["edition"]:
            self._leave(doc_id, old)
        elif old is not None:  # the same again: its vectors are there
            head["has_vectors"] = head["has_vectors"] or old["has_vectors"]
        for written, _ in others:
            self._gone.get(doc_id, {}).pop(written, None)
        action = "index" if old is not None or doc_id not in self._met else "create"
        self.add(doc_id, _indexing(doc_id, others), ({action: self._unchanged(doc_id, name)}, head))
        self._heads[doc_id] = _without_text(head)

    def extend(self, doc_id: str, rows: Iterable[Row], change: Json) -> None:
        """Write more rows of the edition that counts, then change its head."""
        head = {"update": self._unchanged(doc_id, head_id(doc_id))}
        self.add(doc_id, _indexing(doc_id, rows), (head, {"doc": change}))
        self._heads[doc_id] = {**(self._heads[doc_id] or {}), **change}

    def drop(self, doc_id: str) -> None:
        """Delete a document, its head first."""
        old = self.head(doc_id)
        if old is not None:
            self._leave(doc_id, old)
            self.add(doc_id, [({"delete": self._unchanged(doc_id, head_id(doc_id))}, None)])
        self._heads[doc_id] = None

    def add(self, name: str, ops: Iterable[Op], last: Op | None = None) -> None:
        """Rows on their way, as `Bulk.add`."""
        if not self._is_announced:
            self._bulk.add("", [self._presence.again()])
            self._is_announced = True
        self._bulk.add(name, ops, last)

    def settle(self) -> Mapping[str, str]:
        """Wait until all has arrived, and what it replaces is gone; the documents that could not be written, and why.

        A document of which one row was refused goes as a whole.
        """
        settled = self._bulk.settle()
        refused = dict(settled.refused)
        for doc_id in settled.refused:
            self._remove_whole(doc_id)
            self._heads[doc_id] = None
        for doc_id in settled.conflicts - settled.refused.keys():
            if not self._is_ours(doc_id):
                refused[doc_id] = "another run wrote this document at the same moment"
        for doc_id, names in self._gone.items():
            self.add(doc_id, [({"delete": _address(doc_id, name)}, None) for name in names])
        self._gone.clear()
        self._bulk.settle()
        return refused

    def forget(self) -> None:
        """What is known of the index may be old: others write to it, too."""
        self._heads.clear()
        self._met.clear()
        self._is_announced = False

    def ask(self, what: str, body: Json | None = None, params: Json | None = None) -> Json:
        """One request about the index, made again as long as the server is busy or away."""
        path = f"/{self._index}/{what}"
        return patiently(lambda: self._dialect.request("POST", path, params=params, body=body))

    def _unchanged(self, doc_id: str, name: str) -> Json:
        """The address of a head that has to be as it was looked up; once only, since the next change finds our own."""
        return {**_address(doc_id, name), **self._met.pop(doc_id, {})}

    def _leave(self, doc_id: str, old: Json) -> None:
        self._gone.setdefault(doc_id, {}).update(dict.fromkeys(_names(doc_id, old)))

    def _is_ours(self, doc_id: str) -> bool:
        """Whether the head is as we wrote it after all; else another writer's edition stays, and ours is taken back."""
        ours = self._heads.pop(doc_id, None)
        self._gone.pop(doc_id, None)
        theirs = self.head(doc_id)
        if ours is None or (theirs is not None and theirs["edition"] == ours["edition"]):
            return True  # a request of our own, answered twice, or both wrote the same
        self._leave(doc_id, ours)
        return False

    def _remove_whole(self, doc_id: str) -> None:
        self.ask("_refresh")  # what is to be deleted has to be seen
        params = {"routing": routing_of(doc_id), "conflicts": "proceed"}
        self.ask("_delete_by_query", {"query": {"term": {"doc_id": doc_id}}}, params)


def _indexing(doc_id: str, rows: Iterable[Row]) -> list[Op]:
    return [({"index": _address(doc_id, name)}, row) for name, row in rows]


def _address(doc_id: str, name: str) -> Json:
    return {"_id": name, "routing": routing_of(doc_id)}


def _names(doc_id: str, head: Json, kinds: str = "urv") -> Iterator[str]:
    """The ids of the rows of an edition beside its head: units, record, vectors."""
    counts = {"u": head["summary"]["units"], "r": head["summary"]["records"], "v": head["chunks"]}
    for kind in kinds:
        yield from (row_id(doc_id, head["edition"], kind, number) for number in range(kind == "u", counts[kind]))


def _without_text(head: Json) -> Json:
    is_text = tuple(name.removesuffix("*") for name in asking.TEXT)
    return {name: value for name, value in head.items() if not name.startswith(is_text)}
