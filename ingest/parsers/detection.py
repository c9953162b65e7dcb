"""Tells the format of a file: by its content first, then by its name.

What a file is called decides only between formats whose content cannot tell them apart: texts.
"""

from __future__ import annotations

import re
from pathlib import Path

from ingest.errors import UnsupportedFormat
from ingest.parsers.envelopes import OLE, ZIP, format_of_ole, format_of_zip
from ingest.parsers.formats import BY_EXTENSION, BY_NAME, FORMATS, Format
from ingest.parsers.tar import is_tar
from ingest.parsers.text import encoding_of

HEAD = 4_096
"""Bytes of a file that are looked at."""
HINT = f"formats that are read: {', '.join(format_.extensions[0] for format_ in FORMATS)}"

_BY_DETECTED = {detected: format_ for format_ in FORMATS for detected in format_.detected}
_HTML = r"\s*(?:<\?xml[^>]*>\s*)?(?:<!--(?:(?!-->).)*+-->\s*+)*+<(?:!doctype\s+html|html|head|body)\b"
_MAIL = r"(?:[\w-]+:[^\n]*\n(?:[ \t][^\n]*\n)*+)*?(?:Received|Message-ID|MIME-Version|Return-Path): "
_TEXTS = (  # what a text is by how it begins, where its name does not say; the first that matches
    ("wordml", re.compile(r"\s*<\?xml[^>]*>\s*<\?mso-application\s+progid=[\"']Word\.Document")),
    ("html", re.compile(_HTML, re.IGNORECASE | re.DOTALL)),
    ("xml", re.compile(r"\s*<\?xml\s")),
    ("mbox", re.compile(r"From \S+ .*\d{4}\s*\n(?:>?[\w-]+:|>From )")),
    ("eml", re.compile(_MAIL, re.IGNORECASE)),
    ("jsonl", re.compile(r'\s*\{\s*"[^"\n]*"\s*:[^\n]*\}\s*\n\s*\{\s*"')),
    ("json", re.compile(r'\s*(?:\[\s*)?\{\s*"[^"]*"\s*:')),
)
_VAGUE = ("", "txt", "text", "xml")  # names that do not say what a text is
_PROGRAMS_SAY = {"xls": "csv", "xlsx": "csv", "ods": "csv", "doc": "text"}  # what texts of such a name are
_PACKED = {
    b"\x1f\x8b\x08": "gz",
    b"BZh": "bz2",
    b"\xfd7zXZ\0": "xz",
    b"\x28\xb5\x2f\xfd": "zst",
    b"7z\xbc\xaf\x27\x1c": "7z",
}
_POSTSCRIPT = b"%!PS"
_RTF = b"{\\rtf"


def extension_of(path: Path) -> str:
    """Lower case, without the dot."""
    return path.suffix.lower().lstrip(".")


def format_of(path: Path, head: bytes) -> Format:
    """The format of a file that begins with `head`.

    Raises:
        UnsupportedFormat: it is none of `FORMATS`.
        ParseError: the file is an encrypted or damaged container.
    """
    by_name = BY_EXTENSION.get(extension_of(path))
    if not head and by_name is not None:
        return by_name
    if _is_pdf(head, by_name):
        return BY_NAME["pdf"]
    if head.startswith(ZIP):
        return format_of_zip(path, by_name)
    if head.startswith(OLE):
        return format_of_ole(path, by_name)
    if packed := _packed(head):
        return BY_NAME[packed]
    if is_text(head) and not head.startswith((_RTF, _POSTSCRIPT)):
        return _text(extension_of(path), by_name, head)
    return _binary(path, by_name, head)


def _packed(head: bytes) -> str:
    """How it is packed, "" where it is not."""
    if is_tar(head):
        return "tar"
    return next((name for magic, name in _PACKED.items() if head.startswith(magic)), "")


def is_text(head: bytes) -> bool:
    """Whether a file that begins like this can be read as text, in whatever encoding."""
    try:
        encoding_of(head)
    except UnsupportedFormat:
        return False
    return True


def _is_pdf(head: bytes, by_name: Format | None) -> bool:
    """A PDF may have junk before its header; a text may speak of one."""
    if head.lstrip().startswith(b"%PDF"):
        return True
    return b"%PDF-" in head[:1024] and (by_name is None or by_name.name == "pdf")


def _text(extension: str, by_name: Format | None, head: bytes) -> Format:
    """A text of a name that says which is taken at its word; any other is looked at."""
    is_told = by_name is not None and not by_name.is_binary and extension not in _VAGUE
    if is_told and by_name is not None:
        return by_name
    encoding = encoding_of(head) or "utf-8"
    begin = head.decode(encoding, "replace").removeprefix("\ufeff").replace("\r\n", "\n")
    for name, pattern in _TEXTS:
        if name in BY_NAME and pattern.match(begin):
            return BY_NAME[name]
    if by_name is not None and by_name.name in _PROGRAMS_SAY:
        return BY_NAME[_PROGRAMS_SAY[by_name.name]]
    return by_name or BY_NAME["text"]  # a parser of other content will say that it is broken


def _binary(path: Path, by_name: Format | None, head: bytes) -> Format:
    """By the library of magic numbers; what it does not know either is what its name says, if that is no text."""
    extension, name = _identified(head)
    found = _BY_DETECTED.get(extension)
    if found is not None:
        return found
    if by_name is not None and (by_name.is_binary or not name):
        return by_name
    raise UnsupportedFormat(f"{name or path.suffix or 'binary'} files are not read", hint=HINT)


def _identified(head: bytes) -> tuple[str, str]:
    """Extension and name of what begins like this, empty where nobody knows."""
    import puremagic

    try:
        best = puremagic.magic_string(head)[0]
    except (puremagic.PureError, ValueError, IndexError):
        return "", ""
    return best.extension.lower(), re.sub(r"\s+files?$", "", best.name, flags=re.IGNORECASE)
