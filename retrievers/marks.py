"""The marks of near-duplicates, which name other documents: not told, nor asked for, where a filter must hold."""

from __future__ import annotations

from typing import Final

from retrievers.errors import FilterError
from retrievers.filters import And, Filter, Not, Or, all_of, parse
from retrievers.protocols import FilterLike

FIELD: Final = "duplicate_of"
"""Of a near-duplicate: the id of the document that it repeats."""


def asked_for(must: Filter | None, given: FilterLike) -> Filter | None:
    """What has to hold and what is asked for, in one filter.

    Raises:
        FilterError: the filter is malformed, or asks for marks that may name documents which nobody may know of.
    """
    parsed = parse(given)
    if must is not None and parsed is not None and names_marks(parsed):
        raise _untold()
    return all_of(must, parsed)


def tellable(must: Filter | None, field: str) -> str:
    """A field whose values are asked for.

    Raises:
        FilterError: they may name documents which nobody may know of.
    """
    if must is not None and field == FIELD:
        raise _untold()
    return field


def names_marks(given: Filter) -> bool:
    """Whether a filter speaks of near-duplicates itself."""
    match given:
        case And(parts) | Or(parts):
            return any(map(names_marks, parts))
        case Not(inner):
            return names_marks(inner)
        case _:
            return given.field == FIELD


def _untold() -> FilterError:
    return FilterError(
        f"the field `{FIELD}` is not told here, since a filter must hold that may leave out what it names",
        hint="a hit names its near-duplicates that may be seen",
    )
