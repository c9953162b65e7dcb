"""Parsers, one format family a module, and the table that finds the right one: by content first, then by name.

An installed package adds a format by an entry point of the group `rlm_search.parsers`, named like the extension of its
files (`epub = "my_package:parse_epub"`, see `ingest.protocols.Parser`). Built-in formats go before it.
"""

from __future__ import annotations

import codecs
import importlib
import zipfile
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from ingest.errors import ParseError, UnsupportedFormat
from ingest.protocols import Parser
from ingest.types import Parsed, ParserOptions

VERSION = "1"
"""Changes whenever a parser reads the same file differently."""


class Format(NamedTuple):
    """A format that is read: how its files are named, and `module:function` of its parser, imported on use."""

    name: str
    media_type: str
    extensions: tuple[str, ...]
    parser: str


FORMATS = (
    Format("pdf", "application/pdf", ("pdf",), "ingest.parsers.pdf:parse"),
    Format(
        "docx",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        ("docx", "docm", "dotx", "dotm"),
        "ingest.parsers.docx:parse",
    ),
    Format("html", "text/html", ("html", "htm", "xhtml"), "ingest.parsers.html:parse"),
    Format("markdown", "text/markdown", ("md", "markdown"), "ingest.parsers.markdown:parse"),
    Format("text", "text/plain", ("txt", "text", "log"), "ingest.parsers.text:parse"),
    Format("csv", "text/csv", ("csv",), "ingest.parsers.tabular:parse_csv"),
    Format("tsv", "text/tab-separated-values", ("tsv", "tab"), "ingest.parsers.tabular:parse_tsv"),
    Format("json", "application/json", ("json",), "ingest.parsers.json:parse"),
    Format("jsonl", "application/x-ndjson", ("jsonl", "ndjson"), "ingest.parsers.jsonl:parse"),
    Format("eml", "message/rfc822", ("eml",), "ingest.parsers.email:parse"),
)
GROUP = "rlm_search.parsers"
_BY_EXTENSION = {extension: format_ for format_ in FORMATS for extension in format_.extensions}
_BY_NAME = {format_.name: format_ for format_ in FORMATS}

_HEAD = 1_024
_BINARY = {  # how files of other formats begin, whatever they are called
    b"\x89PNG\r\n\x1a\n": "PNG image",
    b"\xff\xd8\xff": "JPEG image",
    b"GIF8": "GIF image",
    b"II*\x00": "TIFF image",
    b"MM\x00*": "TIFF image",
    b"{\\rtf": "RTF",
    b"\x1f\x8b": "gzip archive",
    b"7z\xbc\xaf\x27\x1c": "7z archive",
    b"Rar!\x1a\x07": "RAR archive",
    b"BZh": "bzip2 archive",
    b"\xfd7zXZ\x00": "xz archive",
    b"\x28\xb5\x2f\xfd": "zstd archive",
    b"SQLite format 3\x00": "SQLite database",
    b"\x7fELF": "program",
    b"MZ\x90\x00": "program",
    b"ID3": "audio",
    b"OggS": "audio",
    b"RIFF": "audio or video",
    b"%!PS": "PostScript",
}
_ZIP = b"PK\x03\x04"
_ZIPPED = (  # what a zip file is, by a file in it
    ("word/document.xml", "docx"),
    ("word/document2.xml", "docx"),
    ("xl/", "xlsx"),
    ("ppt/", "pptx"),
    ("META-INF/container.xml", "epub"),
    ("Documents/", "xps"),
    ("Index/", "Apple iWork"),
    ("content.xml", "OpenDocument"),
)
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OLE_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_OLE_SEARCHED = 64 << 20
_HINT = f"formats that are read: {', '.join(format_.extensions[0] for format_ in FORMATS)}"


def parser_for(path: Path) -> Parser:
    """The parser that reads this file.

    Raises:
        UnsupportedFormat: there is none.
        ParseError: the file is an encrypted container.
        OSError: the file cannot be opened.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
    try:
        format_ = format_of(path, head)
    except UnsupportedFormat:
        plugged = plugins().get(extension_of(path))
        if plugged is None:
            raise
        parser: Parser = plugged.load()
        return parser
    if not head:
        return _Empty(format_.media_type)
    return load(format_)


@cache
def plugins() -> Mapping[str, metadata.EntryPoint]:
    """The parsers of installed packages, by extension."""
    return {entry.name.lower(): entry for entry in metadata.entry_points(group=GROUP)}


def version() -> str:
    """Names the parsers, those of installed packages included."""
    others = (f"{name}={entry.dist.version if entry.dist else ''}" for name, entry in sorted(plugins().items()))
    return "+".join([VERSION, *others])


def extension_of(path: Path) -> str:
    """Lower case, without the dot."""
    return path.suffix.lower().lstrip(".")


def load(format_: Format) -> Parser:
    """Import a format's parser."""
    module, _, function = format_.parser.partition(":")
    parser: Parser = getattr(importlib.import_module(module), function)
    return parser


def preload() -> None:
    """Import all parsers and the native libraries behind them, for processes that are forked later to share."""
    plugins()
    for format_ in FORMATS:
        load(format_)
    for library in ("pypdfium2.raw", "lxml.html", "charset_normalizer", "email.policy"):
        importlib.import_module(library)


def format_of(path: Path, head: bytes) -> Format:
    """The format of a file that begins with `head`.

    Raises:
        UnsupportedFormat: it is none of `FORMATS`.
        ParseError: the file is an encrypted container.
    """
    by_name = _BY_EXTENSION.get(extension_of(path))
    if _is_pdf(head, by_name):
        return _BY_NAME["pdf"]
    if head.startswith(_ZIP):
        return _zipped(path)
    if head.startswith(_OLE):
        raise _ole(path)
    for magic, name in _BINARY.items():
        if head.startswith(magic):
            raise UnsupportedFormat(f"{name} files are not read", hint=_HINT)
    if by_name is not None:
        return by_name
    if not path.suffix and _is_text(head):
        return _BY_NAME["text"]  # README, LICENSE, Makefile
    raise UnsupportedFormat(f"{path.suffix or 'binary'} files are not read", hint=_HINT)


def _is_pdf(head: bytes, by_name: Format | None) -> bool:
    """A PDF may have junk before its header; a text may speak of one."""
    if head.lstrip().startswith(b"%PDF"):
        return True
    return b"%PDF-" in head and (by_name is None or by_name.name == "pdf")


def _zipped(path: Path) -> Format:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OverflowError) as error:
        if _BY_EXTENSION.get(extension_of(path)) is not _BY_NAME["docx"]:
            raise UnsupportedFormat(f"{path.suffix or 'zip'} files are not read", hint=_HINT) from error
        raise ParseError(f"its zip container is damaged: {error}") from error
    for part, kind in _ZIPPED:
        if any(name == part or (part.endswith("/") and name.startswith(part)) for name in names):
            if kind == "docx":
                return _BY_NAME[kind]
            raise UnsupportedFormat(f"{kind} files are not read", hint=_HINT)
    raise UnsupportedFormat("zip archives are not read", hint=_HINT)


def _ole(path: Path) -> UnsupportedFormat | ParseError:
    with path.open("rb") as file:
        content = file.read(_OLE_SEARCHED)
    if _OLE_ENCRYPTED in content:
        return ParseError("it is encrypted: a password is needed", kind="encrypted")
    return UnsupportedFormat(f"{path.suffix or 'OLE'} files (Office 97-2003, Outlook) are not read", hint=_HINT)


def _is_text(head: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return b"\0" not in head


class _Empty:
    """Reads a file of no bytes, whatever its format: one document without text."""

    def __init__(self, media_type: str) -> None:
        self._media_type = media_type

    def __call__(self, path: Path, options: ParserOptions) -> Iterator[Parsed]:
        yield Parsed(text="", media_type=self._media_type)
