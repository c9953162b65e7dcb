"""What PDFium and the format leave in a text that no reader wants, and the strings and dates of a PDF."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable
from typing import Any

_LIGATURES = {0xFB00: "ff", 0xFB01: "fi", 0xFB02: "fl", 0xFB03: "ffi", 0xFB04: "ffl", 0xFB05: "st", 0xFB06: "st"}
_ODD = re.compile("[\u00a0\u00ad\ufb00-\ufb06\ufffe\uffff\x02]")
_SOFT_HYPHEN = re.compile("\u00ad\n?")
_TRANSLATED = str.maketrans({**_LIGATURES, 0xFFFE: "", 0xFFFF: "", 0x02: "", 0xA0: " "})
_PUNCTUATION_LINE = re.compile(r"[ \t]*\n(?=[,.;)](?:\s|\Z))")
_DATE = re.compile(
    r"(?:D:)?\s*(?P<year>\d{4})(?P<month>\d\d)?(?P<day>\d\d)?(?P<hour>\d\d)?(?P<minute>\d\d)?(?P<second>\d\d)?"
)
_LONGEST_STRING = 1 << 16


def cleaned(text: str) -> str:
    """The text of a page as PDFium gives it, made readable.

    Line-end hyphens (U+FFFE, soft ones) are deleted, ligatures spelled out, and a line that begins with punctuation is
    joined to the one before (PDFium breaks lines at superscripts).
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if (not text.isascii() or "\x02" in text) and _ODD.search(text):
        text = _SOFT_HYPHEN.sub("", text).translate(_TRANSLATED)
    text = _PUNCTUATION_LINE.sub("", text)
    return text.strip()


def date(text: str) -> str:
    """A PDF date (`D:20190207113042-05'00'`) as ISO 8601, as far as it goes; "" if it is none. Zones are left out."""
    match = _DATE.match(text)
    if not match or not "1900" <= match["year"] <= "2999":
        return ""
    year, month, day = match["year"], match["month"] or "01", match["day"] or "01"
    if not ("01" <= month <= "12" and "01" <= day <= "31"):
        return ""
    return f"{year}-{month}-{day}"


def string_of(function: Callable[..., int], *args: Any) -> str:
    """What a function of PDFium writes into a buffer as UTF-16; the last two of its parameters are that buffer."""
    size = function(*args, None, 0)
    if not 2 < size <= _LONGEST_STRING:
        return ""
    buffer = (ctypes.c_ushort * ((size + 1) // 2))()
    function(*args, buffer, size)
    return bytes(buffer)[: size - 2].decode("utf-16-le", "replace")
