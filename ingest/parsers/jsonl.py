"""JSON lines: each record a document, read one line at a time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from ingest.errors import ParseError
from ingest.parsers.json import TEXTS, lines_of
from ingest.types import DEFAULT_OPTIONS, Parsed, ParserOptions
from retrievers.types import MetadataValue

MEDIA_TYPE = "application/x-ndjson"
_IDS = ("_id", "id")
_LONGEST_LINE = 64 << 20
_NAMED = 5  # bad lines that are named


def parse(path: Path, options: ParserOptions = DEFAULT_OPTIONS) -> Iterator[Parsed]:
    """Each record as a document: `_id` or `id`, `title`, `text`; what else it has as metadata.

    Raises:
        ParseError: after the last good record, if there were lines that are no JSON.
    """
    bad: list[int] = []
    count = 0
    with path.open("rb") as file:
        for number, line in _lines(file):
            try:
                record = json.loads(line.decode("utf-8"))
                yield parsed_record(record, number)
            except (ValueError, RecursionError):
                count += 1
                bad += [number] * (len(bad) < _NAMED)
    if bad:
        named = ", ".join(map(str, bad)) + (", …" if count > len(bad) else "")
        raise ParseError(f"{count} of its lines are no JSON: {named}", hint="the other lines are in the index")


def _lines(file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """The lines that are not blank, numbered from 1."""
    number = 0
    while line := file.readline(_LONGEST_LINE):
        number += 1
        if len(line) == _LONGEST_LINE and not line.endswith(b"\n"):
            raise ParseError(f"line {number} is longer than {_LONGEST_LINE:,} bytes", kind="too-large")
        line = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
        if line.strip():
            yield number, line


def parsed_record(record: Any, number: int) -> Parsed:
    """One record as a document; one without any of the usual keys is written out whole."""
    canonical = json.dumps(record, sort_keys=True, separators=(",", ":"))
    content_hash = hashlib.sha256(canonical.encode()).hexdigest()
    fields = record if isinstance(record, dict) else {"text": "\n".join(lines_of(record))}
    id_ = next((str(fields[key]) for key in _IDS if isinstance(fields.get(key), str | int) and str(fields[key])), "")
    key = next((key for key in TEXTS if isinstance(fields.get(key), str)), "")
    rest = {name: value for name, value in fields.items() if name not in (*_IDS, "title", key)}
    title = fields.get("title")
    return Parsed(
        text=fields[key] if key else "\n".join(lines_of(rest)),
        media_type=MEDIA_TYPE,
        title=title if isinstance(title, str) else "",
        metadata=_scalars(rest) if key else {},
        record=id_ or str(number),
        record_id=id_,
        content_hash=content_hash,
    )


def _scalars(fields: Mapping[str, Any]) -> dict[str, MetadataValue]:
    """The values that can be filtered by; those of an object called `metadata` as if they were the record's own."""
    found: dict[str, MetadataValue] = {}
    for name, value in fields.items():
        if isinstance(value, str | int | float | bool):
            found[name] = value
        elif isinstance(value, list) and value and all(isinstance(item, str) for item in value):
            found[name] = tuple(value)
        elif name == "metadata" and isinstance(value, dict):
            found = {**_scalars(value), **found}
    return found
