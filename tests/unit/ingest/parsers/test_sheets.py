"""Sheets are pages, and each row is a line that can be understood alone."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from ingest.errors import ParseError
from ingest.parsers import parser_for
from ingest.parsers.rows import cell_text, heads, lines_of
from ingest.types import DEFAULT_OPTIONS, Parsed
from tests.unit.ingest.parsers.packages import a_workbook, an_opendocument, core


def parsed_of(folder: Path, name: str, content: bytes) -> Parsed:
    path = folder / name
    path.write_bytes(content)
    (parsed,) = parser_for(path)(path, DEFAULT_OPTIONS)
    assert isinstance(parsed, Parsed)
    return parsed


def test_each_sheet_is_a_page_named_like_it_and_each_row_carries_its_header(tmp_path: Path) -> None:
    sales: list[list[object]] = [["Region", "2023", "2024"], ["North", 12, 14.5], ["South", 3, ("B3*2", 6)]]
    notes: list[list[object]] = [["Figures in millions"]]
    content = a_workbook({"Sales": sales, "Empty": [], "Notes": notes})
    parsed = parsed_of(tmp_path, "report.xlsx", content)
    assert parsed.page_labels == ("Sales", "Empty", "Notes")
    pages = [parsed.text[a:b] for a, b in zip(parsed.pages, [*parsed.pages[1:], None], strict=True)]
    assert pages == [
        "Sales\nRegion | 2023 | 2024\nRegion: North | 2023: 12 | 2024: 14.5\nRegion: South | 2023: 3 | 2024: 6\n",
        "",
        "Notes\nFigures in millions\n",
    ]


def test_properties_have_the_same_names_as_everywhere(tmp_path: Path) -> None:
    content = a_workbook(
        {"A": [["x"]]}, **{"docProps/core.xml": core("Budget", "A. Hale; B. Moe", "2024-05-01T10:00:00Z")}
    )
    parsed = parsed_of(tmp_path, "report.xlsx", content)
    assert parsed.title == "Budget"
    assert parsed.metadata == {"author": ("A. Hale", "B. Moe"), "created": "2024-05-01"}


def test_a_spreadsheet_of_opendocument_is_read_alike(tmp_path: Path) -> None:
    cell = '<table:table-cell office:value-type="string"><text:p>{}</text:p></table:table-cell>'
    dated = '<table:table-cell office:value-type="date" office:date-value="2024-02-29"/>'
    rows = "".join(
        f"<table:table-row>{''.join(cells)}</table:table-row>"
        for cells in (
            [cell.format(name) for name in ("Ferry", "Port", "Sailed")],
            [cell.format("Aurora"), cell.format("Oslo"), dated],
        )
    )
    content = an_opendocument(
        "spreadsheet", f'<table:table table:name="Log">{rows}</table:table>', "<dc:title>Log book</dc:title>"
    )
    parsed = parsed_of(tmp_path, "log.ods", content)
    assert parsed.text == "Log\nFerry | Port | Sailed\nFerry: Aurora | Port: Oslo | Sailed: 2024-02-29\n"
    assert (parsed.title, parsed.page_labels) == ("Log book", ("Log",))


def test_a_damaged_workbook_is_broken(tmp_path: Path) -> None:
    content = a_workbook({"A": [["x"]]}, **{"xl/workbook.xml": "<workbook"})
    with pytest.raises(ParseError) as refused:
        parsed_of(tmp_path, "a.xlsx", content)
    assert refused.value.kind == "broken"


def test_a_workbook_that_unpacks_beyond_sense_is_refused(tmp_path: Path) -> None:
    content = a_workbook({"A": [["x"]]}, **{"xl/sharedStrings.xml": " " * (65 << 20)})
    with pytest.raises(ParseError) as refused:
        parsed_of(tmp_path, "a.xlsx", content)
    assert refused.value.kind == "too-large"


def test_a_table_of_text_that_is_called_a_workbook_is_read_as_what_it_is(tmp_path: Path) -> None:
    assert parsed_of(tmp_path, "export.xls", b"Port\tTons\nOslo\t12\n").text == "Port | Tons\nPort: Oslo | Tons: 12"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.1 + 0.2, "0.3"),
        (4.0, "4"),
        (1e16, "10000000000000000"),
        (True, "TRUE"),
        (datetime.datetime(2024, 2, 29), "2024-02-29"),
        (datetime.datetime(2024, 2, 29, 6, 15), "2024-02-29 06:15:00"),
        (datetime.time(6, 15), "06:15:00"),
        ("two\nlines", "two lines"),
        ("", ""),
    ],
)
def test_a_value_is_written_as_a_reader_expects(value: object, expected: str) -> None:
    assert cell_text(value) == expected


def test_titles_stand_above_a_header_and_a_gap_in_a_table_does_not_end_it() -> None:
    rows = [["Ducks", "", ""], ["Year", "Lake", "Sea"], ["2023", "1", "2"], ["", "", ""], ["2024", "3", ""]]
    assert list(lines_of(rows)) == [
        "Ducks", "Year | Lake | Sea", "Year: 2023 | Lake: 1 | Sea: 2", "", "Year: 2024 | Lake: 3",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("row", "below", "expected"),
    [
        (["Name", "Max"], [["Street", "Long Lane"]], False),  # names and values
        (["Class", "Price"], [["Foot", "3 €"]], True),
        (["Class", "Price"], [["Foot", "(4.2)"]], True),
        (["a", "b", "c"], [["d", "e", "f"]], True),
        (["a", "b", "c"], [], False),
        (["12", "b", "c"], [["d", "e", "f"]], False),
    ],
)
def test_a_first_row_is_a_header_where_the_rows_below_tell(
    row: list[str], below: list[list[str]], expected: bool
) -> None:
    assert heads(row, below) is expected
