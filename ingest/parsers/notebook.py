"""Notebooks (ipynb): prose and code cell by cell, with the output that is text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ingest.errors import ParseError
from ingest.parsers.markdown import headings_of
from ingest.parsers.text import decode
from ingest.types import DEFAULT_OPTIONS, Parsed, ParserOptions
from retrievers.types import Heading

MEDIA_TYPE = "application/x-ipynb+json"
_LONGEST_OUTPUT = 2_000  # characters of one output


def parse(path: Path, options: ParserOptions = DEFAULT_OPTIONS) -> Iterator[Parsed]:
    """The file as one document.

    Raises:
        ParseError: it is no notebook.
    """
    try:
        notebook = json.loads(decode(path.read_bytes()).text)
        cells = [cell for cell in notebook["cells"] if isinstance(cell, dict)]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ParseError(f"it is no notebook: {error}") from error
    parts: list[str] = []
    headings: list[Heading] = []
    at = 0
    for cell in cells:
        text = _joined(cell.get("source"))
        if cell.get("cell_type") == "markdown":
            found = headings_of(text)
            headings += [Heading(title=h.title, level=h.level, start=h.start + at) for h in found]
        for piece in (text, *_outputs(cell)):
            if piece.strip():
                parts.append(f"{piece.rstrip()}\n\n")
                at += len(parts[-1])
    title = headings[0].title if headings and headings[0].level == 1 else ""
    yield Parsed(text="".join(parts), media_type=MEDIA_TYPE, title=title, headings=tuple(headings))


def _outputs(cell: dict[str, Any]) -> Iterator[str]:
    outputs = cell.get("outputs")
    for output in outputs if isinstance(outputs, list) else ():
        if isinstance(output, dict):
            data = output.get("data")
            shown = data.get("text/plain") if isinstance(data, dict) else None
            yield _joined(output.get("text") or shown)[:_LONGEST_OUTPUT]


def _joined(source: Any) -> str:
    """Text that is kept as one string, or as its lines."""
    lines = source if isinstance(source, list) else [source]
    return "".join(line for line in lines if isinstance(line, str)).replace("\r\n", "\n")
