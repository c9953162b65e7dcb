"""Who writes to an index: a row for each writer, so that readers know when to look twice, and what a crash left.

A reader that finds such a row leaves out editions of documents that are on their way in or out
(`retrievers.servers.editions`). A writer that ends takes its row away. One that crashed leaves it; a day later another
writer takes it away, with the rows of editions that were never finished. The row also tells the refresh interval that
the writer found, so that the next one can put it back.
"""

from __future__ import annotations

import time
import uuid
from typing import Final

from retrievers.servers.bulk import Op
from retrievers.servers.dialect import Dialect, Json
from retrievers.servers.editions import WRITERS, unfinished

ROUTING: Final = "writers"
FORGOTTEN_SECONDS: Final = 86_400.0
"""Age of a row whose writer is taken for dead. Clocks of machines may differ by less than that."""

_MOST: Final = 1_000


class Presence:
    """The row of one writer.

    Args:
        dialect: the server, connected.
        index: the version that it writes to.
        refresh: the interval to put back where no other writer's row tells one.
    """

    def __init__(self, dialect: Dialect, index: str, *, refresh: str) -> None:
        self._dialect, self._index = dialect, index
        self._id = f"writer-{uuid.uuid4().hex[:12]}"
        now = time.time()
        others = self._others()
        self._dead = [each["_id"] for each in others if abs(now - each["_source"]["at"]) > FORGOTTEN_SECONDS]
        self._unfinished = unfinished(dialect, index) if self._dead else set()
        self.refresh = self._found() or next((each["_source"]["refresh"] for each in others), refresh)
        params = {"routing": ROUTING, "refresh": "true"}
        dialect.request("PUT", f"/{index}/_doc/{self._id}", params=params, body=self._row())

    def again(self) -> Op:
        """Say that it is still there: goes before the rows of each batch."""
        return {"index": {"_id": self._id, "routing": ROUTING}}, self._row()

    def end(self) -> None:
        """Take the row away, seen with the next refresh, and what dead writers left."""
        self._dialect.request("DELETE", f"/{self._index}/_doc/{self._id}", params={"routing": ROUTING})
        if not self._dead:
            return
        left = self._unfinished & unfinished(self._dialect, self._index)
        gone = [{"ids": {"values": self._dead}}, {"terms": {"edition": sorted(left)}}]
        query: Json = {"bool": {"should": gone, "minimum_should_match": 1}}
        params = {"conflicts": "proceed"}
        self._dialect.request("POST", f"/{self._index}/_delete_by_query", params=params, body={"query": query})

    def _row(self) -> Json:
        return {"kind": "writer", "at": int(time.time()), "refresh": self.refresh}

    def _others(self) -> list[Json]:
        body = {"query": WRITERS, "size": _MOST, "track_total_hits": False}
        self._dialect.request("POST", f"/{self._index}/_refresh")
        rows: list[Json] = self._dialect.request("POST", f"/{self._index}/_search", body=body)["hits"]["hits"]
        return rows

    def _found(self) -> str:
        """The interval as it is, "" where a writer changed it."""
        answer = self._dialect.request("GET", f"/{self._index}/_settings")
        (settings,) = answer.values()
        interval = str(settings["settings"]["index"].get("refresh_interval", "1s"))
        return "" if interval == "-1" else interval
