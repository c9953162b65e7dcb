"""Keeps a document within the pages and characters that are read of one file, and says where it was cut."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ingest.protocols import Parser
from ingest.types import Enclosed, Parsed, ParserOptions


def clipping(parser: Parser) -> Parser:
    """The parser, its documents cut to the limits of the options, with the warning `truncated`."""

    def parse(path: Path, options: ParserOptions) -> Iterator[Parsed | Enclosed]:
        for found in parser(path, options):
            yield clipped(found, options) if isinstance(found, Parsed) else found

    return parse


def clipped(parsed: Parsed, options: ParserOptions) -> Parsed:
    """The document up to its last page and character that may be read."""
    end = min(len(parsed.text), options.file_characters)
    if len(parsed.pages) > options.file_pages:
        end = min(end, parsed.pages[options.file_pages])
    pages = tuple(start for start in parsed.pages[: options.file_pages] if start < end or not start)
    if end == len(parsed.text) and len(parsed.pages) <= options.file_pages:
        return parsed
    return replace(
        parsed,
        text=parsed.text[:end],
        pages=pages,
        page_labels=parsed.page_labels[: len(pages)],
        headings=tuple(heading for heading in parsed.headings if heading.start < end),
        warnings=tuple(dict.fromkeys((*parsed.warnings, "truncated"))),
    )
