"""Tables of Markdown, drawn with pipes, as rows that carry their header."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ingest.parsers.writing import row_text

_RULE = re.compile(r"[ \t]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_BETWEEN = re.compile(r"(?<!\\)\|")


def with_rows(text: str) -> str:
    """The text with each table outside of code as lines `header: cell | …`, everything else as it is."""
    if "|" not in text or "-" not in text:
        return text
    return "\n".join(_lines(text.split("\n")))


def _lines(lines: list[str]) -> Iterator[str]:
    fence = ""
    header: list[str] = []
    is_rule = False
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if is_rule:
            is_rule = False
            continue
        if header and "|" in line and line.strip():
            yield row_text(_cells(line), header)
            continue
        header = []
        fence = _after(fence, line)
        if not fence and _is_table(line, following):
            header, is_rule = _cells(line), True
            yield row_text(header)
        else:
            yield line


def _after(fence: str, line: str) -> str:
    """The fence that is open after a line."""
    match = _FENCE.match(line)
    if match is None:
        return fence
    if not fence:
        return match[1]
    return "" if match[1][0] == fence[0] and len(match[1]) >= len(fence) else fence


def _is_table(line: str, following: str) -> bool:
    """Whether a line is the header of a table: a rule of as many columns stands below it."""
    return (
        "|" in line
        and "|" in following
        and bool(_RULE.match(following))
        and len(_cells(line)) == len(_cells(following))
    )


def _cells(line: str) -> list[str]:
    inner = line.strip().removeprefix("|")
    inner = inner[:-1] if inner.endswith("|") and not inner.endswith("\\|") else inner
    return [cell.replace("\\|", "|").strip() for cell in _BETWEEN.split(inner)]
