"""Find the passage of a text that matches a query: where its words stand densest, cut at sentences and lines."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

LENGTH: Final = 300
"""Characters of a passage, about."""

_MOST_MATCHES: Final = 40
"""Of one word in one text; where it stands more often, the first ones are enough to choose by."""

_LONGEST_ENDING: Final = 5
"""Letters that a word may have beyond its stem."""

_BOUNDARY: Final = re.compile(r"[.!?…]\s+|\n+|[。\uff01\uff1f]")
_ACCENTED: Final = re.compile("[\u00c0-\u017f]")
_LATIN_EXTENDED: Final = re.compile("[\u0100-\u017f]")
_BEYOND_LATIN_1: Final = re.compile("[^\u0000-\u00ff]")


def fold(text: str) -> str:
    """Lowercase, accents off Latin letters, length kept."""
    lowered = _lower(text)
    return lowered if lowered.isascii() else _ACCENTED.sub(_bare, lowered)


def _lower(text: str) -> str:
    lowered = text.lower()
    if len(lowered) == len(text):
        return lowered
    return "".join(c.lower() if len(c.lower()) == 1 else c for c in text)


def _bare(match: re.Match[str]) -> str:
    if match[0] == "ß":
        return "s"
    return unicodedata.normalize("NFD", match[0])[0]


_WORDS: Final = bytes(
    ord(folded) if (folded := fold(chr(code))).isalnum() and ord(folded) < 256 else ord(" ") for code in range(256)
)
"""Latin-1 lowercased, without accents; what is in no word is a space."""


@dataclass(frozen=True, slots=True)
class Sought:
    """What a passage should hold: the beginning of a word (or a whole phrase), lowercased and without accents."""

    prefix: str
    weight: float = 1.0
    anywhere: bool = False
    """Also within a word: for scripts that do not separate words, and phrases."""
    needle: bytes | None = field(init=False, compare=False, repr=False)
    """What is looked for in a text as `_as_bytes` makes it; None where the script is another one."""

    def __post_init__(self) -> None:
        letters = None if _BEYOND_LATIN_1.search(self.prefix) else self.prefix.encode("latin-1").translate(_WORDS)
        needle = letters if letters is None or self.anywhere else b" " + letters
        object.__setattr__(self, "needle", needle)


def sought(word: str, stem: str, weight: float = 1.0) -> Sought:
    """What to look for so that a word is found in all its forms, given its stem."""
    folded = fold(word)
    common = 0
    while common < min(len(folded), len(stem)) and folded[common] == stem[common]:
        common += 1
    if common > 3 and folded[common - 1] == "i" and common < len(folded):  # studies, study
        common -= 1
    return Sought(folded[:common] if common >= 2 else folded, weight)


class Readied:
    """A text in which words are looked for more than once: what that needs is made once."""

    __slots__ = ("_folded", "_is_beyond_bytes", "data", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.data = _as_bytes(text)
        self._is_beyond_bytes = not text.isascii() and _LATIN_EXTENDED.search(text) is not None
        self._folded = ""

    def folded(self) -> str:
        """The text as `fold` makes it."""
        if not self._folded:
            self._folded = fold(self.text)
        return self._folded

    def holds(self, each: Sought) -> bool:
        """Whether a word begins, or a phrase stands, in the text."""
        if each.needle and each.needle in self.data:
            return True
        return self._may_hold(each) and each.prefix in self.folded()

    def slowly(self, each: Sought) -> list[tuple[int, int]]:
        """Where it stands though the bytes do not hold it."""
        return _occurrences(self.folded(), each) if self._may_hold(each) else []

    def _may_hold(self, each: Sought) -> bool:
        """Whether it may stand there though the bytes do not hold it."""
        return self._is_beyond_bytes or (each.needle is None and not self.text.isascii())


def passage(text: str | Readied, wanted: Sequence[Sought], *, length: int = LENGTH) -> tuple[int, int]:
    """Start and end of the passage of a text that matches best: its beginning where nothing does."""
    ready = text if isinstance(text, Readied) else Readied(text)
    matches = _matches(ready, wanted)
    if not matches:
        return _cut(ready.text, 0, 0, length)
    first, last = _densest(matches, wanted, length)
    return _cut(ready.text, first, last, length)


def folded_whitespace(text: str) -> str:
    """A passage on one line."""
    return " ".join(text.split())


def _matches(ready: Readied, wanted: Sequence[Sought]) -> list[tuple[int, int, int]]:
    """Start, end and number in `wanted` of each match, in order of start.

    Nearly all words are looked for in bytes: one walk lowercases, takes accents off and makes every word begin behind
    a space. Other scripts, and letters that Latin-1 lacks, go the slower way.
    """
    found = [_in_bytes(ready.data, each) for each in wanted]
    if not all(found) and not ready.text.isascii():
        found = [places or ready.slowly(each) for places, each in zip(found, wanted, strict=True)]
    return sorted((start, end, number) for number, places in enumerate(found) for start, end in places)


def _as_bytes(text: str) -> bytes:
    return b" " + text.encode("latin-1", "replace").translate(_WORDS) + b" "


def _in_bytes(data: bytes, each: Sought) -> list[tuple[int, int]]:
    needle = each.needle
    if not needle or needle == b" ":
        return []
    size = len(each.prefix)
    lead = len(needle) - size  # the space before a word
    ending = 1 + (_LONGEST_ENDING if size > 3 else 1)
    places: list[tuple[int, int]] = []
    at = data.find(needle)
    while at >= 0 and len(places) < _MOST_MATCHES:
        end = at + len(needle)
        if each.anywhere or data.find(b" ", end, end + ending) >= 0:
            start = at + lead - 1
            places.append((start, start + size))
        at = data.find(needle, end)
    return places


def _occurrences(text: str, each: Sought) -> list[tuple[int, int]]:
    prefix, size = each.prefix, len(each.prefix)
    places: list[tuple[int, int]] = []
    at = text.find(prefix) if prefix else -1
    while at >= 0 and len(places) < _MOST_MATCHES:
        if each.anywhere or ((at == 0 or not text[at - 1].isalnum()) and _ends_soon(text, at + size, size)):
            places.append((at, at + size))
        at = text.find(prefix, at + size)
    return places


def _ends_soon(text: str, at: int, size: int) -> bool:
    ending = _LONGEST_ENDING if size > 3 else 1
    rest = text[at : at + ending + 1]
    return len(rest) <= ending or not rest.isalnum()


def _densest(matches: list[tuple[int, int, int]], wanted: Sequence[Sought], length: int) -> tuple[int, int]:
    """First and last character of the matches in the window that holds the most weight."""
    counts = [0] * len(wanted)
    best, best_span = -1.0, (0, 0)
    weight, begin = 0.0, 0
    for start, end, number in matches:
        weight += wanted[number].weight * (1.0 if counts[number] == 0 else 0.1)
        counts[number] += 1
        while end - matches[begin][0] > length and matches[begin][0] < start:
            gone = matches[begin][2]
            counts[gone] -= 1
            weight -= wanted[gone].weight * (1.0 if counts[gone] == 0 else 0.1)
            begin += 1
        if weight > best + 1e-9:
            best, best_span = weight, (matches[begin][0], end)
    return best_span


def _cut(text: str, first: int, last: int, length: int) -> tuple[int, int]:
    """A span of about `length` characters around matches, on sentence, line or word borders."""
    spare = max(length - (last - first), 0)
    start = _start(text, first, max(first - spare // 2, 0))
    limit = min(max(start + length, last), len(text))
    end = limit if limit == len(text) else _end(text, last, limit)
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


def _start(text: str, first: int, earliest: int) -> int:
    if earliest == 0:
        return 0
    boundary = _BOUNDARY.search(text, earliest - 1, first)
    if boundary:
        return boundary.end()
    space = text.find(" ", earliest, first)
    return space + 1 if space >= 0 else earliest


def _end(text: str, last: int, limit: int) -> int:
    begin = max(last, limit - LENGTH // 2) - 1
    ends = [found.start() + (found[0][0] != "\n") for found in _BOUNDARY.finditer(text, max(begin, 0), limit)]
    if ends and ends[-1] > last:
        return ends[-1]
    space = text.rfind(" ", last, limit)
    return space if space > last else limit
