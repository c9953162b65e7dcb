"""The ledger of an index on a server: rows beside those of documents, which no search finds.

A row tells its author (`hash`), its number (`unit`), its place among all rows (`ordinal`), and from which place on the
ledger is to be read (`start`): one that was begun anew voids what came before it, whether or not that is deleted yet.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from retrievers.servers.asking import all_of
from retrievers.servers.dialect import Dialect, Json
from retrievers.types import LedgerEntry

_ROWS: Final[Json] = {"term": {"kind": "ledger"}}
_ROUTING: Final = "ledger"
_AT_ONCE: Final = 50
_MOST_AUTHORS: Final = 10_000


class ServerLedger:
    """Reads the ledger of an index, and makes the rows of new entries."""

    def __init__(self, dialect: Dialect, index: str) -> None:
        self._dialect, self._index = dialect, index
        self._next = -1
        self._since = 0

    def ends(self) -> Mapping[str, int]:
        """Number of the last entry of each author."""
        self._look()
        authors = {"terms": {"field": "hash", "size": _MOST_AUTHORS}, "aggs": {"last": {"max": {"field": "unit"}}}}
        found = self._search({"size": 0, "query": self._live(), "aggs": {"authors": authors}})
        return {bucket["key"]: int(bucket["last"]["value"]) for bucket in found["aggregations"]["authors"]["buckets"]}

    def read(self, known: Mapping[str, int]) -> Iterator[LedgerEntry]:
        """The entries in order, behind the number that is known of each author."""
        self._look()
        query = self._live()
        query["bool"]["must_not"] = [
            all_of([{"term": {"hash": author}}, {"range": {"unit": {"lte": number}}}])
            for author, number in known.items()
        ]
        order = [{"ordinal": "asc"}, {"hash": "asc"}, {"unit": "asc"}]
        body: Json = {"size": _AT_ONCE, "query": query, "sort": order}
        while rows := self._search(body)["hits"]["hits"]:
            for row in rows:
                told = row["_source"]
                yield LedgerEntry(author=told["hash"], number=told["unit"], body=base64.b64decode(told["record"]))
            body["search_after"] = rows[-1]["sort"]

    def rows(self, entries: Sequence[LedgerEntry], *, anew: bool) -> Iterator[tuple[Json, Json]]:
        """Address and source of each entry; of those that begin anew only the last one says so."""
        if self._next < 0:
            self._look()
        begin = self._next
        for entry in entries:
            if anew and entry is entries[-1]:
                self._since = begin
            row = {"kind": "ledger", "hash": entry.author, "unit": entry.number, "ordinal": self._next}
            row |= {"start": self._since, "record": base64.b64encode(entry.body).decode("ascii")}
            yield {"_id": f"#ledger-{entry.author}-{entry.number}", "routing": _ROUTING}, row
            self._next += 1

    def delete_void(self) -> None:
        """Delete what came before the ledger was begun anew."""
        query = {"query": all_of([_ROWS, {"range": {"ordinal": {"lt": self._since}}}])}
        params = {"routing": _ROUTING, "conflicts": "proceed"}
        self._dialect.request("POST", f"/{self._index}/_delete_by_query", params=params, body=query)

    def _look(self) -> None:
        """Where it begins, and where it goes on."""
        aggs = {"since": {"max": {"field": "start"}}, "last": {"max": {"field": "ordinal"}}}
        found = self._search({"size": 0, "query": all_of([_ROWS]), "aggs": aggs})["aggregations"]
        self._since = int(found["since"]["value"] or 0)
        self._next = int(found["last"]["value"] or 0) + 1

    def _live(self) -> Json:
        return all_of([_ROWS, {"range": {"ordinal": {"gte": self._since}}}])

    def _search(self, body: Json) -> Json:
        return self._dialect.request("POST", f"/{self._index}/_search", params={"routing": _ROUTING}, body=body)
