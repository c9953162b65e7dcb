"""Find the running headers, footers and page numbers of a document: lines at the edge of pages that come again.

The first page that has one keeps it, so that its words find the document; and a line within a page is never one.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple, TypeAlias

_EDGE = 3  # lines at the top and at the bottom of a page that may be furniture
_LONGEST = 200  # characters
_LETTERS = 3
_PAGES = 4  # that a line must stand on; in a document of few pages, on all but one
_FEW_PAGES = 5
_SHARE = 0.15  # of all pages: the name of a company above its four statements belongs to these
_NEAR = 2  # pages: to the next one with the same line; left and right pages may differ
_MOSTLY = 0.8  # of the pages with a line have such a neighbour
_DIGITS = re.compile(r"\d+")
_PAGE_NUMBER = re.compile(r"\W*(\d{1,6})\W*")

Key: TypeAlias = tuple[str, str]


class _Line(NamedTuple):
    start: int
    end: int
    key: Key


def furniture_of(text: str, pages: Sequence[int], labels: Sequence[str] = ()) -> tuple[tuple[int, int], ...]:
    """Where furniture stands, in order.

    Args:
        text: of the document.
        pages: start offset of each page.
        labels: the printed label of each page, if they are known.
    """
    if len(pages) < _PAGES - 1:
        return ()
    edges = [_edges(text, start, end, number) for number, (start, end) in enumerate(_bounds(text, pages))]
    where: dict[Key, list[int]] = defaultdict(list)
    for number, lines in enumerate(edges):
        for key in {line.key for side in lines for line in side}:
            where[key].append(number)
    first = {key: numbers[0] for key, numbers in where.items() if key[1] and _comes_again(numbers, len(pages))}
    return tuple(_spans(edges, first, labels, text))


def _bounds(text: str, pages: Sequence[int]) -> Iterator[tuple[int, int]]:
    return zip(pages, (*pages[1:], len(text)), strict=True)


def _edges(text: str, start: int, end: int, number: int) -> tuple[list[_Line], list[_Line]]:
    """The lines at the top from the first, and those at the bottom from the last; on a short page the same."""
    top: list[_Line] = []
    at = start
    while at < end and len(top) < _EDGE:
        stop = _end_of_line(text, at, end)
        _take(top, text, at, stop, number, "top")
        at = stop
    bottom: list[_Line] = []
    stop = end
    while stop > start and len(bottom) < _EDGE:
        begin = max(text.rfind("\n", start, stop - 1) + 1, start)
        _take(bottom, text, begin, stop, number, "bottom")
        stop = begin
    return top, bottom


def _end_of_line(text: str, start: int, end: int) -> int:
    newline = text.find("\n", start, end)
    return newline + 1 if newline >= 0 else end


def _take(lines: list[_Line], text: str, start: int, end: int, number: int, side: str) -> None:
    line = text[start:end].strip()
    if line:
        lines.append(_Line(start, end, (side, _masked(line[: _LONGEST + 1], number))))


def _masked(line: str, number: int) -> str:
    """The line without its numbers; a number alone by how far it is from that of the page."""
    alone = _PAGE_NUMBER.fullmatch(line)
    if alone:
        return f"page {int(alone[1]) - number}"
    if len(line) > _LONGEST or sum(map(str.isalpha, line)) < _LETTERS:
        return ""
    return _DIGITS.sub("0", line.casefold())


def _comes_again(numbers: Sequence[int], pages: int) -> bool:
    least = max(pages - 1, _PAGES - 1) if pages <= _FEW_PAGES else max(_PAGES, _SHARE * pages)
    if len(numbers) < least:
        return False
    gaps = [other - one for one, other in pairwise(numbers)]
    near = sum(min(sides) <= _NEAR for sides in pairwise([gaps[0], *gaps, gaps[-1]]))
    return near >= _MOSTLY * len(numbers)


def _spans(
    edges: Sequence[tuple[list[_Line], list[_Line]]], first: Mapping[Key, int], labels: Sequence[str], text: str
) -> Iterator[tuple[int, int]]:
    for number, (top, bottom) in enumerate(edges):
        label = labels[number] if number < len(labels) else ""
        runs = [list(_run(lines, first, label, text)) for lines in (top, bottom)]
        yield from sorted({(line.start, line.end) for run in runs for line in run if first.get(line.key, -1) < number})


def _run(lines: Sequence[_Line], first: Mapping[Key, int], label: str, text: str) -> Iterator[_Line]:
    """The furniture of one edge: it goes from the edge to the first line of the page's own."""
    for line in lines:
        if line.key not in first and not (label and text[line.start : line.end].strip() == label):
            return
        yield line
