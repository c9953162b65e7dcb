"""Text of documents in a frame: how it is shown to models as data, so that nothing in it can close the frame."""

from __future__ import annotations

import re


def framed(tag: str, text: str, **attributes: str) -> str:
    """The text between `<tag …>` and `</tag>`; what looks like the end of the frame in it is defused."""
    about = "".join(f' {name}="{_short(value)}"' for name, value in attributes.items() if value)
    return f"<{tag}{about}>\n{defused(tag, text)}\n</{tag}>"


def defused(tag: str, text: str) -> str:
    """The text, with nothing in it that would close the frame."""
    return re.sub(rf"</(?=\s*{tag})", r"<\\/", text, flags=re.IGNORECASE)


def _short(value: str) -> str:
    return " ".join(value.split()).replace('"', "'")[:200]
