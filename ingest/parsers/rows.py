"""Rows of tables as lines of text, each with the header it stands under: found alone, it can be understood."""

from __future__ import annotations

import datetime
from collections.abc import Generator, Iterable, Iterator, Sequence
from itertools import chain, groupby, islice

from ingest.parsers.writing import TextWriter, row_text

_LOOKED_AT = 8  # rows below a header that say whether it is one
_TABLE = 3  # columns from which names in the first row are a header, whatever stands below
_CELL = 400  # characters of a cell above which a table is there for the layout
_YEARS = range(1900, 2100)
_DIGITS = 15  # that a number of a spreadsheet has


def is_header(row: Sequence[str]) -> bool:
    """Mostly names, each once, and no numbers but years."""
    names = [cell.strip() for cell in row if cell.strip()]
    numbers = [name for name in names if is_number(name)]
    has_gaps = 2 * len(names) < len(row)
    is_distinct = len(set(names)) == len(names) > max(1, len(numbers))
    return is_distinct and not has_gaps and all(number.isdecimal() and int(number) in _YEARS for number in numbers)


def is_number(cell: str) -> bool:
    """Whether it is one, with or without commas."""
    try:
        float(cell.replace(",", ""))
    except ValueError:
        return False
    return True


def heads(row: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    """Whether a first row is a header, where nothing but the rows below it can tell.

    Two columns may be names and values, then the first row is like the others; a column of numbers under a name tells.
    """
    if not below or not is_header(row):
        return False
    filled = sum(bool(cell.strip()) for cell in row)
    return filled >= _TABLE or any(has_digit(cells[column]) for cells in below for column in _numberless(row, cells))


def _numberless(row: Sequence[str], cells: Sequence[str]) -> Iterator[int]:
    return (column for column in range(min(len(row), len(cells))) if row[column].strip() and not has_digit(row[column]))


def has_digit(cell: str) -> bool:
    """Whether it begins with a number, signs and currencies before it aside."""
    return cell.lstrip(" +-\u2212($€£¥<>≈~")[:1].isdigit()


def write_table(rows: Sequence[Sequence[str]], writer: TextWriter, *, is_headed: bool = False) -> None:
    """Write the rows of a table, its first one a header where that is known or can be seen."""
    filled = [row for row in rows if any(cell.strip() for cell in row)]
    if not filled:
        return
    header: Sequence[str] = ()
    if is_headed or (_is_data(filled) and heads(filled[0], filled[1 : 1 + _LOOKED_AT])):
        header = filled.pop(0)
        writer.row(header)
    for row in filled:
        writer.row(row, header if len(row) == len(header) else ())


def _is_data(rows: Sequence[Sequence[str]]) -> bool:
    """No layout of a page: rows of one width and short cells."""
    return len(set(map(len, rows))) == 1 and all(len(cell) <= _CELL for row in rows for cell in row)


def lines_of(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """The lines of a sheet: tables with blank rows between them, titles above them, a header on top or none."""
    header: Sequence[str] = ()
    for is_filled, block in groupby(rows, key=any):
        if not is_filled:
            yield ""
            continue
        header = yield from _block(block, header)


def _block(rows: Iterator[Sequence[str]], before: Sequence[str]) -> Generator[str, None, Sequence[str]]:
    """Rows without a blank one among them; those below a gap in a table have the header from before it."""
    begin = list(islice(rows, 2 * _LOOKED_AT))
    titles = 0
    while titles < len(begin) and sum(map(bool, begin[titles])) == 1:
        titles += 1
    header: Sequence[str] = before if not titles and _fits(begin, before) else ()
    yield from (row_text(row) for row in begin[:titles])
    rest = begin[titles:]
    if rest and heads(rest[0], rest[1 : 1 + _LOOKED_AT]):
        header = rest.pop(0)
        yield row_text(list(filter(None, header)))
    for row in chain(rest, rows):
        yield row_text(row, header) if header else row_text(list(filter(None, row)))
    return header


def _fits(rows: Sequence[Sequence[str]], header: Sequence[str]) -> bool:
    """Whether every cell stands under a name."""
    named = {column for column, name in enumerate(header) if name}
    return bool(named) and all({c for c, cell in enumerate(row) if cell} <= named for row in rows)


def cell_text(value: object) -> str:
    """A value of a spreadsheet as it would be written: dates as ISO 8601, whole numbers without a fraction."""
    match value:
        case None:
            return ""
        case bool():
            return "TRUE" if value else "FALSE"
        case float():
            return f"{value:.{_DIGITS}g}" if abs(value) < 10**_DIGITS else f"{value:.0f}"
        case datetime.datetime():
            has_time = value.time() != datetime.time()
            return value.isoformat(" ", "seconds") if has_time else value.date().isoformat()
        case datetime.date():
            return value.isoformat()
        case datetime.time():
            return value.isoformat("seconds")
        case _:
            return " ".join(str(value).split())
