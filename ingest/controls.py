"""Control characters, which names and messages may hold, written so that a terminal shows them and obeys none."""

from __future__ import annotations

_SHOWN = {
    code: chr(code).encode("unicode_escape").decode("ascii")
    for first, last in (
        (0x00, 0x1F),
        (0x7F, 0x9F),
        (0x2028, 0x202E),  # ends of lines, and what turns the order of letters around
        (0x2066, 0x2069),
        (0xD800, 0xDFFF),  # bytes that are no UTF-8
    )
    for code in range(first, last + 1)
}


def visible(text: str) -> str:
    r"""The text on one line: an escape comes as `\x1b`, the end of a line as `\n`."""
    return text if text.isprintable() else text.translate(_SHOWN)
