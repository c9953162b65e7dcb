"""What an index on a server holds, asked for now and then: format, embedder, languages, fields and their types."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Final

from retrievers.errors import ConfigError, IndexMismatch, IndexMissing
from retrievers.fields import BUILT_IN, Form, Types, types_among
from retrievers.servers.asking import HEADS, UNITS, VECTORS
from retrievers.servers.connecting import stands_for_several
from retrievers.servers.dialect import Dialect, Json
from retrievers.servers.duplicates import MARKED
from retrievers.servers.mapping import FORMAT
from retrievers.servers.rows import WIDE, own_name

MOST_FORMS: Final = 10_000
"""Fields, and forms of their values, that are told apart."""

FRESH_SECONDS: Final = 5.0
"""How long what was seen is taken for true."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """An index as it was at a moment."""

    embedder: str
    dimensions: int
    held: tuple[str, ...]
    types: Mapping[str, Types]
    wide: frozenset[str]
    documents: int
    vectors: int
    marked: int
    own_fields: frozenset[str]
    shards: int


def _wide(buckets: Sequence[Json]) -> Iterator[str]:
    """The fields without a field of their own."""
    for bucket in buckets:
        form, _, name = bucket["key"].partition(":")
        if form == WIDE:
            yield name


class Looker:
    """Looks at an index, and remembers for a moment. Safe to share between threads."""

    def __init__(self, dialect: Dialect, index: str) -> None:
        self._dialect, self._index = dialect, index
        self._lock = Lock()
        self._seen: Seen | None = None
        self._at = 0.0

    def seen(self, *, fresh: bool = False) -> Seen:
        """What the index holds.

        Raises:
            ConfigError: there is none.
            IndexMismatch: a newer version made it.
        """
        with self._lock:
            if fresh or self._seen is None or not self._seen.documents or self._is_old():
                self._seen = look(self._dialect, self._index)
                self._at = time.monotonic()
            return self._seen

    def _is_old(self) -> bool:
        return time.monotonic() - self._at > FRESH_SECONDS


def look(dialect: Dialect, index: str) -> Seen:
    """Ask for all of it: the mapping, and one search."""
    mapping = mapping_under(dialect, index)
    meta = mapping.get("_meta", {}).get("rlm_search")
    if meta is None:
        raise ConfigError(
            f"the index {dialect.place} was made by something else",
            hint="say what its fields mean in the table [retriever.fields]",
        )
    if meta["format"] > FORMAT:
        raise IndexMismatch(f"a newer version of rlm-search made the index {dialect.place}", hint="upgrade rlm-search")
    if meta["format"] < FORMAT:
        raise IndexMismatch(
            f"an older version of rlm-search made the index {dialect.place}", hint="build it again: ingest --rebuild"
        )
    answer = dialect.request("POST", f"/{index}/_search", body=_QUESTION)
    counts = answer["aggregations"]
    return Seen(
        embedder=meta["embedder"],
        dimensions=meta["dimensions"],
        held=tuple(bucket["key"] for bucket in counts["units"]["held"]["buckets"]),
        types=_types(counts["heads"]["forms"]["buckets"]),
        wide=frozenset(_wide(counts["heads"]["forms"]["buckets"])),
        documents=counts["heads"]["doc_count"],
        vectors=counts["vectors"]["doc_count"],
        marked=counts["heads"]["marked"]["doc_count"],
        own_fields=frozenset(map(own_name, mapping["properties"]["k"].get("properties", {}))),
        shards=answer["_shards"]["total"],
    )


def mapping_under(dialect: Dialect, index: str) -> Json:
    """The mapping of the one index behind a name.

    Raises:
        ConfigError: there is none, or the name stands for several.
    """
    answer = dialect.request("GET", f"/{index}/_mapping")
    if not answer:
        raise IndexMissing(f"there is no index at {dialect.place}", hint="make it: ingest FOLDER --index URL")
    if len(answer) > 1:
        raise stands_for_several(dialect.place, answer)
    (only,) = answer.values()
    mapping: Json = only["mappings"]
    return mapping


_QUESTION: Final[Json] = {
    "size": 0,
    "track_total_hits": False,
    "aggs": {
        "units": {"filter": UNITS, "aggs": {"held": {"terms": {"field": "analyser", "size": 20}}}},
        "heads": {
            "filter": HEADS,
            "aggs": {"forms": {"terms": {"field": "forms", "size": MOST_FORMS}}, "marked": {"filter": MARKED}},
        },
        "vectors": {"filter": VECTORS},
    },
}


def _types(buckets: Sequence[Json]) -> dict[str, Types]:
    """The types of all fields, from the number of documents that have values of each form in them."""
    counted: dict[str, dict[Form, int]] = {}
    for bucket in buckets:
        said, _, name = bucket["key"].partition(":")
        form: Form = "keyword" if said == WIDE else said
        counted.setdefault(name, {})[form] = bucket["doc_count"]
    built_in: dict[str, Types] = {name: (kind,) for name, kind in BUILT_IN.items()}
    return {**built_in, **{name: types_among(forms) for name, forms in counted.items()}}
