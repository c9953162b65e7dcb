"""Two columns whose lines come row by row: found by the gap between them, and put in reading order.

Few files paint their columns that way, so only some lines of a page are looked at before the rest is. A table has such
gaps, too: only columns of prose are parted, which are wide, made of words, and go on from line to line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ingest.parsers.pdf_layout import NEWLINE, Layout

_BROKEN = "\ufffe"
_LINE_END = re.compile(f"{NEWLINE}|{_BROKEN}")
_LOOKED_AT = 5  # lines of a page
_SUSPICIOUS = 2
_MIDDLE = 0.33  # of a line: the gap between two columns is looked for between here and as far from its end
_LONG = 40  # characters of a row across two columns, at least
_ROWS = 6
_WIDE_GAP = 0.9  # of the height of a letter: more than justified words have
_SHARE = 0.6  # of the long lines that have the gap in one place
_LEAST_HALF = 15  # characters
_LETTERS = 0.75  # of the characters of prose
_HYPHEN = re.compile(rf"(?<=[^\W\d_])[-\u00ad\ufffe]{NEWLINE}(?=[a-z\u00df-\u00ff])")
_GOING_ON = 0.3  # of the lines of prose begin in lower case


class _Gap(NamedTuple):
    """A wide gap: offset of the space, and from where to where it reaches, in points."""

    offset: int
    left: float
    right: float


class _Row(NamedTuple):
    start: int
    text: str
    cut: int  # where the right column begins; -1 where the line does not have both


def in_reading_order(layout: Layout) -> str:
    """The text of the page, the left of two interleaved columns before the right one."""
    text = layout.text
    lines = list(_lines(text))
    long = [(start, line) for start, line in lines if len(line) >= _LONG]
    if len(long) < _ROWS or not _is_suspicious(layout, long):
        return text
    gaps = {start: _gaps(layout, start, line) for start, line in long}
    gutter = _gutter(list(gaps.values()))
    if gutter is None:
        return text
    rows = [_Row(start, line, _cut(gaps.get(start, ()), gutter)) for start, line in lines]
    halves = [(row.text[: row.cut - row.start], row.text[row.cut - row.start :]) for row in rows if row.cut >= 0]
    if len(halves) < max(_ROWS, _SHARE * len(long)) or not _is_prose(halves):
        return text
    return _HYPHEN.sub("", NEWLINE.join(_parted(layout, rows, gutter)))


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Each line with its offset; one that ends within a word keeps PDFium's mark for that."""
    start = 0
    for end in _LINE_END.finditer(text):
        yield start, text[start : end.start()] + (_BROKEN if end[0] == _BROKEN else "")
        start = end.end()
    yield start, text[start:]


def _is_suspicious(layout: Layout, long: Sequence[tuple[int, str]]) -> bool:
    step = max(len(long) // _LOOKED_AT, 1)
    looked_at = ((start, line, int(_MIDDLE * len(line))) for start, line in long[::step])
    return sum(bool(_gaps(layout, start, line, margin)) for start, line, margin in looked_at) >= _SUSPICIOUS


def _gaps(layout: Layout, start: int, line: str, margin: int = _LEAST_HALF) -> list[_Gap]:
    """The wide gaps of a line, but for those within `margin` characters of its ends."""
    found = []
    space = line.find(" ", margin)
    while 0 <= space < len(line) - margin:
        before, after = layout.box(start + space - 1), layout.box(start + space + 1)
        if before and after and after.left - before.right > _WIDE_GAP * max(before.height, after.height):
            found.append(_Gap(start + space, before.right, after.left))
        space = line.find(" ", space + 1)
    return found


def _gutter(gaps: Sequence[Sequence[_Gap]]) -> float | None:
    """The place across the page that most lines leave free; None where there is none."""
    single = sorted((gap for row in gaps if len(row) == 1 for gap in row), key=lambda gap: gap.left)
    if len(single) < max(_ROWS, _SHARE * len(gaps)):
        return None
    left = single[int(0.9 * (len(single) - 1))].left  # the ends of lines differ
    right = min(gap.right for gap in single if gap.right > left)
    return (left + right) / 2


def _cut(gaps: Sequence[_Gap], gutter: float) -> int:
    return next((gap.offset + 1 for gap in gaps if gap.left <= gutter <= gap.right), -1)


def _is_prose(halves: Sequence[tuple[str, str]]) -> bool:
    lefts, rights = [left for left, _ in halves], [right for _, right in halves]
    return all(map(_reads_on, (lefts, rights)))


def _reads_on(lines: Sequence[str]) -> bool:
    text = "".join(lines).replace(" ", "")
    words = sum(map(str.isalpha, text)) >= _LETTERS * len(text)
    return words and sum(line[:1].islower() for line in lines) >= _GOING_ON * len(lines)


def _parted(layout: Layout, rows: Sequence[_Row], gutter: float) -> Iterator[str]:
    """The lines; of each run of rows with both columns, all on the left and then all on the right."""
    left: list[str] = []
    right: list[str] = []
    for row in rows:
        side = _side(layout, row, gutter) if left or right or row.cut >= 0 else "both"
        if row.cut >= 0:
            left.append(row.text[: row.cut - row.start].rstrip())
            right.append(row.text[row.cut - row.start :])
        elif side == "left":
            left.append(row.text)
        elif side == "right":
            right.append(row.text)
        else:
            yield from left + right
            left, right = [], []
            yield row.text
    yield from left + right


def _side(layout: Layout, row: _Row, gutter: float) -> str:
    first, last = layout.box(row.start), layout.box(row.start + len(row.text) - 1)
    if not row.text or first is None or last is None:
        return "both"
    if last.right <= gutter:
        return "left"
    return "right" if first.left >= gutter else "both"
