"""Plain text, and the decoding of bytes that all text formats share."""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ingest.errors import UnsupportedFormat
from ingest.types import DEFAULT_OPTIONS, Parsed, ParserOptions

_BOMS = (  # UTF-32 before UTF-16: its mark begins with the other's
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
WHOLE_BYTES = 64_000_000
"""A larger text comes in parts: neither a process nor a reader has use for it in one piece."""
SAMPLE = 64 << 10
"""Bytes of the beginning that tell whether it is text, and its encoding."""
_CONTROLS = re.compile(rb"[\x00-\x07\x0e-\x1a\x1c-\x1f\x7f]")
_JUNK = 0.04  # share of control characters above which it is no text: of random bytes it is 0.11
_DAMAGE = 10  # one bad byte for so many good characters beyond ASCII: it is UTF-8, and damaged
_USUAL = "cp1252"  # what western text is in, where others fit as well
_CLEAN = 0.06  # of a guess: how much of it looks wrong
_NEAR = 0.05  # of a guess: how much less it looks like a language than the best
_LEAST_LETTERS = 16  # different ones, that show whether two bytes are one
_NOT_WRITTEN = frozenset(["Cc", "Cn", "Co", "Cs"])  # categories of characters that no text has
_NULS = 0.2  # share of zero bytes above which Latin text is UTF-16 without a mark


class Decoded(NamedTuple):
    """Text with newlines as LF, and whether its encoding had to be guessed."""

    text: str
    is_guess: bool

    @property
    def warnings(self) -> tuple[str, ...]:
        """As in `Parsed.warnings`."""
        return ("encoding",) if self.is_guess else ()


def parse(path: Path, options: ParserOptions = DEFAULT_OPTIONS) -> Iterator[Parsed]:
    """The file as one document, or in parts where it is larger than `WHOLE_BYTES`."""
    if path.stat().st_size > WHOLE_BYTES:
        from ingest.parsers.parts import parse_parts

        yield from parse_parts(path)
        return
    decoded = decode(path.read_bytes())
    yield Parsed(text=decoded.text, media_type="text/plain", warnings=decoded.warnings)


def decode(content: bytes) -> Decoded:
    """Bytes to text: by byte order mark, as UTF-8, else by statistics.

    Raises:
        UnsupportedFormat: it is no text at all.
    """
    encoding = encoding_of(content)
    is_guess = encoding is None
    text = content.decode(encoding or guess(content), "replace")
    return Decoded(normalised(text), is_guess)


def normalised(text: str) -> str:
    """The text with newlines as LF and without a byte order mark."""
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def encoding_of(content: bytes) -> str | None:
    """The encoding where it is beyond doubt, else None.

    Raises:
        UnsupportedFormat: it is no text at all.
    """
    if encoding := marked_encoding(content[:SAMPLE]):
        return encoding
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return "utf-8"


def marked_encoding(sample: bytes) -> str:
    """The encoding that the beginning of a file leaves no doubt of, "" where it may be any that is like ASCII.

    Raises:
        UnsupportedFormat: it is no text at all.
    """
    for bom, encoding in _BOMS:
        if sample.startswith(bom):
            return encoding
    if sample.count(0) > _NULS * len(sample):
        return _utf16_without_mark(sample)
    if len(_CONTROLS.findall(sample)) <= _JUNK * len(sample):
        return ""
    for encoding in ("utf-16-le", "utf-16-be"):
        if _is_written(sample, encoding):
            return encoding
    raise UnsupportedFormat("it holds binary data, whatever its name says")


def _is_written(sample: bytes, encoding: str) -> bool:
    """Whether it is text of a script other than Latin, two bytes a character: an eighth of random pairs are none."""
    text = sample[: len(sample) // 2 * 2].decode(encoding, "replace")
    odd = (unicodedata.category(character) in _NOT_WRITTEN and not character.isspace() for character in text)
    return len(set(text)) >= _LEAST_LETTERS and "\ufffd" not in text[:-1] and not any(odd)


def _utf16_without_mark(sample: bytes) -> str:
    high, low = sample[::2].count(0), sample[1::2].count(0)
    encoding = "utf-16-be" if high > low else "utf-16-le"
    text = sample[: len(sample) // 2 * 2].decode(encoding, "replace")
    odd = sum((character < " " and not character.isspace()) or character == "\ufffd" for character in text)
    if min(high, low) > _JUNK * len(sample) or odd > _JUNK * len(text):
        raise UnsupportedFormat("it holds binary data, whatever its name says")
    return encoding


def guess(content: bytes) -> str:
    """The most likely encoding of text that is not quite UTF-8, by statistics of its beginning."""
    sample = content[:SAMPLE].decode("utf-8", "replace")
    if _DAMAGE * sample.count("\ufffd") < sum(not character.isascii() for character in sample):
        return "utf-8"
    from charset_normalizer import from_bytes

    found = from_bytes(content[:SAMPLE])
    best = found.best()
    if best is None:
        return _USUAL
    for match in found:
        is_near = match.chaos <= _CLEAN and match.coherence >= best.coherence - _NEAR
        if is_near and _USUAL in match.could_be_from_charset:
            return _USUAL
    return best.encoding


def known(encoding: str) -> str | None:
    """The name of an encoding that a file declares, None where there is no such encoding of text."""
    try:
        "".encode(encoding)
    except (LookupError, ValueError):
        return None
    return encoding
