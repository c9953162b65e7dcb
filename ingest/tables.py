"""A file of metadata, csv or JSON lines, as rows: read as it comes, in whatever encoding."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from ingest.errors import ConfigError, UnsupportedFormat
from ingest.parsers.text import SAMPLE, guess, marked_encoding

Row: TypeAlias = Mapping[str, Any]

PATHS = ("path", "file", "filename", "file_name", "file_path", "source", "url")
r"""Columns that hold names of files, which may be of any bytes: those that are no UTF-8 come as `\xe9`."""
_LINES = (".jsonl", ".ndjson", ".json")
_LONGEST_FIELD = 16 << 20
_NUMBERS = {
    int: re.compile(r"[+-]?(?:0|[1-9][0-9]{0,17})"),
    float: re.compile(r"[+-]?(?:0|[1-9]\d*)?(?:\.\d+)?(?:e[+-]?\d+)?", re.I),
}
_BOOLEANS = {"true": True, "false": False}


def foreign_encoding(path: Path) -> str:
    """What a table is in that is neither UTF-8 nor marked, by statistics of the lines that tell; else "".

    Raises:
        OSError: it cannot be read.
    """
    told = b""
    if path.suffix.lower() in _LINES or _marked(path):
        return ""
    with path.open("rb") as file:
        for line in file:
            if len(told) < SAMPLE and not line.isascii() and not _is_utf8(line):
                told += line
    return guess(told) if told else ""


def rows_of(path: Path, foreign: str = "") -> Iterator[Row]:
    """The rows of a table, or the objects of JSON lines.

    Args:
        path: named .jsonl, .ndjson or .json, or else a table.
        foreign: what its values are in where they are no UTF-8, but for `PATHS`.

    Raises:
        ConfigError: it is neither.
        OSError: it cannot be read.
    """
    return _jsonl(path) if path.suffix.lower() in _LINES else _csv(path, foreign or "utf-8")


def _csv(path: Path, foreign: str) -> Iterator[Row]:
    """The rows of a table, with the values of its cells as numbers and booleans where they are written as such."""
    csv.field_size_limit(_LONGEST_FIELD)
    with path.open(encoding=_marked(path) or "utf-8-sig", errors="surrogateescape", newline="") as file:
        first = file.readline()
        file.seek(0)
        delimiter = max(",;\t|", key=first.count)
        try:
            for row in csv.DictReader(file, delimiter=delimiter):
                cells = ((_told(name, foreign), cell) for name, cell in row.items() if name and isinstance(cell, str))
                yield {name: _typed(_told(cell, "utf-8" if name in PATHS else foreign)) for name, cell in cells}
        except csv.Error as error:
            raise ConfigError(f"the metadata {path} is no table: {error}") from None


def _jsonl(path: Path) -> Iterator[Row]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                row = None
            if not isinstance(row, dict):
                raise ConfigError(f"the metadata {path} is no JSON lines: line {number} is no object")
            yield {
                name: value
                for name, value in row.items()
                if not isinstance(value, list) or all(isinstance(item, str) for item in value)
            }


def _told(cell: str, encoding: str) -> str:
    """A cell without space around it; in this encoding, where it is no UTF-8."""
    try:
        cell.encode("utf-8")
    except UnicodeEncodeError:  # bytes that stand for themselves
        cell = cell.encode("utf-8", "surrogateescape").decode(encoding, "backslashreplace")
    return cell.strip()


def _marked(path: Path) -> str:
    """The encoding that its beginning leaves no doubt of, else ""."""
    with path.open("rb") as file:
        try:
            return marked_encoding(file.read(SAMPLE))
        except UnsupportedFormat:
            raise ConfigError(f"the metadata {path} is no table: it holds binary data") from None


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _typed(text: str) -> str | int | float | bool:
    """A number only where nothing is lost by it: `007` and `1e400` stay text."""
    if text.lower() in _BOOLEANS:
        return _BOOLEANS[text.lower()]
    if _NUMBERS[int].fullmatch(text):
        return int(text)
    if text and _NUMBERS[float].fullmatch(text) and any(map(str.isdigit, text)):
        number = float(text)
        return number if number - number == 0 else text
    return text
