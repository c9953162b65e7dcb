"""Which editions of documents count: those that their heads name. Others are on their way in, or out.

A document is replaced by writing the rows of its new edition beside those of the old one, then its head, then taking
the old ones away. Whatever a refresh in between shows, a reader that looks at the heads sees one edition whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, TypeVar

from retrievers.errors import EngineUnavailable
from retrievers.servers.asking import COLUMNS, HEADS, all_of
from retrievers.servers.dialect import Dialect, Json

WRITERS: Final[Json] = {"term": {"kind": "writer"}}
"""The rows of those who write just now."""

_WINDOW: Final = 10_000
_TRIES: Final = 5

T = TypeVar("T")


class Outdated(Exception):
    """What was found is in part of editions that do not count: to be asked again without them."""

    def __init__(self, editions: set[str]) -> None:
        super().__init__("some of what was found is being replaced")
        self.editions = editions


def whole(dialect: Dialect, ask: Callable[[list[Json]], T], conditions: Sequence[Json]) -> T:
    """What is found of whole documents only: asked again, without what is being replaced, until all of it counts.

    Raises:
        EngineUnavailable: documents are replaced faster than that.
    """
    held = list(conditions)
    for _ in range(_TRIES):
        try:
            return ask(held)
        except Outdated as found:
            held = [*held, {"bool": {"must_not": [{"terms": {"edition": sorted(found.editions)}}]}}]
    raise EngineUnavailable(f"documents of {dialect.place} are being replaced", hint="try again")


def refuse_outdated(dialect: Dialect, index: str, answers: Sequence[Json]) -> None:
    """Look at the editions of rows that were found while somebody writes.

    Raises:
        Outdated: some do not count.
    """
    rows = [row for answer in answers for row in answer["hits"]["hits"]]
    found = [row["fields"]["edition"][0] if "fields" in row else row["_source"]["edition"] for row in rows]
    if gone := outdated(dialect, index, found):
        raise Outdated(gone)


def outdated(dialect: Dialect, index: str, editions: Iterable[str]) -> set[str]:
    """Those of the editions that no head names, as of now."""
    asked = sorted(set(editions))
    current: set[str] = set()
    for at in range(0, len(asked), _WINDOW):
        named = {"terms": {"edition": asked[at : at + _WINDOW]}}
        body = {"query": all_of([HEADS, named]), "size": _WINDOW, "track_total_hits": False}
        body |= {**COLUMNS, "docvalue_fields": ["edition"]}
        rows = dialect.request("POST", f"/{index}/_search", body=body)["hits"]["hits"]
        current.update(row["fields"]["edition"][0] for row in rows)
    return set(asked) - current


def unfinished(dialect: Dialect, index: str) -> set[str]:
    """All editions that no head names."""
    return {edition for part in _all(dialect, index) for edition in outdated(dialect, index, part)}


def _all(dialect: Dialect, index: str) -> Iterator[list[str]]:
    composite: Json = {"size": _WINDOW, "sources": [{"edition": {"terms": {"field": "edition"}}}]}
    while True:
        body = {"size": 0, "track_total_hits": False, "aggs": {"editions": {"composite": composite}}}
        answer = dialect.request("POST", f"/{index}/_search", body=body)["aggregations"]["editions"]
        yield [bucket["key"]["edition"] for bucket in answer["buckets"]]
        if "after_key" not in answer:
            return
        composite["after"] = answer["after_key"]
