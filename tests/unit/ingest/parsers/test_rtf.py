"""Rich text gives paragraphs, headings, tables as rows and properties, in any code page."""

from __future__ import annotations

from pathlib import Path

from ingest.parsers import parser_for
from ingest.types import DEFAULT_OPTIONS, Parsed


def parsed_of(folder: Path, content: bytes) -> Parsed:
    path = folder / "letter.doc"  # as rich text is often called
    path.write_bytes(content)
    (parsed,) = parser_for(path)(path, DEFAULT_OPTIONS)
    assert isinstance(parsed, Parsed)
    return parsed


def test_paragraphs_headings_and_tables_are_kept_apart(tmp_path: Path) -> None:
    content = (
        rb"{\rtf1\ansi\deff0{\fonttbl{\f0 Arial;}}"
        rb"{\pard\outlinelevel1 Fares\par}{\pard The ferry\par left.\par}"
        rb"\trowd\cellx1\cellx2\pard\intbl Class\cell Price\par in euros\cell\row"
        rb"\trowd\cellx1\cellx2\pard\intbl Foot\cell 3\cell\row\pard The end.\par}"
    )
    parsed = parsed_of(tmp_path, content)
    assert parsed.text == (
        "Fares\n\nThe ferry\nleft.\n\nClass | Price in euros\nClass: Foot | Price in euros: 3\n\nThe end."
    )
    assert [(heading.title, heading.level, heading.start) for heading in parsed.headings] == [("Fares", 2, 0)]


def test_properties_and_letters_of_another_code_page_are_read(tmp_path: Path) -> None:
    content = (
        rb"{\rtf1\ansi\ansicpg1251{\info{\title \'cf\'ee\'f0\'f2}{\author A. Hale}{\creatim\yr2024\mo5\dy1\hr9}}"
        rb"\'d3\'e2\'e0\'e6\'e0\'e5\'ec\'fb\'e9 \u8364? 3}"
    )
    parsed = parsed_of(tmp_path, content)
    assert parsed.text == "Уважаемый € 3"
    assert (parsed.title, parsed.metadata) == ("Порт", {"author": "A. Hale", "created": "2024-05-01"})


def test_pictures_are_left_out(tmp_path: Path) -> None:
    assert parsed_of(tmp_path, rb"{\rtf1 a{\*\pict\bin6 {{{}}}}b}").text == "ab"


def test_a_file_that_ends_early_keeps_what_it_has(tmp_path: Path) -> None:
    assert parsed_of(tmp_path, rb"{\rtf1\ansi The ferry {\b left").text == "The ferry left"
