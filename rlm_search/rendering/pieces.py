"""What all formats share: an answer cut into prose, code and markers, and words for what is said beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

from rlm_search.fences import blocks
from rlm_search.rendering.words import filter_text, number_of, one_line, page_text

_MARKER = re.compile(r"\[\d{1,3}\]")
_STATUS = {"not_found": "Not found", "out_of_budget": "Out of budget", "failed": "Failed"}
_KINDS = {"uncited": "no citation", "unsupported": "not supported", "unchecked": "not checked"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A stretch of an answer's text: `text[start:end]` of it is `text`."""

    text: str
    kind: Literal["prose", "code", "marker"]
    start: int
    end: int


def pieces(answer: Mapping[str, Any]) -> Iterator[Piece]:
    """The answer's text in order: fenced code whole, markers of its citations, prose cut where doubts begin or end."""
    text = str(answer.get("text") or "")
    known = {str(citation.get("marker", "")) for citation in answer.get("citations") or ()}
    cuts = {int(doubt[edge]) for doubt in answer.get("doubts") or () for edge in ("start", "end")}
    for block in blocks(text):
        if block.language is not None:
            yield Piece(text=text[block.start : block.end], kind="code", start=block.start, end=block.end)
            continue
        yield from _prose(text, block.start, block.end, known, cuts)


def _prose(text: str, start: int, end: int, known: set[str], cuts: set[int]) -> Iterator[Piece]:
    markers = [match.span() for match in _MARKER.finditer(text, start, end) if match[0] in known]
    within = {cut for cut in cuts if start < cut < end}
    edges = sorted({start, end, *within, *(edge for span in markers for edge in span)})
    for left, right in pairwise(edges):
        kind: Literal["prose", "marker"] = "marker" if (left, right) in markers else "prose"
        yield Piece(text=text[left:right], kind=kind, start=left, end=right)


def status_of(answer: Mapping[str, Any]) -> str:
    """`Not found: why`, or "" where there is an answer."""
    status = str(answer.get("status") or "answered")
    if status == "answered":
        return ""
    said, reason = _STATUS.get(status, status), one_line(str(answer.get("reason") or ""))
    return f"{said}: {reason}" if reason else said


def doubt_of(doubt: Mapping[str, Any]) -> str:
    """Why a sentence is marked: `no citation`, `not supported: …`."""
    kind, reason = _KINDS.get(str(doubt.get("kind")), "in doubt"), one_line(str(doubt.get("reason") or ""))
    return f"{kind}: {reason}" if reason else kind


def searches_of(answer: Mapping[str, Any]) -> Sequence[str]:
    """The searches that were tried, each once, where they led to nothing; none for an answer."""
    if answer.get("status") != "not_found":
        return ()
    lines: dict[str, None] = {}
    for search in answer.get("searches") or ():
        query = one_line(str(search.get("query") or ""))
        asked = f"{search.get('function', '')}{f' “{query}”' if query else ''}"
        lines[f"{asked}{filter_text(search.get('filters'))}: {number_of(int(search.get('hits') or 0), 'hit')}"] = None
    return tuple(lines)


def dropped_of(answer: Mapping[str, Any]) -> Sequence[str]:
    """The markers that the model made up, which were taken out."""
    return tuple(one_line(str(marker)) for marker in answer.get("rejected") or ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What a marker stands for: `where` is the title with its pages, `also` what else says the same."""

    marker: str
    where: str
    source: str
    quote: str
    also: str = ""


def sources_of(answer: Mapping[str, Any]) -> Iterator[Source]:
    """What the markers stand for, in their order."""
    for citation in answer.get("citations") or ():
        also = [one_line(str(doc_id)) for doc_id in citation.get("also") or ()]
        title = one_line(str(citation.get("title") or citation.get("doc_id", "")))
        yield Source(
            marker=str(citation.get("marker", "")),
            where=f"{title}{page_text(citation.get('pages') or ())}",
            source=one_line(str(citation.get("source", ""))),
            quote=one_line(str(citation.get("quote", ""))),
            also=f"also in {', '.join(also)}" if also else "",
        )
