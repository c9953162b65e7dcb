"""Printed documents in Microsoft's format (xps, oxps): page by page, the runs of text as they are drawn."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

from ingest.parsers.package import core_properties, opened, xml_of
from ingest.parsers.writing import TextWriter
from ingest.types import DEFAULT_OPTIONS, Parsed, ParserOptions

MEDIA_TYPE = "application/oxps"
_PAGE = re.compile(r".*/Pages/(\d+)\.fpage$", re.IGNORECASE)
_DOCUMENT = re.compile(r"Documents/(\d+)/", re.IGNORECASE)
_ESCAPE = "{}"  # stands before a text that begins with a brace


def parse(path: Path, options: ParserOptions = DEFAULT_OPTIONS) -> Iterator[Parsed]:
    """The file as one document.

    Raises:
        ParseError: it is damaged, or unpacks to more than is sane.
    """
    writer = TextWriter()
    with opened(path) as archive:
        for name in sorted(filter(_PAGE.match, archive.namelist()), key=_place)[: options.file_pages]:
            writer.page()
            _write_page(archive, name, writer)
        found = core_properties(archive)
    title = found.pop("title", "")
    yield Parsed(text=writer.text, media_type=MEDIA_TYPE, title=str(title), pages=writer.pages, metadata=found)


def _place(name: str) -> tuple[int, int]:
    document, page = _DOCUMENT.search(name), _PAGE.match(name)
    return int(document[1]) if document else 0, int(page[1]) if page else 0


def _write_page(archive: zipfile.ZipFile, name: str, writer: TextWriter) -> None:
    """Runs at the same height are one line."""
    height = ""
    for run in xml_of(archive, name).iter("{*}Glyphs"):
        if run.get("OriginY", "") != height:
            writer.line()
            height = run.get("OriginY", "")
        writer.write(f" {run.get('UnicodeString', '').removeprefix(_ESCAPE)}")
    writer.line()
