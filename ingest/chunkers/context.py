"""What a chunk read alone would lack: the document's title, the words of its file name, the headings above it.

Inside a page it also lacks how the page begins: the statement's name, the table's caption, the unit of its numbers, but
not the running header, which says the same on every page. On 31 annual reports the share of questions whose page is
among the first ten results of a hybrid search is 0.67 without the first lines, 0.67 with, and 0.73 with them but the
running header.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from itertools import islice

from ingest.identity import name_words
from retrievers.types import Document, Heading

RECORDS = "application/x-ndjson"
"""Media type of records: the name of their file says nothing about one of them."""
_TITLE = 160  # characters: the context shares the embedder's window with the text
_PATH = 120
_HEADING = 80
_PAGE_HEAD = 100
_PAGE_LINES = 3
_PAGE_TOP = 600  # characters of a page that are looked at for its first lines
_LEAST_LINE = 4  # characters: a page number, a bullet or a rule is not how a page begins
_RUNNING_SHARE = 0.15  # of the pages, and
_RUNNING_PAGES = 4  # pages at least: a line on so many, numbers aside, is a running header
_NUMBER = re.compile(r"\d+")


class Contexts:
    """The contexts of one document's chunks."""

    def __init__(self, document: Document) -> None:
        self._head = _head(document)
        self._headings = document.headings
        self._starts = [heading.start for heading in document.headings]
        self._paths = _paths(document.headings, document.title)
        self._text, self._pages = document.text, document.pages
        self._running = _running_lines(document)

    def at(self, start: int) -> str:
        """The context of a chunk that starts here."""
        above = bisect_right(self._starts, start)
        path = self._paths[above - 1] if above else ""
        return "\n".join(filter(None, (self._head, path, self._page_head(start))))

    def _page_head(self, start: int) -> str:
        """The first lines of the page, for a chunk that does not begin with them."""
        page = bisect_right(self._pages, start) - 1
        if page < 0 or not self._text[self._pages[page] : start].strip():
            return ""
        top = self._text[self._pages[page] : min(start, self._pages[page] + _PAGE_TOP)]
        lines = (line for line in _lines(top) if _numberless(line) not in self._running)
        return " ".join(islice(lines, _PAGE_LINES))[:_PAGE_HEAD]


def _running_lines(document: Document) -> frozenset[str]:
    """Lines, without their numbers, that stand at the top of many pages."""
    if len(document.pages) < _RUNNING_PAGES:
        return frozenset()
    found: Counter[str] = Counter()
    for start, end in zip(document.pages, (*document.pages[1:], len(document.text)), strict=True):
        found.update({_numberless(line) for line in _lines(document.text[start : min(end, start + _PAGE_TOP)])})
    least = max(_RUNNING_PAGES, _RUNNING_SHARE * len(document.pages))
    return frozenset(line for line, pages in found.items() if pages >= least)


def _lines(text: str) -> Iterator[str]:
    return (line for line in map(str.strip, text.splitlines()) if len(line) >= _LEAST_LINE)


def _numberless(line: str) -> str:
    return _NUMBER.sub("0", line.casefold())


def _head(document: Document) -> str:
    title = document.title[:_TITLE].strip()
    words = name_words(str(document.metadata.get("name", "")))
    if document.media_type == RECORDS or not words or set(_words(words)) <= set(_words(title)):
        return title
    return f"{title} - {words[:_TITLE]}" if title else words[:_TITLE]


def _words(text: str) -> list[str]:
    return text.lower().split()


def _paths(headings: tuple[Heading, ...], title: str) -> list[str]:
    """For each heading, it and those above it (`Part I > Item 7 > Liquidity`), cut to its deep end; not the title."""
    stack: list[Heading] = []
    paths = []
    for heading in headings:
        while stack and stack[-1].level >= heading.level:
            stack.pop()
        stack.append(heading)
        paths.append(_path([entry.title[:_HEADING].strip() for entry in stack if entry.title != title]))
    return paths


def _path(titles: list[str]) -> str:
    path = ""
    for title in reversed(titles):
        longer = f"{title} > {path}" if path else title
        if len(longer) > _PATH:
            break
        path = longer
    return path
