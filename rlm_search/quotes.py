"""Finding a quote in a text: letter by letter, but for whitespace, hyphenation, quotation marks, dashes, ligatures.

A quote becomes a regular expression over the text as it stands, so that what is found is the exact span, with no map
back from a normalised copy, and at the speed of `re`: a few milliseconds for a report of 500 pages.
"""

# ruff: noqa: RUF001 -- characters that look alike are what this file is about

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter, deque
from collections.abc import Sequence
from functools import lru_cache

MIN_CHARACTERS = 8
MIN_WORDS = 2
MAX_CHARACTERS = 1_000

_LIGATURES = {"ffi": "ﬃ", "ffl": "ﬄ", "ff": "ﬀ", "fi": "ﬁ", "fl": "ﬂ", "st": "ﬆ", "ſt": "ﬅ", "ij": "ĳ", "IJ": "Ĳ"}
_ALIKE = (
    "'‘’‚‛′`´",
    '"“”„‟″«»',
    "-‐‑‒–—―−",
    "·•∙",
)
_CLASS = {character: f"[{re.escape(group)}]" for group in _ALIKE for character in group}
_ELLIPSIS = r"(?:…|\.\s?\.\s?\.)"
# Between two letters of a word: a soft hyphen, or a hyphen at the end of a line. Possessive, so that it is linear.
_BREAK = r"(?:\u00ad\s*+|[-‐][^\S\n]*+\n\s*+)?+"
_HYPHENATED = re.compile(r"(?<=[^\W\d_])[-‐][^\S\n]*\n\s*(?=[^\W\d_])")
_WORD = re.compile(r"\w+")
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")


def is_long_enough(quote: str) -> bool:
    """Whether a quote says enough to be looked for: 8 characters, or 2 words; 4 where they are Chinese or kana."""
    text = quote.strip()
    needed = 4 if _CJK.search(text) else MIN_CHARACTERS
    return sum(c.isalnum() for c in text) >= 2 and (len(text) >= needed or len(text.split()) >= MIN_WORDS)


def find(quote: str, text: str, start: int = 0, end: int | None = None) -> tuple[int, int] | None:
    """The first span of `text[start:end]` that is this quote, or None.

    Whitespace of any kind and length is one; words hyphenated at the end of a line are whole; quotation marks,
    dashes, ligatures and composed letters match their other forms. Case counts.
    """
    pattern = _pattern(quote.strip())
    found = pattern.search(text, start, len(text) if end is None else end)
    return found.span() if found else None


def closest(quote: str, text: str, *, length: int = 300) -> tuple[int, int] | None:
    """The span of the text that shares most words with the quote, about as long as it; None if it shares none.

    Words that are rare in the text count more. Linear in the length of the text.
    """
    wanted = {word.casefold() for word in _WORD.findall(quote)}
    places = [(m.start(), m.group().casefold()) for m in _WORD.finditer(text) if m.group().casefold() in wanted]
    if not places:
        return None
    best = _densest(places, reach=min(max(2 * len(quote), 80), length))
    return _to_words(text, max(best[0] - 20, 0), min(max(best[1] + 60, best[0] + len(quote)), len(text)))


def _densest(places: Sequence[tuple[int, str]], *, reach: int) -> tuple[int, int]:
    """The stretch of at most `reach` characters with the most, and the rarest, different words."""
    counts = Counter(word for _, word in places)
    worth = {word: math.log(1 + len(places) / count) for word, count in counts.items()}
    window: deque[tuple[int, str]] = deque()
    inside: Counter[str] = Counter()
    best, most, weight = (places[0][0], places[0][0]), 0.0, 0.0
    for position, word in places:
        window.append((position, word))
        inside[word] += 1
        weight += worth[word] if inside[word] == 1 else 0.0
        while position - window[0][0] > reach:
            _, left = window.popleft()
            inside[left] -= 1
            weight -= worth[left] if inside[left] == 0 else 0.0
        if weight > most + 1e-9:
            best, most = (window[0][0], position + len(word)), weight
    return best


def _to_words(text: str, start: int, end: int) -> tuple[int, int]:
    """Widen a span to whole words, by no more than 30 characters each way."""
    while start > 0 and text[start - 1].isalnum() and end - start < 1_000:
        start -= 1
    while end < len(text) and text[end].isalnum() and end - start < 1_000:
        end += 1
    return start, end


@lru_cache(maxsize=256)
def _pattern(quote: str) -> re.Pattern[str]:
    words = unicodedata.normalize("NFC", _unligatured(quote)).split()
    return re.compile(r"\s++".join(_word(word) for word in words))


def _unligatured(text: str) -> str:
    for letters, ligature in _LIGATURES.items():
        text = text.replace(ligature, letters)
    return _HYPHENATED.sub("", text.replace("\u00ad", "").replace("…", "..."))


def _word(word: str) -> str:
    """One word as a pattern: its pieces, with a hyphenation allowed between two letters."""
    pieces: list[str] = []
    position = 0
    while position < len(word):
        piece, length = _piece(word, position)
        pieces.append(piece)
        following = word[position + length : position + length + 1]
        pieces.append(_joint(word[position + length - 1], following))
        position += length
    return "".join(pieces)


def _joint(before: str, after: str) -> str:
    if not after:
        return ""
    if before.isalpha() and after.isalpha():
        return r"\s*+" if _CJK.match(before) or _CJK.match(after) else _BREAK
    return r"\s*+" if before in _ALIKE[2] else ""  # `long-term` broken behind its own hyphen


def _piece(word: str, position: int) -> tuple[str, int]:
    if word.startswith("...", position):
        return _ELLIPSIS, 3
    for letters, ligature in _LIGATURES.items():
        if word.startswith(letters, position):
            return f"(?:{_BREAK.join(map(re.escape, letters))}|{_partly(letters)}{ligature})", len(letters)
    character = word[position]
    if character in _CLASS:
        return _CLASS[character], 1
    decomposed = unicodedata.normalize("NFD", character)
    if decomposed != character:
        return f"(?:{re.escape(character)}|{re.escape(decomposed)})", 1
    return re.escape(character), 1


def _partly(letters: str) -> str:
    """`ffi` may also stand as `f` + `ﬁ` or `ﬀ` + `i`."""
    return {"ffi": "fﬁ|ﬀi|", "ffl": "fﬂ|ﬀl|"}.get(letters, "")
