"""Rows of text tables carry their header."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.errors import ParseError
from ingest.parsers.tabular import parse_csv, parse_tsv
from ingest.types import Parsed


def parsed_of(folder: Path, text: str) -> Parsed:
    path = folder / "a.csv"
    path.write_text(text)
    (parsed,) = parse_csv(path)
    return parsed


def test_each_row_names_its_columns(tmp_path: Path) -> None:
    text = parsed_of(tmp_path, 'name,port,note\nAlbatross,Kings Ferry,"old, slow"\nHeron,,\n').text
    assert text == "name | port | note\nname: Albatross | port: Kings Ferry | note: old, slow\nname: Heron"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_out(tmp_path: Path, delimiter: str) -> None:
    rows = [["ship", "length"], ["Heron", "3.5"], ["Gull", "1"]]
    text = "\n".join(delimiter.join(row) for row in rows)
    assert parsed_of(tmp_path, text).text.endswith("ship: Heron | length: 3.5\nship: Gull | length: 1")


def test_a_table_without_a_header_is_read_as_it_stands(tmp_path: Path) -> None:
    assert parsed_of(tmp_path, "1,2\n3,4\n").text == "1 | 2\n3 | 4"
    assert parsed_of(tmp_path, "a,a\nb,c\n").text == "a | a\nb | c"


def test_a_header_may_have_gaps_and_years(tmp_path: Path) -> None:
    assert parsed_of(tmp_path, ",Revenue,Costs,\n0,5,3,\n").text == "Revenue | Costs\n0 | Revenue: 5 | Costs: 3"
    assert (
        parsed_of(tmp_path, "Item,2019,2020\nCosts,5,3\n").text == "Item | 2019 | 2020\nItem: Costs | 2019: 5 | 2020: 3"
    )


def test_a_field_may_hold_lines(tmp_path: Path) -> None:
    assert parsed_of(tmp_path, 'a,b\n"one\ntwo",x\n').text == "a | b\na: one two | b: x"


def test_rows_may_be_longer_or_shorter_than_the_header(tmp_path: Path) -> None:
    assert parsed_of(tmp_path, "a,b\n1,2,3\n4\n").text == "a | b\na: 1 | b: 2 | 3\na: 4"


def test_prose_and_nothing_are_no_problem(tmp_path: Path) -> None:
    assert parsed_of(tmp_path, "just a line").text == "just a line"
    assert parsed_of(tmp_path, "\n\n").text == ""


def test_a_field_without_an_end_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ParseError, match="no table"):
        parsed_of(tmp_path, 'a,b\n"' + "x" * (17 << 20))


def test_tabs_part_the_fields_of_tsv(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("a\tb\n1,5\t2\n")
    (parsed,) = parse_tsv(path)
    assert (parsed.text, parsed.media_type) == ("a | b\na: 1,5 | b: 2", "text/tab-separated-values")


def test_a_delimiter_that_the_file_names_is_used(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("sep=;\nname;tons\nOslo, old;12\n")
    (parsed,) = parse_csv(path)
    assert parsed.text == "name | tons\nname: Oslo, old | tons: 12"
