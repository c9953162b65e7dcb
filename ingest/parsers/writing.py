"""Writes a document's text piece by piece, with lines, headings and table rows where a reader expects them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from retrievers.types import Heading

_SPACES = re.compile(r"\s+")
CELL = " | "


class TextWriter:
    """Collects text. Runs of whitespace become one space, and never more than one blank line stands between lines."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = 0
        self._newlines = 2  # at the end of what is written; as if after a blank line at the beginning
        self._space = False
        self._headings: list[Heading] = []
        self._begun: list[int] = []  # for each heading, how many parts were written before it
        self._pages: list[int] = []

    def write(self, text: str) -> None:
        """Running text, its whitespace folded."""
        folded = _SPACES.sub(" ", text)
        words = folded.strip(" ")
        if not words:
            self._space = self._space or bool(folded)
            return
        if (self._space or folded[0] == " ") and not self._newlines:
            self._put(" ")
        self._put(words)
        self._newlines = 0
        self._space = folded[-1] == " "

    def verbatim(self, text: str) -> None:
        """Text whose lines and spaces count, as in a listing."""
        if text.strip():
            self._put(text)
            self._newlines = len(text) - len(text.rstrip("\n"))
            self._space = False

    def line(self) -> None:
        """What follows begins a line."""
        self._break(1)

    def paragraph(self) -> None:
        """What follows stands after a blank line."""
        self._break(2)

    def row(self, cells: Sequence[str], header: Sequence[str] = ()) -> None:
        """A table row as a line: `cell | cell`, or `header: cell | …` where there is a header for each cell."""
        self.line()
        self.write(row_text(cells, header))
        self.line()

    def heading(self, level: int) -> int:
        """Begin a heading; pass what this returns to `end_heading`."""
        self.paragraph()
        self._headings.append(Heading(title="", level=level, start=self._length))
        self._begun.append(len(self._parts))
        return len(self._headings) - 1

    def end_heading(self, number: int) -> None:
        """End a heading: what was written since is its title."""
        begun = self._headings[number]
        title = _SPACES.sub(" ", "".join(self._parts[self._begun[number] :])).strip()
        self._headings[number] = Heading(title=title, level=begun.level, start=begun.start)
        self.paragraph()

    def page(self) -> None:
        """What follows begins a page."""
        if self._length:
            self.paragraph()
        self._pages.append(self._length)

    @property
    def pages(self) -> tuple[int, ...]:
        """Where pages begin."""
        return tuple(self._pages)

    @property
    def text(self) -> str:
        """All that is written."""
        return "".join(self._parts)

    @property
    def headings(self) -> tuple[Heading, ...]:
        """The headings that have a title."""
        return tuple(heading for heading in self._headings if heading.title)

    def _put(self, text: str) -> None:
        self._parts.append(text)
        self._length += len(text)

    def _break(self, newlines: int) -> None:
        if newlines > self._newlines:
            self._put("\n" * (newlines - self._newlines))
            self._newlines = newlines
        self._space = False


def row_text(cells: Sequence[str], header: Sequence[str] = ()) -> str:
    """A table row as one line; empty cells are left out where a header names the others."""
    folded = [_SPACES.sub(" ", cell).strip() for cell in cells]
    if not header:
        return CELL.join(folded).strip(" |")
    names = [_SPACES.sub(" ", name).strip() for name in header[: len(folded)]]
    names += [""] * (len(folded) - len(names))
    return CELL.join(f"{name}: {cell}" if name else cell for name, cell in zip(names, folded, strict=True) if cell)
