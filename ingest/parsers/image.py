"""Images: a document with the text that OCR finds on each of their pages, or none, and then it is said."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

from ingest.errors import ParseError
from ingest.parsers import ocr
from ingest.parsers.pages import joined, page_ranges
from ingest.types import Parsed, ParserOptions
from retrievers.types import MetadataValue

_MAGIC = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
    b"II*\x00": "image/tiff",
    b"MM\x00*": "image/tiff",
    b"II+\x00": "image/tiff",
    b"MM\x00+": "image/tiff",
    b"RIFF": "image/webp",
    b"BM": "image/bmp",
}


def parse(path: Path, options: ParserOptions) -> Iterator[Parsed]:
    """The file as one document, a multi-page TIFF with its pages.

    Raises:
        ParseError: it cannot be read as an image.
    """
    content = path.read_bytes()
    media_type = next((kind for magic, kind in _MAGIC.items() if content.startswith(magic)), "")
    if not media_type:
        raise ParseError("it is no image of the kind that its name says")
    count = tiff_pages(content) if media_type == "image/tiff" else 1
    pages = min(count, options.file_pages)
    texts: list[str | None] = [None] * pages
    if options.ocr is not None:
        texts = [ocr.read_file(content, options.ocr, page) for page in range(pages)]
        if all(text is None for text in texts):
            raise ParseError("it cannot be read as an image: broken, or too large")
    yield _parsed(texts, media_type, is_cut=pages < count)


def _parsed(texts: list[str | None], media_type: str, *, is_cut: bool) -> Parsed:
    text, starts = joined([text or "" for text in texts])
    read = [number for number, found in enumerate(texts, start=1) if found is not None]
    metadata: dict[str, MetadataValue] = {"scanned_pages": len(texts)}
    if read:
        metadata["ocr_pages"] = page_ranges(read)
    warnings = ["needs-ocr"] * (len(read) < len(texts)) + ["truncated"] * is_cut
    return Parsed(
        text=text,
        media_type=media_type,
        pages=starts if len(texts) > 1 else (),
        metadata=metadata,
        warnings=tuple(warnings),
        unread_pages=len(texts) - len(read),
    )


_MOST_PAGES = 100_000


def tiff_pages(content: bytes) -> int:
    """How many pages a TIFF has, at least 1; its chain of directories may be cyclic or broken."""
    order = "<" if content.startswith(b"II") else ">"
    seen: set[int] = set()
    at = _number(content, order + "I", 4)
    while at and at not in seen and len(seen) < _MOST_PAGES:
        entries = _number(content, order + "H", at)
        if not entries:
            break
        seen.add(at)
        at = _number(content, order + "I", at + 2 + 12 * entries)
    return max(len(seen), 1)


def _number(content: bytes, form: str, at: int) -> int:
    """A number of the file, 0 behind its end."""
    try:
        return int(struct.unpack_from(form, content, at)[0])
    except struct.error:
        return 0
