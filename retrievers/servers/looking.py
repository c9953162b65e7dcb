"""What an index on a server holds, asked for now and then: format, embedder, languages, fields and their types."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Final

from retrievers.errors import ConfigError, IndexMismatch
from retrievers.fields import BUILT_IN
from retrievers.servers.asking import HEADS, UNITS, path_of
from retrievers.servers.dialect import Dialect, Json
from retrievers.servers.mapping import FORMAT, TYPES
from retrievers.servers.rows import own_name
from retrievers.types import FieldType

FRESH_SECONDS: Final = 5.0
"""How long what was seen is taken for true."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """An index as it was at a moment."""

    embedder: str
    dimensions: int
    held: tuple[str, ...]
    types: Mapping[str, FieldType]
    documents: int
    vectors: int


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
    found: dict[str, list[FieldType]] = {}
    for kind, path in TYPES.items():
        for name in mapping["properties"].get(path, {}).get("properties", {}):
            found.setdefault(own_name(name), []).append(kind)
    answer = dialect.request("POST", f"/{index}/_search", body=_question(found))
    counts = answer["aggregations"]
    return Seen(
        embedder=meta["embedder"],
        dimensions=meta["dimensions"],
        held=tuple(bucket["key"] for bucket in counts["units"]["held"]["buckets"]),
        types={**BUILT_IN, **{name: _type(name, kinds, counts["heads"]) for name, kinds in found.items()}},
        documents=counts["heads"]["doc_count"],
        vectors=counts["vectors"]["doc_count"],
    )


def mapping_under(dialect: Dialect, index: str) -> Json:
    """The mapping of the one index behind a name.

    Raises:
        ConfigError: there is none, or the name stands for several.
    """
    answer = dialect.request("GET", f"/{index}/_mapping")
    if not answer:
        raise ConfigError(f"there is no index at {dialect.place}", hint="make it: ingest FOLDER --index URL")
    if len(answer) > 1:
        raise ConfigError(
            f"the alias {dialect.place} stands for {len(answer)} indexes: {', '.join(sorted(answer))}",
            hint="let it stand for one: rlm-search index swap",
        )
    (only,) = answer.values()
    mapping: Json = only["mappings"]
    return mapping


def _question(found: Mapping[str, list[FieldType]]) -> Json:
    several = {
        f"{name}|{kind}": {"filter": {"exists": {"field": path_of(name, kind)}}}
        for name, kinds in found.items()
        if len(kinds) > 1
        for kind in kinds
    }
    heads: Json = {"filter": HEADS}
    if several:
        heads["aggs"] = several
    return {
        "size": 0,
        "track_total_hits": False,
        "aggs": {
            "units": {"filter": UNITS, "aggs": {"held": {"terms": {"field": "analyser", "size": 20}}}},
            "heads": heads,
            "vectors": {"filter": {"term": {"kind": "vector"}}},
        },
    }


def _type(name: str, kinds: list[FieldType], heads: Json) -> FieldType:
    """That of most documents; every date is a keyword as well, so one text that is no date makes all of them texts."""
    if len(kinds) == 1:
        return kinds[0]
    counts = {kind: heads[f"{name}|{kind}"]["doc_count"] for kind in kinds}
    if "date" in counts and counts["date"] == counts.get("keyword"):
        del counts["keyword"]
    return max(counts, key=lambda kind: (counts[kind], kind == "keyword"))
