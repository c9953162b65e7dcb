"""Near-duplicates in searches of a server's index: the original stands for its group, and names the others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from retrievers.filters import Filter
from retrievers.marks import FIELD, names_marks
from retrievers.servers import asking
from retrievers.servers.dialect import Dialect, Json
from retrievers.types import Hit

_PATH: Final = f"k.{FIELD}"
MARKED: Final[Json] = {"exists": {"field": _PATH}}
"""The rows of documents that are near-duplicates."""

_NAMED: Final = 20
"""Near-duplicates that a hit names at most."""

_MOST: Final = 10_000
"""Near-duplicates among what passes a filter that are looked at."""


class Marked(Exception):
    """There are near-duplicates where none were known of: to be asked again with that in mind."""


def collapsed(dialect: Dialect, index: str, given: Filter | None, conditions: list[Json]) -> list[Json]:
    """The conditions, and besides: of documents that say the same, one only.

    The original stands for its near-duplicates where it passes the filter itself, else the smallest id that does. A
    filter that names the field `duplicate_of` means what it says, and nothing is left out.
    """
    if given is None:
        return [*conditions, {"bool": {"must_not": [MARKED]}}]
    if names_marks(given):
        return conditions
    hidden = _hidden(dialect, index, conditions)
    return [*conditions, {"bool": {"must_not": [{"terms": {"doc_id": hidden}}]}}] if hidden else conditions


def _hidden(dialect: Dialect, index: str, conditions: Sequence[Json]) -> list[str]:
    """The documents that pass and are left out: another one of their group passes as well."""
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for row in _heads(dialect, index, [*conditions, MARKED], [_PATH]):
        groups[row["fields"][_PATH][0]].append(row["fields"]["doc_id"][0])
    if not groups:
        return []
    originals = {"terms": {"doc_id": sorted(groups)}}
    passed = {row["fields"]["doc_id"][0] for row in _heads(dialect, index, [*conditions, originals], [])}
    return [
        doc_id
        for original, ids in sorted(groups.items())
        for doc_id in (ids if original in passed else sorted(ids)[1:])
    ]


def naming_duplicates(dialect: Dialect, index: str, hits: list[Hit], must: Sequence[Json]) -> list[Hit]:
    """The hits; those of originals name in their metadata their near-duplicates, those that pass what must hold."""
    if not hits:
        return hits
    ids = sorted({hit.doc_id for hit in hits})
    others: defaultdict[str, list[str]] = defaultdict(list)
    for row in _heads(dialect, index, [{"terms": {_PATH: ids}}, *must], [_PATH]):
        others[row["fields"][_PATH][0]].append(row["fields"]["doc_id"][0])
    return [
        replace(hit, metadata={**hit.metadata, "near_duplicates": sorted(others[hit.doc_id])[:_NAMED]})
        if hit.doc_id in others
        else hit
        for hit in hits
    ]


def _heads(dialect: Dialect, index: str, conditions: Sequence[Json], fields: Sequence[str]) -> list[Json]:
    body = {
        "query": asking.all_of([asking.HEADS, *conditions]),
        "size": _MOST,
        **asking.COLUMNS,
        "docvalue_fields": ["doc_id", *fields],
        "track_total_hits": False,
    }
    rows: list[Json] = dialect.request("POST", f"/{index}/_search", body=body)["hits"]["hits"]
    return rows
