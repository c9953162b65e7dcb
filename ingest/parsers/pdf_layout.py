"""Where the characters of a page stand: what the order of its text leaves open is settled by their places.

PDFium gives text in the order in which it is painted. The places of characters are asked for only where that order may
mislead: all of them cost as much as the text itself.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any, NamedTuple

import pypdfium2.raw as pdfium

NEWLINE = "\r\n"
_RAISED = re.compile("[0-9*\u2020\u2021\u00a7\u00b6\u00b0]{1,3}")
_TOUCH = 0.35  # of the height: a gap that is smaller parts no words
_SAME_ROW = 0.4
_PAINTED_TWICE = 0.3
_SAMPLES = 12
_GARBLED = 0.6
_SIGNS = 0.1
_ALL_ACCENTED = 0.4  # of all characters: no language has so many
_ACCENTED = re.compile("[\u00a1-\u024f]")
_MANY_LETTERS = 40
_FEW_VOWELS = 0.2
_NO_LETTERS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ue000-\uf8ff\ufffd]")
_WIDE = re.compile("[\U00010000-\U0010ffff]")
_WORD = re.compile(r"[^\W\d_]{3}")


class Box(NamedTuple):
    """The place of a character, in points, with the height of its font."""

    left: float
    bottom: float
    right: float
    top: float

    @property
    def height(self) -> float:
        """Never 0."""
        return max(self.top - self.bottom, 0.1)

    def shares_a_row_with(self, other: Box) -> bool:
        """They overlap in height."""
        common = min(self.top, other.top) - max(self.bottom, other.bottom)
        return common >= _SAME_ROW * min(self.height, other.height)


class Layout:
    """The places of the characters of one page; `text` as PDFium gave it, lines parted by CR LF."""

    def __init__(self, textpage: Any, text: str) -> None:
        self._textpage = textpage
        self._rect = pdfium.FS_RECTF()
        self._wide = not text.isascii() and _WIDE.search(text) is not None
        self.text = text

    def box(self, offset: int) -> Box | None:
        """The place of a character of the text; None where it has none."""
        index = self.index(offset)
        if index < 0 or not pdfium.FPDFText_GetLooseCharBox(self._textpage, index, self._rect):
            return None
        rect = self._rect
        return Box(rect.left, rect.bottom, rect.right, rect.top)

    def index(self, offset: int) -> int:
        """The number that PDFium gives a character."""
        if self._wide:  # it counts UTF-16 units
            offset = len(self.text[:offset].encode("utf-16-le", "surrogatepass")) // 2
        return int(pdfium.FPDFText_GetCharIndexFromTextIndex(self._textpage, offset))

    def is_garbled(self) -> bool:
        """The fonts of most characters do not say which letters they are: what looks like text is glyph numbers."""
        step = max(len(self.text) // _SAMPLES, 1)
        sampled = [self.index(at) for at in range(0, len(self.text), step) if not self.text[at].isspace()]
        errors = sum(pdfium.FPDFText_HasUnicodeMapError(self._textpage, index) == 1 for index in sampled)
        return bool(sampled) and errors >= _GARBLED * len(sampled) and _is_gibberish(self.text)


def _is_gibberish(text: str) -> bool:
    """It is made of signs that are no letters, or of letters that make no words. Drawn fonts may be readable."""
    signs = len(_NO_LETTERS.findall(text))
    letters = [letter for letter in text.lower() if "a" <= letter <= "z"]
    vowels = sum(letter in "aeiouy" for letter in letters)
    no_words = len(letters) >= _MANY_LETTERS and vowels < _FEW_VOWELS * len(letters)
    accented = len(_ACCENTED.findall(text))
    return no_words or signs >= _SIGNS * len(text) or accented >= _ALL_ACCENTED * len(text)


def joined_rows(layout: Layout) -> str:
    """The text with raised and lowered signs on the line where they stand, and lines painted twice given once."""
    lines = layout.text.split(NEWLINE)
    parts = [lines[0]]
    at = 0  # where the line before begins
    for before, line in pairwise(lines):
        start = at + len(before) + len(NEWLINE)
        if before == line and _is_painted_over(layout, at, start, line):
            pass
        elif _may_be_raised(before, line) and _touch(layout, start - len(NEWLINE) - 1, start):
            parts.append(line)
        else:
            parts.append(NEWLINE + line)
        at = start
    return "".join(parts)


def _may_be_raised(before: str, line: str) -> bool:
    return bool(before and line and (_RAISED.fullmatch(line) or _RAISED.fullmatch(before)))


def _touch(layout: Layout, last: int, first: int) -> bool:
    """Two characters stand side by side, closer than words do."""
    one, other = layout.box(last), layout.box(first)
    if one is None or other is None or not one.shares_a_row_with(other):
        return False
    return abs(other.left - one.right) < _TOUCH * max(one.height, other.height)


def _is_painted_over(layout: Layout, start: int, again: int, line: str) -> bool:
    """Two equal lines stand on nearly the same place: that is how some programs print bold."""
    if not _WORD.search(line):
        return False
    one, other = layout.box(start), layout.box(again)
    if one is None or other is None:
        return False
    near = _PAINTED_TWICE * one.height
    return abs(one.left - other.left) < near and abs(one.bottom - other.bottom) < near
