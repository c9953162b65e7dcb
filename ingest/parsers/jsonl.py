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
                yield parsed_record(record, number, options)
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


def parsed_record(
    record: Any, number: int, options: ParserOptions = DEFAULT_OPTIONS, *, media_type: str = MEDIA_TYPE
) -> Parsed:
    """One record as a document; one without any of the keys that may hold its text is written out whole."""
    canonical = json.dumps(record, sort_keys=True, separators=(",", ":"))
    content_hash = hashlib.sha256(canonical.encode()).hexdigest()
    fields = record if isinstance(record, dict) else {"text": "\n".join(lines_of(record))}
    ids = (options.id_field,) if options.id_field else _IDS
    id_ = next((found for key in ids if (found := _name(value_at(fields, key)))), "")
    keys = text_keys(fields, options)
    title_key = options.title_field or "title"
    rest = {name: value for name, value in fields.items() if name not in (*ids, title_key, *keys)}
    return Parsed(
        text="\n\n".join(_text_of(value_at(fields, key)) for key in keys) if keys else "\n".join(lines_of(rest)),
        media_type=media_type,
        title=_name(value_at(fields, title_key)),
        metadata=_scalars(rest) if keys else {},
        record=id_ or str(number),
        record_id=id_,
        content_hash=content_hash,
    )


def text_keys(fields: Mapping[str, Any], options: ParserOptions) -> list[str]:
    """The keys of a record that hold its text: all that were named, or the first of the usual ones."""
    if options.text_fields:
        return [key for key in options.text_fields if value_at(fields, key) not in (None, "", [], {})]
    return [key for key in TEXTS if isinstance(fields.get(key), str)][:1]


def value_at(fields: Mapping[str, Any], key: str) -> Any:
    """The value under a key; where there is none, a dot leads into objects."""
    if key in fields or "." not in key:
        return fields.get(key)
    outer, _, rest = key.partition(".")
    inner = fields.get(outer)
    return value_at(inner, rest) if isinstance(inner, dict) else None


def _text_of(value: Any) -> str:
    return value if isinstance(value, str) else "\n".join(lines_of(value))


def _name(value: Any) -> str:
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


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
