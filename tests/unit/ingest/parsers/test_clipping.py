"""A document longer than may be read is read up to there, and that is said."""

from __future__ import annotations

from pathlib import Path

from ingest.parsers import parser_for
from ingest.types import Parsed, ParserOptions
from tests.unit.ingest.parsers.packages import a_workbook


def parsed_of(path: Path, options: ParserOptions) -> Parsed:
    (parsed,) = parser_for(path, options)(path, options)
    assert isinstance(parsed, Parsed)
    return parsed


def test_text_ends_where_the_limit_is(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text("# One\n\ntext\n\n# Two\n")
    parsed = parsed_of(path, ParserOptions(file_characters=9))
    assert (parsed.text, parsed.warnings) == ("# One\n\nte", ("truncated",))
    assert [heading.title for heading in parsed.headings] == ["One"]
    assert parsed_of(path, ParserOptions(file_characters=19)).warnings == ()


def test_pages_beyond_the_limit_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    path.write_bytes(a_workbook({"A": [["one"]], "B": [["two"]], "C": [["three"]]}))
    parsed = parsed_of(path, ParserOptions(file_pages=2))
    assert (parsed.text, parsed.pages, parsed.page_labels) == ("A\none\nB\ntwo\n", (0, 6), ("A", "B"))
    assert parsed.warnings == ("truncated",)
    assert parsed_of(path, ParserOptions(file_pages=3)).warnings == ()
