"""An answer for people: its text with markers, then what each marker stands for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rlm_search.cli import printing
from rlm_search.trace.lines import page_text

_QUOTE_SHOWN = 400


def put_answer(answer: Mapping[str, Any]) -> None:
    """Print an `Answer` as JSON holds it."""
    text = printing.printable(str(answer.get("text", ""))).strip()
    if text:
        printing.put(text)
    citations = answer.get("citations") or ()
    if citations:
        printing.put()
    for citation in citations:
        _put_citation(citation)
    for line in notes(answer):
        printing.tell(line)


def notes(answer: Mapping[str, Any]) -> list[str]:
    """What is to be said beside the answer: why there is none, which citations were dropped."""
    lines = []
    status = answer.get("status", "answered")
    if status != "answered":
        reason = printing.one_line(str(answer.get("reason") or ""))
        lines.append(f"{str(status).replace('_', ' ')}{': ' if reason else ''}{reason}")
    lines += [f"citation dropped: {printing.one_line(str(dropped))}" for dropped in answer.get("rejected") or ()]
    return lines


def _put_citation(citation: Mapping[str, Any]) -> None:
    title = printing.one_line(str(citation.get("title") or citation.get("doc_id", "")))
    source = printing.one_line(str(citation.get("source", "")))
    where = f"{title}{page_text(citation.get('pages') or ())}"
    printing.put(f"{citation.get('marker', '')} {printing.bold(where)}  {printing.dim(source)}".rstrip())
    quote = printing.one_line(str(citation.get("quote", "")))
    quote = quote if len(quote) <= _QUOTE_SHOWN else quote[: _QUOTE_SHOWN - 1] + "…"
    printing.put(printing.wrapped(f"“{quote}”", "    "))
