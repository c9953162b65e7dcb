"""MinHash sketches: how much of their words two documents share, told from some 260 bytes of each.

A sketch is made of a text alone, so whatever follows from sketches follows from what the documents say and not from
the order in which they came. Words are compared in runs of three. Numbers count on their own: two texts with other
numbers are two versions that contradict each other, however alike they are, and never near-duplicates.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator
from hashlib import blake2b
from typing import Final

SIMILAR: Final = 0.9
"""Estimated share of runs of words that near-duplicates have in common (Jaccard)."""

FEWEST_WORDS: Final = 20
"""Shorter texts have no sketch: a greeting or an empty form says nothing about what it came with."""

_HASHES: Final = 128
BANDS: Final = 8
"""Buckets that a sketch is put in."""
_BAND_HASHES: Final = 8  # two sketches of .9 meet in one of 8 bands of 8 with a probability of .99, of .5 with .03
_RUN: Final = 3
_SLICE: Final = 1 << 20  # characters looked at a time, so that a text of any length costs the same memory
_NUMBERS_BYTES: Final = 8

_WORD: Final = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")
_VERDICTS: Final = frozenset(
    [
        *("not", "no", "none", "never", "without", "cannot", "yes", "true", "false", "valid", "invalid", "void"),
        *("approved", "rejected", "accepted", "refused", "denied", "granted", "declined", "confirmed", "cancelled"),
        *("canceled", "passed", "failed", "guilty", "acquitted", "increase", "decrease", "increased", "decreased"),
        *("nicht", "kein", "keine", "keinen", "nie", "ohne", "ja", "nein", "genehmigt", "abgelehnt", "angenommen"),
        *("bewilligt", "verweigert", "gültig", "ungültig", "bestanden", "ne", "pas", "jamais", "sans", "nunca", "sin"),
    ]
)
"""Words by which two texts contradict each other, however alike they are; they count as numbers do."""

_NUMBER: Final = re.compile(r"\d+(?:[.,:/-]\d+)*")


def sketch_of(text: str) -> bytes:
    """The sketch of a text: its numbers as a sum of hashes, and the smallest hashes of its runs of words.

    Returns:
        b"" for a text that is too short to be compared.
    """
    import rensa

    minhash = rensa.RMinHash(num_perm=_HASHES, seed=1)
    numbers = words = 0
    carried: list[str] = []
    for part in _slices(text):
        found = _WORD.findall(part.lower())
        words += len(found)
        numbers += sum(_hash(word) for word in found if word in _VERDICTS)
        found = carried + found
        minhash.update([" ".join(run) for run in zip(*(found[i:] for i in range(_RUN)), strict=False)])
        carried = found[1 - _RUN :]
        numbers += sum(_hash(number) for number in _NUMBER.findall(part))
    if words < FEWEST_WORDS:
        return b""
    hashes = array("H", (value & 0xFFFF for value in minhash.digest()))
    return (numbers % (1 << 8 * _NUMBERS_BYTES)).to_bytes(_NUMBERS_BYTES, "big") + hashes.tobytes()


def are_similar(one: bytes, other: bytes) -> bool:
    """Whether two documents are near-duplicates."""
    if one[:_NUMBERS_BYTES] != other[:_NUMBERS_BYTES]:
        return False
    pairs = zip(_hashes_of(one), _hashes_of(other), strict=True)
    return sum(a == b for a, b in pairs) >= SIMILAR * _HASHES


def buckets_of(sketch: bytes) -> list[int]:
    """Numbers (signed, 64 bits) of which two similar sketches have one in common, almost certainly."""
    hashes = _hashes_of(sketch)
    return [
        int.from_bytes(
            blake2b(
                hashes[band * _BAND_HASHES : (band + 1) * _BAND_HASHES].tobytes(),
                digest_size=8,
                key=sketch[:_NUMBERS_BYTES],
                salt=bytes([band]),
            ).digest(),
            "big",
            signed=True,
        )
        for band in range(BANDS)
    ]


def _slices(text: str) -> Iterator[str]:
    """The text in pieces that end between words."""
    begin = 0
    while begin < len(text):
        end = begin + _SLICE
        while end < len(text) and not text[end].isspace() and end < begin + 2 * _SLICE:
            end += 1
        yield text[begin:end]
        begin = end


def _hashes_of(sketch: bytes) -> array[int]:
    return array("H", sketch[_NUMBERS_BYTES:])


def _hash(number: str) -> int:
    return int.from_bytes(blake2b(number.encode(), digest_size=_NUMBERS_BYTES).digest(), "big")
