"""Cut a text into atoms: the smallest pieces that a chunk is made of, each with its tokens and the border behind it.

Borders stand where a word ends, so the tokens of a run of atoms are the sum of theirs. The text is tokenised in
pieces, a batch of them at a time: memory does not grow with the text.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Collection, Iterator, Mapping
from enum import IntEnum
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from retrievers.embedders.tokenizer import encodable

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

PIECE = 2_400
"""Characters of an atom, and of a chunk without its whitespace, at most: a word of 100 letters and more is one token,
so tokens alone bound nothing."""
_LEAST = PIECE // 2
_NEAR = 40  # tokens
_BATCH = 64  # pieces that are tokenised in one call


class Border(IntEnum):
    """What stands behind an atom; higher is a better place to cut."""

    WORD = 0
    LINE = 1
    SENTENCE = 2
    PARAGRAPH = 3
    SECTION = 4
    PAGE = 5
    FORCED = 6
    """A cut inside a word: the tokens on both sides do not add up, so no chunk goes across."""


class Atom(NamedTuple):
    """`text[start:end]`, its tokens, its characters that are not trailing whitespace, and the border at `end`."""

    start: int
    end: int
    tokens: int
    size: int
    border: Border


_STOP = re.compile(  # begins with one set of characters: the matcher skips to the next of them fast
    r"""[\n.!?\u2026\u3002\uff01\uff1f\uff0e]
        (?: (?<=\n) \s*+
          | (?<=[.!?\u2026]) (?<!\b[A-Z]\.) (?<!\b(?:No|Mr|Ms|Dr|St|vs|Nr)\.) (?<!\bMrs\.)  # no end of a sentence
            ['")\]\u2019\u201d]* \s++ (?![a-z])
          | (?<=[\u3002\uff01\uff1f\uff0e]) ['")\]\u2019\u201d\u300d\u300f\uff09]* \s*+
        )""",
    re.VERBOSE,
)
_LAST_SPACE = re.compile(r".*\s", re.DOTALL)
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u3000-\u3003\uff01\uff0c-\uff0f\uff1a-\uff1f]")


def atoms_of(
    text: str, tokenizer: Tokenizer, max_tokens: int, *, sections: Collection[int] = (), pages: Collection[int] = ()
) -> Iterator[Atom]:
    """The atoms of a text, in order and without gaps, none above `max_tokens`.

    Args:
        text: what to cut.
        tokenizer: without truncation.
        max_tokens: at least 100, the tokens of the longest word.
        sections: offsets where a heading stands.
        pages: offsets where a page begins.
    """
    borders = dict.fromkeys(sections, Border.SECTION) | dict.fromkeys(pages, Border.PAGE)
    pieces = pieces_of(text)
    while batch := list(islice(pieces, _BATCH)):
        encodings = tokenizer.encode_batch([encodable(text[a:b]) for a, b, _ in batch], add_special_tokens=False)
        for (start, end, border), encoding in zip(batch, encodings, strict=True):
            yield from _Piece(text, start, end, border, encoding, max_tokens).atoms(borders)


def pieces_of(text: str) -> Iterator[tuple[int, int, Border]]:
    """Spans of at most `PIECE` characters that end where a line or a word does, if there is such a place."""
    start, length = 0, len(text)
    while start < length:
        if length - start <= PIECE:
            yield start, length, Border.FORCED
            return
        end, border = _end_of_piece(text, start)
        yield start, end, border
        start = end


def _end_of_piece(text: str, start: int) -> tuple[int, Border]:
    least, most = start + _LEAST, start + PIECE
    newline = text.rfind("\n", least, most)
    if newline >= 0:
        return newline + 1, Border.LINE
    space = _LAST_SPACE.match(text, least, most)
    if space:
        return space.end(), Border.WORD
    for end in range(most, least, -1):
        if _HAN.match(text, end - 1):  # each of these is a word of its own
            return end, Border.WORD
    return most, Border.FORCED


class _Piece:
    """A piece of the text with its tokens."""

    def __init__(self, text: str, start: int, end: int, border: Border, encoding: Encoding, max_tokens: int) -> None:
        self._text, self._start, self._end, self._border = text, start, end, border
        self._encoding, self._offsets, self._max_tokens = encoding, encoding.offsets, max_tokens

    def atoms(self, borders: Mapping[int, Border]) -> list[Atom]:
        """Its atoms; `borders` says where in the whole text stands more than the text itself shows."""
        text, start, end, offsets = self._text, self._start, self._end, self._offsets
        atoms: list[Atom] = []
        begin, first = start, 0
        for stop in _STOP.finditer(text, start, end):
            at = stop.end()
            last = bisect_left(offsets, (at - start,), first)
            if last - first > self._max_tokens:
                begin, first = self._words(atoms, begin, first, last)
            border = borders.get(at) or _border(stop[0])
            atoms.append(Atom(begin, at, last - first, _size(text, begin, at), border))
            begin, first = at, last
        if begin < end:
            begin, first = self._words(atoms, begin, first, len(offsets))
            atoms.append(Atom(begin, end, len(offsets) - first, _size(text, begin, end), self._border))
        if self._border == Border.FORCED:
            atoms[-1] = atoms[-1]._replace(border=Border.FORCED)
        return atoms

    def _words(self, atoms: list[Atom], begin: int, first: int, last: int) -> tuple[int, int]:
        """Cut off what is too long for one atom, between words; returns where the rest begins, and its first token."""
        while last - first > self._max_tokens:
            token = self._start_of_a_word(first, first + self._max_tokens)
            at = self._start + self._offsets[token][0]
            atoms.append(Atom(begin, at, token - first, _size(self._text, begin, at), Border.WORD))
            begin, first = at, token
        return begin, first

    def _start_of_a_word(self, first: int, token: int) -> int:
        """The last token up to `token` that begins a word, one after whitespace if there is one not far before."""
        offsets, words = self._offsets, self._encoding.word_ids
        for candidate in range(token, max(first, token - _NEAR), -1):
            if offsets[candidate][0] > offsets[candidate - 1][1]:
                return candidate
        while words[token] == words[token - 1]:
            token -= 1
        return token


def _border(stop: str) -> Border:
    if stop.count("\n") > 1:
        return Border.PARAGRAPH
    return Border.LINE if stop[0] == "\n" else Border.SENTENCE


def _size(text: str, start: int, end: int) -> int:
    return len(text[start:end].rstrip())
