"""JSON as text that can be read and searched: one line a value, named by its path."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ingest.errors import ParseError
from ingest.parsers.text import decode
from ingest.types import DEFAULT_OPTIONS, Parsed, ParserOptions

_TITLES = ("title", "name", "subject")
TEXTS = ("text", "content", "body")
"""The keys under which a record has its text, the first of them that it has."""


def parse(path: Path, options: ParserOptions = DEFAULT_OPTIONS) -> Iterator[Parsed]:
    """The file as one document; one that holds records, in a list or one a line, as a document for each.

    Raises:
        ParseError: it is no JSON, or nested beyond sense.
    """
    decoded = decode(path.read_bytes())
    try:
        value = json.loads(decoded.text)
        text = "\n".join(lines_of(value))
    except RecursionError as error:
        raise ParseError("its values are nested too deeply") from error
    except ValueError as error:
        if not _is_a_record(decoded.text.partition("\n")[0]):
            raise ParseError(f"it is no JSON: {error}") from error
        from ingest.parsers import jsonl

        yield from jsonl.parse(path, options)
        return
    if _are_records(value, options):
        from ingest.parsers import jsonl

        yield from (jsonl.parsed_record(record, number, options) for number, record in enumerate(value, start=1))
        return
    yield Parsed(text=text, media_type="application/json", title=title_in(value), warnings=decoded.warnings)


def _are_records(value: Any, options: ParserOptions) -> bool:
    """Whether it is a list of objects with a text each; where fields were named, one with a text will do."""
    from ingest.parsers.jsonl import text_keys

    if not isinstance(value, list) or not value or not all(isinstance(item, dict) for item in value):
        return False
    have_text = (bool(text_keys(item, options)) for item in value)
    return any(have_text) if options.text_fields else all(have_text)


def _is_a_record(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def title_in(value: Any) -> str:
    """What an object calls itself, "" if it does not."""
    if not isinstance(value, dict):
        return ""
    found = (value.get(key) for key in _TITLES)
    return next((title for title in found if isinstance(title, str) and title.strip()), "")


def lines_of(value: Any, path: str = "") -> Iterator[str]:
    """The lines of a value: `path.to.it: scalar`; a list of scalars is one line, a blank line precedes an object."""
    match value:
        case dict():
            for key, item in value.items():
                yield from lines_of(item, f"{path}.{key}" if path else str(key))
        case list() if not any(isinstance(item, dict | list) for item in value):
            yield from _line(path, ", ".join(filter(None, map(_text, value))))
        case list():
            for item in value:
                if isinstance(item, dict):
                    yield ""
                yield from lines_of(item, path)
        case _:
            yield from _line(path, _text(value))


def _line(path: str, text: str) -> Iterator[str]:
    if text:
        yield f"{path}: {text}" if path else text


def _text(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case str():
            return value.strip()
        case _:
            return str(value)
