"""An answer as Markdown: markers are footnotes. Showing it fetches nothing: it holds no image and no HTML.

What documents say (titles, quotes, paths, queries) is escaped whole; what the model wrote keeps its lists, tables and
code.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from rlm_search.rendering.pieces import (
    Piece,
    doubt_of,
    dropped_of,
    pieces,
    searches_of,
    sources_of,
    status_of,
)
from rlm_search.rendering.words import one_line, printable

_SPECIAL = re.compile(r"([\\`*_\[\]<>|~$&^]|^[#+-])")
_CODE = re.compile(r"(`+)(?:(?!\1).)+\1")


def markdown(answer: Mapping[str, Any], *, question: str = "", note: str = "") -> str:
    """The whole answer, its status, its footnotes, and what was searched for in vain."""
    searches = searches_of(answer)
    parts = [
        f"# {escaped(question)}" if question.strip() else "",
        f"**{escaped(status_of(answer))}**" if status_of(answer) else "",
        _said(answer),
        "## Searched\n\n" + "\n".join(f"- {escaped(line)}" for line in searches) if searches else "",
        "\n".join(f"Citation dropped: {escaped(marker)}" for marker in dropped_of(answer)),
        f"*{escaped(note)}*" if note.strip() else "",
        "\n\n".join(_footnotes(answer)),
    ]
    return "\n\n".join(part for part in parts if part)


def escaped(text: str) -> str:
    """A line of text in which nothing is Markdown."""
    return _SPECIAL.sub(r"\\\1", one_line(text))


def _said(answer: Mapping[str, Any]) -> str:
    notes = {int(doubt["end"]): doubt_of(doubt) for doubt in answer.get("doubts") or ()}
    said = ""
    for piece in pieces(answer):
        said += _shown(piece)
        if piece.end in notes:
            said += f" *({escaped(notes[piece.end])})*"
    return said.strip()


def _shown(piece: Piece) -> str:
    if piece.kind == "marker":
        return f"[^{piece.text[1:-1]}]"
    return printable(piece.text) if piece.kind == "code" else _harmless(printable(piece.text))


def _harmless(prose: str) -> str:
    """Prose without HTML, images and footnotes of its own; code in a line stays as it is."""
    written, position = "", 0
    for match in _CODE.finditer(prose):
        written += _defused(prose[position : match.start()]) + match[0]
        position = match.end()
    return written + _defused(prose[position:])


def _defused(text: str) -> str:
    return text.replace("<", "\\<").replace("![", "!\\[").replace("[^", "\\[^")


def _footnotes(answer: Mapping[str, Any]) -> list[str]:
    return [
        f"[^{source.marker[1:-1]}]: **{escaped(source.where)}** {escaped(source.source)} “{escaped(source.quote)}”"
        + (f" ({escaped(source.also)})" if source.also else "")
        for source in sources_of(answer)
    ]
