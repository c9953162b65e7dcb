"""Open a PDF, with the passwords that are known: none, as user, as owner."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import pypdfium2.raw as pdfium

from ingest.errors import ParseError

Pointer: TypeAlias = Any  # what PDFium hands out: opaque, and without types

_LOCKED = (pdfium.FPDF_ERR_PASSWORD, pdfium.FPDF_ERR_SECURITY)


@contextmanager
def opened(path: Path, passwords: Sequence[str] = ()) -> Iterator[Pointer | None]:
    """The document as PDFium opens it, None if it cannot.

    Raises:
        ParseError: `encrypted`, and none of the passwords opens it.
    """
    document = _load(path, passwords)
    try:
        yield document
    finally:
        if document:
            pdfium.FPDF_CloseDocument(document)


def locked(tried: int) -> ParseError:
    """Why an encrypted file was not read; names no password."""
    if tried:
        hint = "give another one with --password or --passwords-file"
        return ParseError("it is encrypted, and none of the given passwords opens it", kind="encrypted", hint=hint)
    hint = "ingest retry --kind encrypted --passwords-file FILE"
    return ParseError("it is encrypted: a password is needed", kind="encrypted", hint=hint)


def _load(path: Path, passwords: Sequence[str]) -> Pointer | None:
    name = os.fsencode(path)
    for password in (None, *_encoded(passwords)):
        document = pdfium.FPDF_LoadDocument(name, password)
        if document:
            return document
        if pdfium.FPDF_GetLastError() not in _LOCKED:
            return None
    raise locked(len(passwords))


def _encoded(passwords: Sequence[str]) -> Iterator[bytes]:
    """As newer revisions of the format write a password, and as older ones do."""
    for password in passwords:
        content = password.encode("utf-8", "surrogateescape").partition(b"\0")[0]
        yield content
        old = password.encode("latin-1", "ignore").partition(b"\0")[0]
        if old not in (content, b""):
            yield old
