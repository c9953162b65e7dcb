"""Spreadsheets (xlsx, xlsb, xls, ods): each sheet a page, each row a line that carries its header.

Formulas are read as the value they had when the file was saved.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.errors import ParseError
from ingest.parsers.formats import BY_NAME
from ingest.parsers.odf import meta_properties
from ingest.parsers.ole import summary
from ingest.parsers.package import core_properties
from ingest.parsers.rows import cell_text, lines_of
from ingest.types import DEFAULT_OPTIONS, Parsed, ParserOptions
from retrievers.types import MetadataValue

if TYPE_CHECKING:
    from python_calamine import CalamineSheet, CalamineWorkbook

_LEAST_BYTES = 64 << 20
_RATIO = 300  # unpacked to packed: of a sheet full of the same number it is 150


def parse_xlsx(path: Path, options: ParserOptions = DEFAULT_OPTIONS) -> Iterator[Parsed]:
    """The file as one document.

    Raises:
        ParseError: it is damaged, encrypted, or unpacks to more than is sane.
    """
    _check_size(path)
    yield _read(path, BY_NAME["xlsx"].media_type, _package_properties(path), options)


def parse_ods(path: Path, options: ParserOptions = DEFAULT_OPTIONS) -> Iterator[Parsed]:
    """The file as one document.

    Raises:
        ParseError: it is damaged, encrypted, or unpacks to more than is sane.
    """
    _check_size(path)
    with zipfile.ZipFile(path) as archive:
        properties = meta_properties(archive)
    yield _read(path, BY_NAME["ods"].media_type, properties, options)


def parse_xls(path: Path, options: ParserOptions = DEFAULT_OPTIONS) -> Iterator[Parsed]:
    """The file as one document.

    Raises:
        ParseError: it is damaged or encrypted.
    """
    yield _read(path, BY_NAME["xls"].media_type, summary(path), options)


def _package_properties(path: Path) -> dict[str, MetadataValue]:
    with zipfile.ZipFile(path) as archive:
        return core_properties(archive)


def _check_size(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(info.file_size for info in archive.infolist())
    except (zipfile.BadZipFile, ValueError) as error:
        raise ParseError(f"its zip container is damaged: {error}") from error
    if size > max(_LEAST_BYTES, _RATIO * path.stat().st_size):
        raise ParseError(f"it unpacks to {size:,} bytes", kind="too-large")


def _read(path: Path, media_type: str, properties: Mapping[str, MetadataValue], options: ParserOptions) -> Parsed:
    import python_calamine

    try:
        with python_calamine.CalamineWorkbook.from_path(path) as workbook:
            names, texts = _sheets(workbook, options)
    except python_calamine.PasswordError as error:
        raise ParseError("it is encrypted: a password is needed", kind="encrypted") from error
    except python_calamine.CalamineError as error:
        raise ParseError(f"it is no spreadsheet that can be read: {error}") from error
    pages, at = [], 0
    for text in texts:
        pages.append(at)
        at += len(text)
    metadata = dict(properties)
    title = metadata.pop("title", "")
    return Parsed(
        text="".join(texts),
        media_type=media_type,
        title=str(title),
        pages=tuple(pages),
        page_labels=tuple(names),
        metadata=metadata,
    )


def _sheets(workbook: CalamineWorkbook, options: ParserOptions) -> tuple[list[str], list[str]]:
    """Names and texts of the sheets; each text begins with the name, if there is anything to say of it."""
    names, texts = [], []
    room = options.file_characters
    for name in workbook.sheet_names:
        body = "\n".join(_until(room, lines_of(_rows(workbook.get_sheet_by_name(name))))).strip("\n")
        room -= len(body)
        names.append(name)
        texts.append(f"{name}\n{body}\n" if body else "")
    return names, texts


def _until(room: int, lines: Iterator[str]) -> Iterator[str]:
    """The lines, up to the first beyond the characters that there is room for."""
    for line in lines:
        yield line
        room -= len(line)
        if room < 0:
            return


def _rows(sheet: CalamineSheet) -> Iterator[list[str]]:
    for row in sheet.iter_rows():
        yield [cell_text(value) for value in row]
