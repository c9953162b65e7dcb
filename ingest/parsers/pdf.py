"""PDF, by PDFium page by page: the good pages of a file with a bad one are kept. pypdf tries what PDFium refuses."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import pypdfium2.raw as pdfium

from ingest.errors import ParseError
from ingest.parsers.pdf_outline import outline
from ingest.parsers.pdf_text import cleaned, date, string_of
from ingest.types import DEFAULT_OPTIONS, Parsed, ParserOptions
from retrievers.types import MetadataValue

MEDIA_TYPE = "application/pdf"
_INFO = {"Title": "title", "Author": "author", "Subject": "subject", "Keywords": "keywords", "Creator": "creator"}
_DATES = {"CreationDate": "created", "ModDate": "modified"}
_NO_TEXT = 25  # letters and digits in the first of a page's characters, below which it may be a scan
_LOOKED_AT = 400
_HALF = 0.5  # of a page: an image that is larger is the page
_OBJECTS = 1_000  # of a page that are looked at

Pointer: TypeAlias = Any  # what PDFium hands out: opaque, and without types


def parse(path: Path, options: ParserOptions = DEFAULT_OPTIONS) -> Iterator[Parsed]:
    """The file as one document.

    Raises:
        ParseError: it is broken beyond repair, or `encrypted`.
    """
    parsed = _parse_natively(path)
    if parsed is None:
        from ingest.parsers.pdf_repair import parse_leniently

        parsed = parse_leniently(path)
    yield parsed


def _parse_natively(path: Path) -> Parsed | None:
    """The document as PDFium reads it, None if it finds no pages in it."""
    document = pdfium.FPDF_LoadDocument(os.fsencode(path), None)
    if not document:
        if pdfium.FPDF_GetLastError() in (pdfium.FPDF_ERR_PASSWORD, pdfium.FPDF_ERR_SECURITY):
            raise ParseError("it is encrypted: a password is needed", kind="encrypted")
        return None
    try:
        count = pdfium.FPDF_GetPageCount(document)
        return _read(document, count) if count > 0 else None
    finally:
        pdfium.FPDF_CloseDocument(document)


def _read(document: Pointer, count: int) -> Parsed:
    texts: list[str] = []
    lost = scanned = 0
    for index in range(count):
        text, is_scan = _page(document, index)
        lost += text is None
        scanned += is_scan
        texts.append(text or "")
    if lost == count:
        raise ParseError("none of its pages can be read")
    text, starts = joined(texts)
    warnings = ["pages-lost"] * bool(lost) + ["no-text-layer"] * bool(scanned and not text.strip())
    return Parsed(
        text=text,
        media_type=MEDIA_TYPE,
        title=_info(document, "Title"),
        pages=starts,
        page_labels=_labels(document, count),
        headings=outline(document, text, starts),
        metadata=_metadata(document, scanned),
        warnings=tuple(warnings),
    )


def joined(texts: Sequence[str]) -> tuple[str, tuple[int, ...]]:
    """One text of all pages, each ending its last line, and where each page begins."""
    starts, at, parts = [], 0, []
    for text in texts:
        part = f"{text}\n" if text else ""
        starts.append(at)
        parts.append(part)
        at += len(part)
    return "".join(parts), tuple(starts)


def _page(document: Pointer, index: int) -> tuple[str | None, bool]:
    """The text of a page, None if it cannot be loaded, and whether it is a scan without text."""
    page = pdfium.FPDF_LoadPage(document, index)
    if not page:
        return None, False
    try:
        text = _text(page)
        few = sum(map(str.isalnum, text[:_LOOKED_AT])) < _NO_TEXT
        return text, few and _images(page) > (_HALF if text else 0.0)
    finally:
        pdfium.FPDF_ClosePage(page)


def _text(page: Pointer) -> str:
    textpage = pdfium.FPDFText_LoadPage(page)
    if not textpage:
        return ""
    try:
        count = pdfium.FPDFText_CountChars(textpage)
        if count <= 0:
            return ""
        units = (ctypes.c_ushort * (count + 1))()
        written = pdfium.FPDFText_GetText(textpage, 0, count, units)
        return cleaned(bytes(units)[: 2 * max(written - 1, 0)].decode("utf-16-le", "replace"))
    finally:
        pdfium.FPDFText_ClosePage(textpage)


def _images(page: Pointer) -> float:
    """The share of a page that images cover."""
    area = pdfium.FPDF_GetPageWidthF(page) * pdfium.FPDF_GetPageHeightF(page)
    covered = 0.0
    for index in range(min(pdfium.FPDFPage_CountObjects(page), _OBJECTS)):
        item = pdfium.FPDFPage_GetObject(page, index)
        if item and pdfium.FPDFPageObj_GetType(item) == pdfium.FPDF_PAGEOBJ_IMAGE:
            covered += _area(item)
    return covered / area if area else 0.0


def _area(item: Pointer) -> float:
    left, bottom, right, top = (ctypes.c_float() for _ in range(4))
    if not pdfium.FPDFPageObj_GetBounds(item, left, bottom, right, top):
        return 0.0
    return abs((right.value - left.value) * (top.value - bottom.value))


def _labels(document: Pointer, count: int) -> tuple[str, ...]:
    """The printed labels, empty where they are the plain numbers anyway."""
    labels = [string_of(pdfium.FPDF_GetPageLabel, document, index) for index in range(count)]
    plain = all(label in ("", str(number)) for number, label in enumerate(labels, start=1))
    return () if plain else tuple(labels)


def _metadata(document: Pointer, scanned: int) -> dict[str, MetadataValue]:
    found: dict[str, MetadataValue] = {name: _info(document, key) for key, name in _INFO.items() if key != "Title"}
    found |= {name: date(_info(document, key)) for key, name in _DATES.items()}
    if scanned:
        found["scanned_pages"] = scanned
    return found


def _info(document: Pointer, key: str) -> str:
    return string_of(pdfium.FPDF_GetMetaText, document, key.encode()).strip()
