"""Near-duplicates in searches: the original stands for its group, and names the others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from retrievers.embedded.catalogue import presence_tag, value_tag
from retrievers.embedded.snapshot import Snapshot
from retrievers.filters import And, Exists, Filter, In, Not
from retrievers.marks import FIELD, names_marks
from retrievers.types import Hit

_NAMED: Final = 20
"""Near-duplicates that a hit names at most."""


def collapsed(now: Snapshot, passing: Filter | None) -> Filter | None:
    """The filter, and besides: of documents that say the same, one only.

    The original stands for its near-duplicates where it passes the filter itself, else the smallest id that does. A
    filter that names the field `duplicate_of` means what it says, and nothing is left out.
    """
    if not has_duplicates(now) or (passing is not None and names_marks(passing)):
        return passing
    if passing is None:
        return Not(Exists(FIELD))
    hidden = now.remembered(passing, lambda: _hidden(now, passing))
    return And((passing, Not(In("doc_id", hidden)))) if hidden else passing


def has_duplicates(now: Snapshot) -> bool:
    """Whether any document is marked."""
    field = now.state.fields.get(FIELD)
    return field is not None and now.searcher.doc_freq("tag", presence_tag(field)) > 0


def naming_duplicates(now: Snapshot, hits: Sequence[Hit], must: Filter | None) -> list[Hit]:
    """The hits; those of originals name in their metadata their near-duplicates, those that pass what must hold."""
    if not hits or not has_duplicates(now):
        return list(hits)
    others = _duplicates(now, {hit.doc_id for hit in hits}, must)
    return [
        replace(hit, metadata={**hit.metadata, "near_duplicates": others[hit.doc_id]}) if hit.doc_id in others else hit
        for hit in hits
    ]


def _duplicates(now: Snapshot, originals: Iterable[str], must: Filter | None) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for original in originals:
        if now.searcher.doc_freq("tag", value_tag(now.state.fields[FIELD], original)):
            named: Filter = In(FIELD, (original,))
            marked = now.search(now.heads(named if must is None else And((must, named))), _NAMED)
            ids = sorted(now.unit(address)[0].doc_id for _, address in marked)
            if ids:
                found[original] = ids
    return found


def _hidden(now: Snapshot, passing: Filter) -> tuple[str, ...]:
    """The documents that pass and are left out: another one of their group passes as well."""
    query = now.heads(And((passing, Exists(FIELD))))
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for _, address in now.search(query, now.count(query)):
        unit, _ = now.unit(address)
        groups[unit.original].append(unit.doc_id)
    if not groups:
        return ()
    originals = now.heads(And((passing, In("doc_id", tuple(groups)))))
    passed = {now.unit(address)[0].doc_id for _, address in now.search(originals, now.count(originals))}
    return tuple(
        doc_id
        for original, ids in sorted(groups.items())
        for doc_id in (ids if original in passed else sorted(ids)[1:])
    )
