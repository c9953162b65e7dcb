"""An answer for people on a terminal: the same text as everywhere, in its width and colours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rlm_search.cli import printing
from rlm_search.rendering.pieces import dropped_of, status_of
from rlm_search.rendering.plain import Style, body


def put_answer(answer: Mapping[str, Any]) -> None:
    """Print an `Answer` as JSON holds it."""
    text = body(answer, Style(width=printing.columns(), bold=printing.bold, dim=printing.dim))
    if text:
        printing.put(text)
    for line in notes(answer):
        printing.tell(line)


def notes(answer: Mapping[str, Any]) -> list[str]:
    """What is to be said beside the answer: why there is none, which citations were dropped."""
    status = status_of(answer)
    lines = [f"{status[:1].lower()}{status[1:]}"] if status else []
    return lines + [f"citation dropped: {dropped}" for dropped in dropped_of(answer)]
