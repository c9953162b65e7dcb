"""One page of a PDF: its text, whether that is all there is to read on it, and the lines that are set larger."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass

import pypdfium2.raw as pdfium

from ingest.parsers.pdf_columns import in_reading_order
from ingest.parsers.pdf_layout import NEWLINE, Layout, joined_rows
from ingest.parsers.pdf_open import Pointer
from ingest.parsers.pdf_text import cleaned
from ingest.parsers.pdf_vertical import right_to_left

_NO_TEXT = 25  # letters and digits in the first of a page's characters, below which it may be a scan
_LOOKED_AT = 400
_HALF = 0.5  # of a page: an image that is larger is the page
_OBJECTS = 1_000  # of a page that are looked at
_LINES = 400  # of a page whose size is looked at
_LONGEST_HEADING = 120  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of a page as it is set: its text and the height of its first letter in points."""

    text: str
    height: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PageText:
    """What a page says.

    Attributes:
        needs_ocr: it is a picture, or its fonts do not say which letters they hold.
        lines: those that may be headings, where they were asked for; others only count by their length.
    """

    text: str
    needs_ocr: bool = False
    lines: Sequence[Line] = ()


def read_page(page: Pointer, *, with_lines: bool) -> PageText:
    """Read a page that PDFium has loaded."""
    textpage = pdfium.FPDFText_LoadPage(page)
    if not textpage:
        return PageText(text="", needs_ocr=_images(page) > 0)
    try:
        raw = _raw_text(textpage)
        layout = Layout(textpage, raw)
        text = cleaned(_ordered(layout))
        few = sum(map(str.isalnum, text[:_LOOKED_AT])) < _NO_TEXT
        is_scan = few and _images(page) > (_HALF if text else 0.0)
        return PageText(
            text=text,
            needs_ocr=is_scan or layout.is_garbled(),
            lines=_lines(layout) if with_lines else (),
        )
    finally:
        pdfium.FPDFText_ClosePage(textpage)


def _raw_text(textpage: Pointer) -> str:
    count = pdfium.FPDFText_CountChars(textpage)
    if count <= 0:
        return ""
    units = (ctypes.c_ushort * (count + 1))()
    written = pdfium.FPDFText_GetText(textpage, 0, count, units)
    return bytes(units)[: 2 * max(written - 1, 0)].decode("utf-16-le", "replace")


def _ordered(layout: Layout) -> str:
    for order in (in_reading_order, right_to_left):
        text = order(layout)
        if text is not layout.text:
            return text
    return joined_rows(layout)


def _lines(layout: Layout) -> list[Line]:
    found = []
    start = 0
    for text in layout.text.split(NEWLINE)[:_LINES]:
        box = layout.box(start) if text else None
        if box is not None:
            found.append(Line(text=text[: _LONGEST_HEADING + 1], height=round(box.height, 1)))
        start += len(text) + len(NEWLINE)
    return found


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
