"""The second try, with pypdf, at a PDF that PDFium refuses: cheap insurance, and it is said that it was needed."""

from __future__ import annotations

import logging
from pathlib import Path

from ingest.errors import ParseError
from ingest.parsers.pdf_text import cleaned
from ingest.types import Parsed

_UNREADABLE = "it is no PDF that can be read, or has no pages"


def parse_leniently(path: Path) -> Parsed:
    """The file as one document, with the warning `repaired`.

    Raises:
        ParseError: pypdf cannot read it either, or finds no text; `encrypted` if that is why.
    """
    from pypdf import PdfReader
    from pypdf.errors import FileNotDecryptedError

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    try:
        texts = [page.extract_text() for page in PdfReader(path).pages]
    except FileNotDecryptedError as error:
        raise ParseError("it is encrypted: a password is needed", kind="encrypted") from error
    except MemoryError:
        raise
    except Exception as error:  # fate: recorded against this file; pypdf raises any class on bad input
        raise ParseError(_UNREADABLE) from error
    if not any(text.strip() for text in texts):
        raise ParseError(_UNREADABLE)
    return _parsed([cleaned(text) for text in texts])


def _parsed(texts: list[str]) -> Parsed:
    from ingest.parsers.pdf import MEDIA_TYPE, joined

    text, starts = joined(texts)
    return Parsed(text=text, media_type=MEDIA_TYPE, pages=starts, warnings=("repaired",))
