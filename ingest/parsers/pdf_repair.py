"""The second try, with pypdf, at a PDF that PDFium refuses: cheap insurance, and it is said that it was needed."""

from __future__ import annotations

import logging
from itertools import islice
from pathlib import Path

from ingest.errors import ParseError
from ingest.parsers.pages import joined
from ingest.parsers.pdf_open import locked
from ingest.parsers.pdf_text import cleaned
from ingest.types import DEFAULT_OPTIONS, Parsed, ParserOptions

_UNREADABLE = "it is no PDF that can be read, or has no pages"


def parse_leniently(path: Path, options: ParserOptions = DEFAULT_OPTIONS) -> Parsed:
    """The file as one document, with the warning `repaired`.

    Raises:
        ParseError: pypdf cannot read it either, or finds no text; `encrypted` if that is why.
    """
    from pypdf import PdfReader
    from pypdf.errors import DependencyError, FileNotDecryptedError

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    try:
        reader = PdfReader(path)
        if reader.is_encrypted and not any(map(reader.decrypt, ("", *options.passwords))):
            raise locked(len(options.passwords))
        pages = islice(reader.pages, options.file_pages)
        texts = [page.extract_text() for page in pages]
    except ParseError:
        raise
    except (FileNotDecryptedError, DependencyError) as error:  # the latter: ciphers that need another package
        raise locked(len(options.passwords)) from error
    except MemoryError:
        raise
    except Exception as error:  # fate: recorded against this file; pypdf raises any class on bad input
        raise ParseError(_UNREADABLE) from error
    if not any(text.strip() for text in texts):
        raise ParseError(_UNREADABLE)
    return _parsed([cleaned(text) for text in texts])


def _parsed(texts: list[str]) -> Parsed:
    from ingest.parsers.pdf import MEDIA_TYPE

    text, starts = joined(texts)
    return Parsed(text=text, media_type=MEDIA_TYPE, pages=starts, warnings=("repaired",))
