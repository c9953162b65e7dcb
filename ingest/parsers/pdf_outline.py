"""The outline of a PDF as headings of its text. It may be cyclic, endless or wrong: it is walked with a guard."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterator, Sequence
from typing import Any

import pypdfium2.raw as pdfium

from ingest.parsers.pdf_text import string_of
from retrievers.types import Heading

_ENTRIES = 10_000
_DEPTH = 16
_TITLE = 300  # characters
_SPACES = re.compile(r"\s+")


def outline(document: Any, text: str, starts: Sequence[int]) -> tuple[Heading, ...]:
    """The entries that lead to a page, each where its title stands on that page, else where the page begins."""
    headings = []
    after: dict[int, int] = {}  # page: where its last heading ended, since equal titles come in order
    for title, level, page in _entries(document):
        if title and 0 <= page < len(starts):
            begin = max(starts[page], after.get(page, 0))
            end = starts[page + 1] if page + 1 < len(starts) else len(text)
            at = position(title, text, begin, end)
            if at is None:
                at = _first_word(text, begin, end)
            after[page] = at
            headings.append(Heading(title=title, level=level, start=at))
    headings.sort(key=lambda heading: heading.start)
    return tuple(headings)


def has_outline(document: Any) -> bool:
    """There is at least one entry."""
    return bool(pdfium.FPDFBookmark_GetFirstChild(document, None))


def _entries(document: Any) -> Iterator[tuple[str, int, int]]:
    """Title, depth from 1, and 0-based page (-1 for none) of each entry, in order."""
    seen: set[int] = set()
    stack = [(pdfium.FPDFBookmark_GetFirstChild(document, None), 1)]
    while stack and len(seen) < _ENTRIES:
        entry, level = stack.pop()
        if not entry or (address := ctypes.addressof(entry.contents)) in seen:
            continue
        seen.add(address)
        title = _SPACES.sub(" ", string_of(pdfium.FPDFBookmark_GetTitle, entry)).strip()
        yield title[:_TITLE], level, _page(document, entry)
        stack.append((pdfium.FPDFBookmark_GetNextSibling(document, entry), level))
        if level < _DEPTH:
            stack.append((pdfium.FPDFBookmark_GetFirstChild(document, entry), level + 1))


def _page(document: Any, entry: Any) -> int:
    target = pdfium.FPDFBookmark_GetDest(document, entry)
    if not target:
        action = pdfium.FPDFBookmark_GetAction(entry)
        target = pdfium.FPDFAction_GetDest(document, action) if action else None
    return int(pdfium.FPDFDest_GetDestPageIndex(document, target)) if target else -1


def position(title: str, text: str, begin: int, end: int) -> int | None:
    """Where a title stands in a part of the text, however its words are parted; None if it does not."""
    exactly = text.find(title, begin, end)
    if exactly >= 0:
        return exactly
    words = title.split()
    found = re.compile(r"\s+".join(map(re.escape, words)), re.IGNORECASE).search(text, begin, end)
    return found.start() if found else None


def _first_word(text: str, begin: int, end: int) -> int:
    found = re.compile(r"\S").search(text, begin, end)
    return found.start() if found else begin
