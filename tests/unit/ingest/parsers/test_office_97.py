"""Word and PowerPoint 97-2003 are read for their text; what is locked is encrypted, what is damaged broken."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from ingest.errors import ParseError, UnsupportedFormat
from ingest.parsers import parser_for
from ingest.types import DEFAULT_OPTIONS, Parsed
from tests.unit.ingest.parsers.ole_files import a_record, a_word_file, an_ole


def parsed_of(folder: Path, content: bytes) -> Parsed:
    path = folder / "unnamed"
    path.write_bytes(content)
    (parsed,) = parser_for(path)(path, DEFAULT_OPTIONS)
    assert isinstance(parsed, Parsed)
    return parsed


def test_the_pieces_of_a_word_file_are_its_text(tmp_path: Path) -> None:
    content = a_word_file(b"Caf\xe9 \x96 open\r", "Порт\rsecond\x0bline\r")
    assert parsed_of(tmp_path, content).text == "Café \u2013 open\nПорт\nsecond\nline"  # noqa: RUF001


def test_its_tables_are_rows_and_its_fields_what_they_show(tmp_path: Path) -> None:
    content = a_word_file("See \x13HYPERLINK x\x14the port\x15.\rClass\x07Price\x07\x07Foot\x073\x07\x07End\r")
    assert parsed_of(tmp_path, content).text == "See the port.\n\nClass | Price\nClass: Foot | Price: 3\n\nEnd"


def test_a_word_file_with_a_password_is_encrypted(tmp_path: Path) -> None:
    with pytest.raises(ParseError) as refused:
        parsed_of(tmp_path, a_word_file("x", flags=0x0100))
    assert refused.value.kind == "encrypted"


@pytest.mark.parametrize("cut", [600, 1_500, 2_700, 5_000])
def test_one_that_ends_early_is_broken_or_read_as_far_as_it_goes(tmp_path: Path, cut: int) -> None:
    try:
        outcome = parsed_of(tmp_path, a_word_file("text " * 400)[:cut]).text[:5]
    except ParseError as refused:
        outcome = refused.kind
    assert outcome in ("broken", "text ")


def test_slides_are_pages_with_titles_and_notes(tmp_path: Path) -> None:
    def of_kind(kind: int) -> bytes:
        return a_record(0x0F9F, struct.pack("<I", kind))

    slide = a_record(0x03F3)
    outline = slide + of_kind(0) + a_record(0x0FA0, "Harbours") + of_kind(1) + a_record(0x0FA8, b"one\rtwo") + slide
    drawn = a_record(0x03EE, a_record(0x040C, a_record(0x0FA8, b"drawn"), holds=True), holds=True)
    note = a_record(0x03F1, struct.pack("<II", 256, 0)) + a_record(0x0FA0, "Slowly.")
    of_master = a_record(0x03F1, struct.pack("<II", 0, 0)) + a_record(0x0FA0, "Click to edit")
    document = a_record(0x03E8, a_record(0x0FF0, outline, holds=True), holds=True)
    notes = a_record(0x03F0, of_master, holds=True) + a_record(0x03F0, note, holds=True)
    parsed = parsed_of(tmp_path, an_ole({"PowerPoint Document": document + drawn + notes}))
    assert parsed.text == "Harbours\n\none\ntwo\ndrawn\n\nNotes: Slowly.\n"
    assert (parsed.pages, [heading.title for heading in parsed.headings]) == ((0, 25), ["Harbours"])


def test_a_presentation_with_a_password_is_encrypted(tmp_path: Path) -> None:
    with pytest.raises(ParseError) as refused:
        parsed_of(tmp_path, an_ole({"PowerPoint Document": a_record(0x2F14, b"x")}))
    assert refused.value.kind == "encrypted"


def test_other_office_files_of_that_time_are_named(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedFormat, match="Visio"):
        parsed_of(tmp_path, an_ole({"VisioDocument": b"x"}))


def test_a_newer_file_with_a_password_is_encrypted(tmp_path: Path) -> None:
    with pytest.raises(ParseError) as refused:
        parsed_of(tmp_path, an_ole({"EncryptedPackage": b"x", "EncryptionInfo": b"x"}))
    assert refused.value.kind == "encrypted"
