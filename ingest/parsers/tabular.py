"""Tables in text files: each row a line that carries its header, so that a row found alone can be understood."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from ingest.errors import ParseError
from ingest.parsers.rows import is_header
from ingest.parsers.text import decode
from ingest.parsers.writing import row_text
from ingest.types import DEFAULT_OPTIONS, Parsed, ParserOptions

_SAID = re.compile(r"sep=([^\s\w])\n", re.IGNORECASE)
_SAMPLE = 16_384
_DELIMITERS = ",;\t|"
_LONGEST_FIELD = 16 << 20


def parse_csv(path: Path, options: ParserOptions = DEFAULT_OPTIONS) -> Iterator[Parsed]:
    """The file as one document; its delimiter is found out.

    Raises:
        ParseError: a field has no end.
    """
    yield from _parse(path, "text/csv", None, options)


def parse_tsv(path: Path, options: ParserOptions = DEFAULT_OPTIONS) -> Iterator[Parsed]:
    """The file as one document; fields end at tabs.

    Raises:
        ParseError: a field has no end.
    """
    yield from _parse(path, "text/tab-separated-values", "\t", options)


def _parse(path: Path, media_type: str, delimiter: str | None, options: ParserOptions) -> Iterator[Parsed]:
    decoded = decode(path.read_bytes())
    said = _SAID.match(decoded.text)  # as Excel writes and wants it
    delimiter = said[1] if said else delimiter or _delimiter(decoded.text[:_SAMPLE])
    csv.field_size_limit(_LONGEST_FIELD)
    table = io.StringIO(decoded.text[said.end() :] if said else decoded.text)
    try:
        if options.text_fields:
            rows = csv.DictReader(table, delimiter=delimiter)
            if set(options.text_fields) & set(rows.fieldnames or ()):
                yield from _records(rows, media_type, options)
                return
            table.seek(0)
        text = "\n".join(_lines(csv.reader(table, delimiter=delimiter)))
    except csv.Error as error:
        raise ParseError(f"it is no table: {error}") from error
    yield Parsed(text=text, media_type=media_type, warnings=decoded.warnings)


def _records(rows: csv.DictReader[str], media_type: str, options: ParserOptions) -> Iterator[Parsed]:
    """Each row as a document, where the columns of its text were named."""
    from ingest.parsers.jsonl import parsed_record

    for number, row in enumerate(rows, start=1):
        record = {name: value for name, value in row.items() if isinstance(name, str) and isinstance(value, str)}
        yield parsed_record(record, number, options, media_type=media_type)


def _lines(rows: Iterator[Sequence[str]]) -> Iterator[str]:
    header: Sequence[str] = ()
    for number, row in enumerate(filter(any, rows)):
        if not number and is_header(row):
            header = row
            yield row_text(row)
        else:
            yield row_text(row, header)


def _delimiter(sample: str) -> str:
    """The delimiter that cuts the first lines into the same number of fields, the more the better."""
    lines = [line for line in sample.split("\n")[:50] if line.strip()][:-1] or sample.split("\n")[:1]
    return max(_DELIMITERS, key=lambda candidate: _fit(lines, candidate))


def _fit(lines: Sequence[str], delimiter: str) -> tuple[float, int]:
    try:
        widths = [len(row) for row in csv.reader(lines, delimiter=delimiter)]
    except csv.Error:
        return (0.0, 0)
    common = max(set(widths), key=widths.count) if widths else 1
    return (widths.count(common) / len(widths), common) if common > 1 else (0.0, 0)
