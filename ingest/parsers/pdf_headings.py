"""Headings of a PDF without an outline: short lines that are set larger than its text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

from ingest.parsers.pdf_page import Line
from ingest.parsers.pdf_text import cleaned
from retrievers.types import Heading

_LARGER = 1.15
_LONGEST = 120  # characters
_LEVELS = 4
_PER_PAGE = 6.0  # on average: more are no headings
_REPEATED = 3  # pages: a line on so many is a running header
_JOINED = 3  # lines of one heading
_LETTERS = 0.5
_PAPER = 10  # pages: a longer document has a cover
_COVER = 1.6  # of the size of a heading: "form 10-K" is no title
_NUMBER = re.compile(r"\d+")


class _Title(NamedTuple):
    text: str
    first_line: str
    height: float


def headings_by_size(pages: Sequence[Sequence[Line]], text: str, starts: Sequence[int]) -> tuple[Heading, ...]:
    """The headings, each where it stands in the text; none where size tells nothing.

    They are larger than most of the text of the document, and of their page, which the first page may not have.

    Args:
        pages: the lines of each page.
        text: of all pages.
        starts: where each page begins in it.
    """
    least = _LARGER * _body([line for page in pages for line in page])
    found = [_titles(page, max(least, _LARGER * _body(page)) if number else least) for number, page in enumerate(pages)]
    running = _running(found)
    kept = [[title for title in page if _masked(title) not in running] for page in found]
    if len(pages) > _PAPER:
        kept[0] = _cover_title(kept[0], least)
    count = sum(map(len, kept))
    if not 0 < count <= _PER_PAGE * len(pages):
        return ()
    return tuple(_placed(kept, text, starts))


def _body(lines: Sequence[Line]) -> float:
    """The size that most of the text has."""
    weights: Counter[float] = Counter()
    for line in lines:
        weights[line.height] += len(line.text)
    return weights.most_common(1)[0][0] if weights else 0.0


def _titles(page: Sequence[Line], least: float) -> list[_Title]:
    """The headings of a page; those of several lines put together, but for whole paragraphs."""
    titles = []
    for height, run in groupby(page, key=lambda line: line.height):
        lines = [line.text for line in run]
        if height >= least and len(lines) <= _JOINED and all(map(_may_be_heading, lines)):
            titles.append(_Title(" ".join(lines), lines[0], height))
    return titles


def _cover_title(titles: Sequence[_Title], least: float) -> list[_Title]:
    """The one line of a cover that is by far the largest: the others there head nothing."""
    by_size = sorted(titles, key=lambda title: -title.height)
    if not by_size or by_size[0].height < _COVER * least:
        return []
    stands_out = len(by_size) == 1 or by_size[0].height >= _LARGER * by_size[1].height
    return by_size[:1] if stands_out else []


def _may_be_heading(text: str) -> bool:
    text = text.strip()
    letters = sum(map(str.isalpha, text))
    return 2 < len(text) <= _LONGEST and letters >= max(2, _LETTERS * len(text)) and text[-1] not in ".,;"


def _running(pages: Sequence[Sequence[_Title]]) -> frozenset[str]:
    found: Counter[str] = Counter()
    for page in pages:
        found.update({_masked(title) for title in page})
    return frozenset(line for line, count in found.items() if count > _REPEATED)


def _masked(title: _Title) -> str:
    return _NUMBER.sub("0", title.text)


def _placed(pages: Sequence[Sequence[_Title]], text: str, starts: Sequence[int]) -> list[Heading]:
    sizes = sorted({title.height for page in pages for title in page}, reverse=True)
    levels = {size: min(number, _LEVELS) for number, size in enumerate(sizes, start=1)}
    headings = []
    for page, start in enumerate(starts[: len(pages)]):
        end = starts[page + 1] if page + 1 < len(starts) else len(text)
        at = start
        for title in pages[page]:
            place = text.find(cleaned(title.first_line), at, end)
            if place < 0:
                continue
            at = place
            name = " ".join(cleaned(title.text).split())
            headings.append(Heading(title=name, level=levels[title.height], start=place))
    return headings
