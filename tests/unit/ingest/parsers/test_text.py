"""Plain text comes through whole whatever its encoding, and binary data does not come through at all."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from ingest.errors import UnsupportedFormat
from ingest.parsers.text import decode, parse

GERMAN = "Größe, Maß und Übermut: die Fähre fährt täglich über den Fluß.\n" * 5


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-le", "utf-16-be"])
def test_unicode_is_decoded_without_doubt(encoding: str) -> None:
    decoded = decode(GERMAN.encode(encoding))
    assert decoded.text == GERMAN
    assert not decoded.warnings


def test_an_older_encoding_is_guessed_and_the_guess_is_said() -> None:
    decoded = decode(GERMAN.encode("cp1252"))
    assert decoded.text == GERMAN
    assert decoded.warnings == ("encoding",)


def test_damaged_utf8_stays_utf8() -> None:
    decoded = decode(GERMAN.encode() + b"\xc3")
    assert decoded.text == GERMAN + "\ufffd"
    assert decoded.warnings == ("encoding",)


def test_newlines_of_every_kind_become_one() -> None:
    assert decode(b"a\r\nb\rc\nd").text == "a\nb\nc\nd"


@pytest.mark.parametrize(
    "content",
    [
        random.Random(1).randbytes(5_000),
        b"\0\1\2\3" * 1_000,
        bytes(5_000),
        b"text" + b"\x01" * 100,
    ],
)
def test_binary_data_is_no_text(content: bytes) -> None:
    with pytest.raises(UnsupportedFormat, match="binary data"):
        decode(content)


def test_a_text_is_one_document(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("\ufeffLine one\r\nline two".encode())
    (parsed,) = parse(path)
    assert (parsed.text, parsed.media_type, parsed.title) == ("Line one\nline two", "text/plain", "")
