"""An answer as text: markers behind the claims, then what each stands for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rlm_search.rendering.pieces import (
    Source,
    doubt_of,
    pieces,
    searches_of,
    sources_of,
    status_of,
)
from rlm_search.rendering.words import one_line, printable, wrapped

_QUOTE_SHOWN = 400
_INDENT = "    "


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How a terminal shows it: `width` in columns, and what makes text bold, dim, or stand out."""

    width: int = 100
    bold: Callable[[str], str] = str
    dim: Callable[[str], str] = str


def text(answer: Mapping[str, Any], *, question: str = "", note: str = "") -> str:
    """The whole answer; why there is none is its first line."""
    parts = [one_line(question), status_of(answer), body(answer, Style()), one_line(note)]
    return "\n\n".join(part for part in parts if part)


def body(answer: Mapping[str, Any], style: Style) -> str:
    """The answer without its status: what it says, what it cites, and what was searched for in vain."""
    sources = "\n".join(_shown(source, style) for source in sources_of(answer))
    searches = "\n".join(f"  {line}" for line in searches_of(answer))
    parts = [_said(answer, style), sources, f"Searched:\n{searches}" if searches else ""]
    return "\n\n".join(part for part in parts if part)


def _said(answer: Mapping[str, Any], style: Style) -> str:
    """The text, with a word behind each sentence that nothing stands for."""
    notes = {int(doubt["end"]): doubt_of(doubt) for doubt in answer.get("doubts") or ()}
    said = ""
    for piece in pieces(answer):
        said += printable(piece.text)
        if piece.end in notes:
            said += style.dim(f" [{notes[piece.end]}]")
    return said.strip()


def _shown(source: Source, style: Style) -> str:
    quote = source.quote if len(source.quote) <= _QUOTE_SHOWN else source.quote[: _QUOTE_SHOWN - 1] + "…"
    head = f"{source.marker} {style.bold(source.where)}  {style.dim(source.source)}".rstrip()
    also = f"\n{_INDENT}{style.dim(source.also)}" if source.also else ""
    return f"{head}\n{wrapped(f'“{quote}”', style.width, _INDENT)}{also}"
