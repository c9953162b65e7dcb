"""Tables in the text of a page: rows with pipes, with columns set apart, or of a label and numbers; as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

Row = list[str]

_NUMBER = r"(?:[$€£¥]\s?)?\(?[-+\u2212]?\d[\d.,]*%?\)?%?|[\u2014\u2013-](?=\s|$)"
_LABEL_AND_NUMBERS = re.compile(rf"^(?P<label>.*?\S)?(?P<numbers>(?:(?:^|\s+)(?:{_NUMBER})){{2,}})\s*$")
_CELL = re.compile(_NUMBER)
_GAP = re.compile(r"\t+|\s{3,}")
_RULE = re.compile(r"^[\s|:+=-]+$")
_LEAST_ROWS = 2


def tables_in(text: str) -> list[list[Row]]:
    """The tables of a page in their order, each as rows of cells; what looks like none is left out.

    A line between two rows that is no row itself (a heading within the table) is a row of one cell.
    """
    found: list[list[Row]] = []
    rows: list[Row] = []
    waiting: list[str] = []
    for line in [*text.splitlines(), "", ""]:
        row = _row(line)
        if row is not None:
            rows += [[label] for label in waiting] if rows else []
            rows, waiting = [*rows, row], []
        elif rows and line.strip() and not waiting and not _RULE.match(line):
            waiting = [line.strip()]
        elif not _RULE.match(line) or not line.strip():
            found, rows, waiting = [*found, rows], [], []
    return [table for table in found if sum(len(row) > 1 for row in table) >= _LEAST_ROWS]


def as_markdown(table: Sequence[Row]) -> str:
    """A table in Markdown: the first row is its head."""
    width = max(map(len, table))
    rows = [[*(cell.replace("|", "\\|") for cell in row), *[""] * (width - len(row))] for row in table]
    return "\n".join(_line(row) for row in [rows[0], ["---"] * width, *rows[1:]])


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _row(line: str) -> Row | None:
    """The cells of a line; None where it is no row of a table."""
    stripped = line.strip()
    if not stripped or _RULE.match(stripped):
        return None
    if stripped.count("|") >= 2:
        return [cell.strip() for cell in stripped.strip("|").split("|")]
    cells = [cell for cell in _GAP.split(stripped) if cell]
    if len(cells) >= 2:
        return cells
    if len(stripped) < 400 and (numbers := _LABEL_AND_NUMBERS.match(stripped)):
        return [numbers["label"] or "", *_CELL.findall(numbers["numbers"])]
    return None
