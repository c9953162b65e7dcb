"""PDF, by PDFium page by page: the good pages of a file with a bad one are kept. pypdf tries what PDFium refuses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pypdfium2.raw as pdfium

from ingest.errors import ParseError
from ingest.parsers import ocr
from ingest.parsers.pages import joined, page_ranges
from ingest.parsers.pdf_extras import attachments, form_of, notes_of, xmp
from ingest.parsers.pdf_headings import headings_by_size
from ingest.parsers.pdf_open import Pointer, opened
from ingest.parsers.pdf_outline import has_outline, outline
from ingest.parsers.pdf_page import Line, PageText, read_page
from ingest.parsers.pdf_text import date, string_of
from ingest.types import DEFAULT_OPTIONS, Enclosed, OcrOptions, Parsed, ParserOptions
from retrievers.types import MetadataValue

MEDIA_TYPE = "application/pdf"
_INFO = {"Author": "author", "Subject": "subject", "Keywords": "keywords", "Creator": "creator"}
_DATES = {"CreationDate": "created", "ModDate": "modified"}


def parse(path: Path, options: ParserOptions = DEFAULT_OPTIONS) -> Iterator[Parsed | Enclosed]:
    """The file as one document, and the files that are attached to it.

    Raises:
        ParseError: it is broken beyond repair, or `encrypted`.
    """
    with opened(path, options.passwords) as document:
        count = pdfium.FPDF_GetPageCount(document) if document else 0
        if count > 0:
            yield _read(document, count, path, options)
            yield from attachments(document)
            return
    from ingest.parsers.pdf_repair import parse_leniently

    yield parse_leniently(path, options)


@dataclass(slots=True)
class _Pages:
    """What was read of the pages so far."""

    texts: list[str] = field(default_factory=list)
    lines: list[Sequence[Line]] = field(default_factory=list)
    characters: int = 0
    lost: int = 0
    pictures: list[int] = field(default_factory=list)
    read_by_ocr: list[int] = field(default_factory=list)

    @property
    def unread(self) -> int:
        """Pages that are pictures, and were not read."""
        return len(set(self.pictures) - set(self.read_by_ocr))


def _read(document: Pointer, count: int, path: Path, options: ParserOptions) -> Parsed:
    with_lines = not has_outline(document)
    pages = _pages(document, count, options, with_lines=with_lines)
    read = len(pages.texts)
    if pages.lost == read:
        raise ParseError("none of its pages can be read")
    text, starts = joined(pages.texts)
    headings = headings_by_size(pages.lines, text, starts) if with_lines else outline(document, text, starts)
    about = _about(document, path)
    return Parsed(
        text=text,
        media_type=MEDIA_TYPE,
        title=about.pop("title", ""),
        pages=starts,
        page_labels=_labels(document, read),
        headings=headings,
        guessed_headings=with_lines,
        metadata={**about, **_of_pictures(pages)},
        warnings=tuple(_warnings(pages, is_cut=read < count or pages.characters > options.file_characters)),
        unread_pages=pages.unread,
    )


def _pages(document: Pointer, count: int, options: ParserOptions, *, with_lines: bool) -> _Pages:
    pages = _Pages()
    with form_of(document) as form:
        for index in range(min(count, options.file_pages)):
            found = _page(document, index, form, options.ocr, pages, with_lines=with_lines)
            if found is None:
                pages.lost += 1
                found = PageText(text="")
            room = options.file_characters - pages.characters
            pages.characters += len(found.text)
            pages.texts.append(found.text[:room])
            pages.lines.append(found.lines)
            if pages.characters > options.file_characters:
                break
    return pages


def _page(
    document: Pointer, index: int, form: Pointer | None, how: OcrOptions | None, pages: _Pages, *, with_lines: bool
) -> PageText | None:
    """What a page says, None if it cannot be loaded; notes in `pages` whether it is a picture, and was read."""
    page = pdfium.FPDF_LoadPage(document, index)
    if not page:
        return None
    try:
        found = read_page(page, with_lines=with_lines)
        if found.needs_ocr:
            pages.pictures.append(index + 1)
        if how is not None and (found.needs_ocr or how.always):
            text = _by_ocr(page, how)
            if text is not None:
                pages.read_by_ocr.append(index + 1)
                found = PageText(text=text or found.text, lines=() if text else found.lines)
        notes = notes_of(page, form)
        return PageText(text="\n".join([found.text] * bool(found.text) + notes), lines=found.lines) if notes else found
    finally:
        pdfium.FPDF_ClosePage(page)


def _by_ocr(page: Pointer, how: OcrOptions) -> str | None:
    from ingest.parsers.pdf_render import rendered

    picture = rendered(page)
    return None if picture is None else ocr.read(picture, how)


def _warnings(pages: _Pages, *, is_cut: bool) -> Iterator[str]:
    if pages.lost:
        yield "pages-lost"
    if pages.unread:
        yield "needs-ocr"
    if is_cut:
        yield "truncated"


def _of_pictures(pages: _Pages) -> dict[str, MetadataValue]:
    found: dict[str, MetadataValue] = {}
    if pages.pictures:
        found["scanned_pages"] = len(pages.pictures)
    if pages.read_by_ocr:
        found["ocr_pages"] = page_ranges(pages.read_by_ocr)
    return found


def _labels(document: Pointer, count: int) -> tuple[str, ...]:
    """The printed labels, empty where they are the plain numbers anyway."""
    labels = [string_of(pdfium.FPDF_GetPageLabel, document, index) for index in range(count)]
    plain = all(label in ("", str(number)) for number, label in enumerate(labels, start=1))
    return () if plain else tuple(labels)


def _about(document: Pointer, path: Path) -> dict[str, str]:
    """Title, author, dates and the like; as XMP says where the older table of the format has no title."""
    found = {name: _info(document, key) for key, name in {"Title": "title", **_INFO}.items()}
    found |= {name: date(_info(document, key)) for key, name in _DATES.items()}
    if not found["title"]:
        found |= {name: value for name, value in xmp(path).items() if value and not found[name]}
    return found


def _info(document: Pointer, key: str) -> str:
    return string_of(pdfium.FPDF_GetMetaText, document, key.encode()).strip()
