"""What a PDF holds beside its pages: filled-in forms and notes, attached files, and metadata as XMP."""

from __future__ import annotations

import ctypes
import io
import mmap
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO

import pypdfium2.raw as pdfium
from lxml import etree

from ingest.parsers.pdf_open import Pointer
from ingest.parsers.pdf_text import string_of
from ingest.types import Enclosed

_ANNOTATIONS = 1_000  # of a page
_ATTACHMENTS = 10_000
_ATTACHED_BYTES = 1 << 28
_XMP_BYTES = 1 << 16
_XMP_SEARCHED = 1 << 28
_XMP_PACKETS = 20
_DC = "{http://purl.org/dc/elements/1.1/}"
_LI = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}li"
_SPACES = re.compile(r"\s+")
_NOTES = frozenset(
    getattr(pdfium, f"FPDF_ANNOT_{kind}")
    for kind in ("TEXT", "FREETEXT", "HIGHLIGHT", "UNDERLINE", "STRIKEOUT", "SQUIGGLY", "STAMP", "CARET", "REDACT")
)
_TICKED = (pdfium.FPDF_FORMFIELD_CHECKBOX, pdfium.FPDF_FORMFIELD_RADIOBUTTON)


@contextmanager
def form_of(document: Pointer) -> Iterator[Pointer | None]:
    """The form of a document, None if it has none; to be had before its pages are loaded."""
    if pdfium.FPDF_GetFormType(document) == pdfium.FORMTYPE_NONE:
        yield None
        return
    callbacks = pdfium.FPDF_FORMFILLINFO(version=2)
    form = pdfium.FPDFDOC_InitFormFillEnvironment(document, callbacks)
    try:
        yield form or None
    finally:
        if form:
            pdfium.FPDFDOC_ExitFormFillEnvironment(form)


def notes_of(page: Pointer, form: Pointer | None) -> list[str]:
    """A line for each field of a form that is filled in (`name: value`), and for each note on a page."""
    lines = []
    for index in range(min(pdfium.FPDFPage_GetAnnotCount(page), _ANNOTATIONS)):
        annotation = pdfium.FPDFPage_GetAnnot(page, index)
        if annotation:
            line = _line_of(annotation, form)
            pdfium.FPDFPage_CloseAnnot(annotation)
            lines += [line] * bool(line)
    return lines


def _line_of(annotation: Pointer, form: Pointer | None) -> str:
    kind = pdfium.FPDFAnnot_GetSubtype(annotation)
    if kind == pdfium.FPDF_ANNOT_WIDGET and form is not None:
        return _field(annotation, form)
    if kind in _NOTES:
        return _one_line(string_of(pdfium.FPDFAnnot_GetStringValue, annotation, b"Contents"))
    return ""


def _field(annotation: Pointer, form: Pointer) -> str:
    kind = pdfium.FPDFAnnot_GetFormFieldType(form, annotation)
    if kind in _TICKED and not pdfium.FPDFAnnot_IsChecked(form, annotation):
        return ""
    value = _one_line(string_of(pdfium.FPDFAnnot_GetFormFieldValue, form, annotation))
    name = _one_line(string_of(pdfium.FPDFAnnot_GetFormFieldName, form, annotation))
    return f"{name}: {value}" if name and value else value


def _one_line(text: str) -> str:
    return _SPACES.sub(" ", text).strip()


def attachments(document: Pointer) -> Iterator[Enclosed]:
    """The attached files, each as long as the document is open."""
    for index in range(min(pdfium.FPDFDoc_GetAttachmentCount(document), _ATTACHMENTS)):
        attachment = pdfium.FPDFDoc_GetAttachment(document, index)
        if attachment:
            name = string_of(pdfium.FPDFAttachment_GetName, attachment) or f"attachment {index + 1}"
            yield Enclosed(name=name, open=partial(_content, attachment))


def _content(attachment: Pointer) -> BinaryIO:
    size = ctypes.c_ulong()
    if not pdfium.FPDFAttachment_GetFile(attachment, None, 0, size) or size.value > _ATTACHED_BYTES:
        raise OSError("the attached file cannot be read")
    buffer = ctypes.create_string_buffer(size.value)
    if not pdfium.FPDFAttachment_GetFile(attachment, buffer, size.value, size):
        raise OSError("the attached file cannot be read")
    return io.BytesIO(buffer.raw)


def xmp(path: Path) -> dict[str, str]:
    """Title and author as the XMP metadata of the document says, where it lies open in the file."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        for packet in _packets(content):
            if b"ns.adobe.com/pdf/1.3/" in packet:  # the document's own: pictures in it bring theirs
                return _of_packet(packet)
    return {}


def _packets(content: mmap.mmap) -> Iterator[bytes]:
    at = 0
    for _ in range(_XMP_PACKETS):
        start = content.find(b"<x:xmpmeta", at, _XMP_SEARCHED)
        end = content.find(b"</x:xmpmeta>", start, start + _XMP_BYTES) if start >= 0 else -1
        if end < 0:
            return
        at = end + len(b"</x:xmpmeta>")
        yield content[start:at]


def _of_packet(packet: bytes) -> dict[str, str]:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, recover=True, huge_tree=False)
    root = etree.fromstring(packet, parser)
    if root is None:
        return {}
    found = {}
    for name, key in (("title", "title"), ("creator", "author")):
        values = [_one_line(item.text or "") for entry in root.iter(f"{_DC}{name}") for item in entry.iter(_LI)]
        found[key] = ", ".join(filter(None, values[: 1 if key == "title" else None]))
    return found
