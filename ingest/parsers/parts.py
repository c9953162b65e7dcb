"""Text too large for one document: consecutive parts, each of which names its whole.

The file is decoded as it is read, so no more than a part of it is in memory. A part ends at the end of a line, and is
known by its content: where a log has grown, all parts but the last are what they were.
"""

from __future__ import annotations

import codecs
import hashlib
import io
from collections.abc import Iterator
from pathlib import Path

from ingest.identity import name_words
from ingest.parsers.text import SAMPLE, guess, marked_encoding
from ingest.types import Parsed

PART_CHARACTERS = 4_000_000
_BLOCK_BYTES = 1 << 20
_BEFORE = 1 << 10


def parse_parts(
    path: Path, *, part_characters: int = PART_CHARACTERS, media_type: str = "text/plain"
) -> Iterator[Parsed]:
    """The file as a document for each part, with `whole` (the file's name) and `part` (from 1) as metadata.

    Raises:
        UnsupportedFormat: it is no text at all.
    """
    encoding, is_guess = _encoding_of(path)
    for number, text in enumerate(_parts(_decoded(path, encoding), part_characters), start=1):
        yield Parsed(
            text=text,
            media_type=media_type,
            title=f"{name_words(path.name)}, part {number}",
            metadata={"whole": path.name, "part": number},
            warnings=("encoding",) if is_guess and number == 1 else (),
            record=f"part-{number}",
            content_hash=hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest(),
        )


def _encoding_of(path: Path) -> tuple[str, bool]:
    """The encoding, and whether it had to be guessed; for UTF-8 the whole file is looked at."""
    with path.open("rb") as file:
        sample = file.read(SAMPLE)
    if encoding := marked_encoding(sample):
        return encoding, False
    decoder = codecs.getincrementaldecoder("utf-8")()
    for block in _blocks(path):
        try:
            decoder.decode(block)
        except UnicodeDecodeError as error:  # the text around the first such byte says more than the beginning
            return guess(block[max(0, error.start - _BEFORE) :]), True
    return "utf-8", False


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            yield block


def _decoded(path: Path, encoding: str) -> Iterator[str]:
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder(encoding)("replace"), translate=True)
    for block in _blocks(path):
        yield decoder.decode(block)
    yield decoder.decode(b"", final=True)


def _parts(blocks: Iterator[str], characters: int) -> Iterator[str]:
    held = ""
    for block in blocks:
        held += block
        while len(held) > characters:
            end = _end_of_part(held, characters)
            yield held[:end]
            held = held[end:]
    if held:
        yield held


def _end_of_part(text: str, characters: int) -> int:
    """Behind the last line that fits, or, in a line longer than a part, behind the last word."""
    for border in ("\n", " "):
        found = text.rfind(border, 0, characters)
        if found >= 0:
            return found + 1
    return characters
