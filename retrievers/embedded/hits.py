"""From a unit of the index to a hit: its best passage, and all that a result tells."""

from __future__ import annotations

from collections.abc import Sequence

from retrievers.embedded.records import UnitRecord
from retrievers.embedded.snapshot import Address, Snapshot
from retrievers.snippets import Sought, folded_whitespace, passage
from retrievers.types import Hit


def hit_of(
    now: Snapshot,
    address: Address,
    score: float,
    sought: Sequence[Sought],
    within: tuple[int, int] | None = None,
    *,
    is_held: bool = False,
) -> Hit:
    """Make the result of a unit: its best passage, within the given span of the document where there is one.

    With `is_held` its mark of a near-duplicate is not told.
    """
    unit, text = now.unit(address)
    first, last = _clipped(unit, within)
    if (first, last) != (unit.start, unit.end):
        text = text[first - unit.start : last - unit.start]
    begin, end = passage(text, sought)
    return Hit(
        doc_id=unit.doc_id,
        chunk_id=unit.chunk_id,
        preview=folded_whitespace(text[begin:end]),
        score=score,
        start=first + begin,
        end=first + end,
        pages=(unit.page,) if unit.page else (),
        title=unit.title,
        source=unit.source,
        metadata=unit.metadata if is_held else unit.told,
    )


def _clipped(unit: UnitRecord, within: tuple[int, int] | None) -> tuple[int, int]:
    if within is None:
        return unit.start, unit.end
    first, last = max(unit.start, within[0]), min(unit.end, within[1])
    return (first, last) if first < last else (unit.start, unit.end)
