"""Lines that run from top to bottom, put in the order in which they are read: from right to left.

PDFium gives those that begin at one height from left to right, as if they were words of a line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from ingest.parsers.pdf_layout import NEWLINE, Box, Layout

_CJK = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]{3}")
_MOSTLY = 0.6  # of the lines of three characters and more


class _Line(NamedTuple):
    text: str
    first: Box | None
    is_vertical: bool


def right_to_left(layout: Layout) -> str:
    """The text of the page, with vertical lines that stand side by side in the order in which they are read."""
    text = layout.text
    if text.isascii() or not _CJK.search(text):
        return text
    lines = list(_lines(layout))
    long = [line for line in lines if len(line.text) > len("   ")]
    vertical = sum(line.is_vertical for line in long)
    if vertical < 2 or vertical < _MOSTLY * len(long):
        return text
    return NEWLINE.join(_ordered(lines))


def _lines(layout: Layout) -> Iterator[_Line]:
    start = 0
    for text in layout.text.split(NEWLINE):
        first = layout.box(start) if text else None
        third = layout.box(start + 2) if len(text) > len("  ") else None
        yield _Line(text, first, first is not None and third is not None and _is_below(third, first))
        start += len(text) + len(NEWLINE)


def _is_below(lower: Box, upper: Box) -> bool:
    return abs(lower.left - upper.left) < upper.height / 2 and lower.top <= upper.bottom


def _ordered(lines: list[_Line]) -> Iterator[str]:
    run: list[tuple[float, str]] = []  # lines that begin at one height, by their place from the right
    top = 0.0
    for line in lines:
        is_beside = line.is_vertical and line.first is not None and abs(line.first.top - top) < line.first.height / 2
        if not is_beside:
            yield from _sorted(run)
            run = []
        if line.is_vertical and line.first is not None:
            top = line.first.top
            run.append((-line.first.left, line.text))
        else:
            yield line.text
    yield from _sorted(run)


def _sorted(run: list[tuple[float, str]]) -> list[str]:
    return [text for _, text in sorted(run, key=lambda placed: placed[0])]
