"""Running headers, footers and page numbers: kept in a text, and left out of what is indexed and embedded of it."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import TypeAlias

Spans: TypeAlias = Sequence[tuple[int, int]]
"""Start and end offsets in a document's text, ascending, without overlap."""

_NOT_A_SPACE = re.compile(r"\S")


def within(furniture: Spans, start: int, end: int) -> tuple[tuple[int, int], ...]:
    """The parts of the furniture that lie in a piece of the text."""
    return tuple(_clipped(furniture, start, end)) if furniture else ()


def _clipped(furniture: Spans, start: int, end: int) -> Iterator[tuple[int, int]]:
    first = max(bisect_right(furniture, (start, start)) - 1, 0)
    for one, other in furniture[first:]:
        if one >= end:
            return
        if other > start:
            yield max(one, start), min(other, end)


def without(text: str, furniture: Spans, offset: int = 0) -> str:
    """A piece of a text that begins at `offset` without its furniture; all of it where nothing else is in it."""
    if not furniture:
        return text
    parts: list[str] = []
    at = 0
    for start, end in furniture:
        parts.append(text[at : start - offset])
        at = end - offset
    parts.append(text[at:])
    kept = "".join(parts)
    return kept if kept.strip() else text


def blotted(text: str, furniture: Spans) -> str:
    """A text of the same length with spaces in the place of its furniture."""
    if not furniture:
        return text
    parts: list[str] = []
    at = 0
    for start, end in furniture:
        parts += (text[at:start], _NOT_A_SPACE.sub(" ", text[start:end]))
        at = end
    return "".join([*parts, text[at:]])
