"""A page of a PDF as a grey picture, for OCR."""

from __future__ import annotations

import ctypes
from math import sqrt

import pypdfium2.raw as pdfium

from ingest.parsers.ocr import DPI, Picture
from ingest.parsers.pdf_open import Pointer

_POINTS = 72
_MOST_PIXELS = 25_000_000  # a page of A2; larger ones are drawn smaller
_LONGEST_SIDE = 20_000
_WHITE = 0xFFFFFFFF


def rendered(page: Pointer) -> Picture | None:
    """The page at 200 dots per inch, annotations included; None if it has no size, or there is no memory for it."""
    width, height = _size(pdfium.FPDF_GetPageWidthF(page), pdfium.FPDF_GetPageHeightF(page))
    if not (0 < width <= _LONGEST_SIDE and 0 < height <= _LONGEST_SIDE):
        return None
    bitmap = pdfium.FPDFBitmap_CreateEx(width, height, pdfium.FPDFBitmap_Gray, None, 0)
    if not bitmap:
        return None
    try:
        pdfium.FPDFBitmap_FillRect(bitmap, 0, 0, width, height, _WHITE)
        flags = pdfium.FPDF_ANNOT | pdfium.FPDF_GRAYSCALE
        pdfium.FPDF_RenderPageBitmap(bitmap, page, 0, 0, width, height, 0, flags)
        stride = pdfium.FPDFBitmap_GetStride(bitmap)
        content = ctypes.string_at(pdfium.FPDFBitmap_GetBuffer(bitmap), stride * height)
    finally:
        pdfium.FPDFBitmap_Destroy(bitmap)
    return Picture(width, height, _without_padding(content, width, stride))


def _size(width_points: float, height_points: float) -> tuple[int, int]:
    scale = DPI / _POINTS
    pixels = width_points * height_points * scale * scale
    if pixels > _MOST_PIXELS:
        scale *= sqrt(_MOST_PIXELS / pixels)
    return round(width_points * scale), round(height_points * scale)


def _without_padding(content: bytes, width: int, stride: int) -> bytes:
    if stride == width:
        return content
    return b"".join(content[start : start + width] for start in range(0, len(content), stride))
