"""Headings of a PDF without an outline: short lines that are set larger than its text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from ingest.parsers.pdf_outline import position
from ingest.parsers.pdf_page import Line
from retrievers.types import Heading

_LARGER = 1.15
_LONGEST = 120  # characters
_LEVELS = 4
_PER_PAGE = 6.0  # on average: more are no headings
_REPEATED = 3  # pages: a line on so many is a running header
_JOINED = 3  # lines of one heading
_LETTERS = 0.5
_NUMBER = re.compile(r"\d+")


def headings_by_size(pages: Sequence[Sequence[Line]], text: str, starts: Sequence[int]) -> tuple[Heading, ...]:
    """The headings, each where it stands in the text; none where size tells nothing.

    Args:
        pages: the lines of each page.
        text: of all pages.
        starts: where each page begins in it.
    """
    weights: Counter[float] = Counter()
    for page in pages:
        for line in page:
            weights[line.height] += len(line.text)
    if not weights:
        return ()
    least = _LARGER * weights.most_common(1)[0][0]
    found = [_titles(page, least) for page in pages]
    running = _running(found)
    kept = [[line for line in page if _masked(line) not in running] for page in found]
    count = sum(map(len, kept))
    if not 0 < count <= _PER_PAGE * len(pages):
        return ()
    return tuple(_placed(kept, text, starts))


def _titles(page: Sequence[Line], least: float) -> list[Line]:
    """The headings of a page; those of several lines put together."""
    titles: list[Line] = []
    open_lines = 0  # of the heading that the next line may belong to
    for line in page:
        if line.height < least or not _may_be_heading(line.text):
            open_lines = 0
            continue
        if open_lines and titles[-1].height == line.height and open_lines < _JOINED:
            titles[-1] = Line(text=f"{titles[-1].text} {line.text}", height=line.height)
            open_lines += 1
        else:
            titles.append(line)
            open_lines = 1
    return titles


def _may_be_heading(text: str) -> bool:
    text = text.strip()
    letters = sum(map(str.isalpha, text))
    return 2 < len(text) <= _LONGEST and letters >= max(2, _LETTERS * len(text)) and text[-1] not in ".,;"


def _running(pages: Sequence[Sequence[Line]]) -> frozenset[str]:
    found: Counter[str] = Counter()
    for page in pages:
        found.update({_masked(line) for line in page})
    return frozenset(line for line, count in found.items() if count > _REPEATED)


def _masked(line: Line) -> str:
    return _NUMBER.sub("0", line.text)


def _placed(pages: Sequence[Sequence[Line]], text: str, starts: Sequence[int]) -> list[Heading]:
    sizes = sorted({line.height for page in pages for line in page}, reverse=True)
    levels = {size: min(number, _LEVELS) for number, size in enumerate(sizes, start=1)}
    headings = []
    for page, start in enumerate(starts[: len(pages)]):
        end = starts[page + 1] if page + 1 < len(starts) else len(text)
        at = start
        for line in pages[page]:
            place = position(line.text, text, at, end)
            if place is None:
                continue
            at = place
            headings.append(Heading(title=" ".join(line.text.split()), level=levels[line.height], start=place))
    return headings
