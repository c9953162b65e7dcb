"""The sentences of an answer that claim something, and the markers that stand behind each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from rlm_search.fences import blocks
from rlm_search.models.reader import ABBREVIATION
from rlm_search.types import Doubt

_MARKERS = r"(?:[ \t]*\[\d{1,3}\])"
_END = re.compile(rf"(?:[.!?…]+[\"'”’»)\]*_]*{_MARKERS}*(?=\s|$)|[。！？]+[”’」』)]*{_MARKERS}*)")  # noqa: RUF001 - of Chinese
_LINE_START = re.compile(r"[ \t]*(?:(?:[-*+•>]|\d{1,3}[.)])[ \t]+)*")
_STANDS_ALONE = re.compile(r"[ \t]*(?:[-*+•>|]|\d{1,3}[.)][ \t]|#)")
_WORD = re.compile(r"[^\W_]+")
_RULE = re.compile(r"[\s|:=*_#-]*")
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_FEWEST_WORDS = 3
"""Of a claim without a number in it: "Yes." and "In short" claim nothing that could be looked up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A sentence of an answer: `answer[start:end]`, its markers included."""

    text: str
    start: int
    end: int
    markers: tuple[str, ...]


def claims(answer: str) -> Iterator[Claim]:
    """The sentences that claim something, in order: of paragraphs, items of lists and rows of tables, not of code.

    Headings, lines that lead to a list, remarks in brackets, and what has fewer than three words and no number are left
    out. Markers behind the end of a sentence belong to it.
    """
    for block in blocks(answer):
        if block.language is None:
            for start, end in _units(answer, block.start, block.end):
                yield from _claims_in(answer, start, end)


def uncited(answer: str) -> Iterator[Doubt]:
    """The claims that nothing is cited for."""
    for claim in claims(answer):
        if not claim.markers:
            yield Doubt(kind="uncited", start=claim.start, end=claim.end)


def _units(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Paragraphs with their wrapped lines; items, rows and headings each on their own."""
    unit: tuple[int, int] | None = None
    position = start
    lines = text[start:end].splitlines(keepends=True)
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        goes_on = unit is not None and line.strip() and not _STANDS_ALONE.match(line)
        if unit is not None and not goes_on:
            yield unit
            unit = None
        if line.strip() and not line.lstrip().startswith("#") and not _is_head(line, following):
            unit = (unit[0] if unit else position, position + len(line))
        position += len(line)
    if unit is not None:
        yield unit


def _is_head(line: str, following: str) -> bool:
    """Whether a line is the head of a table."""
    return "|" in line and "-" in following and "|" in following and bool(_RULE.fullmatch(following))


def _claims_in(text: str, start: int, end: int) -> Iterator[Claim]:
    leading = _LINE_START.match(text, start, end)
    position = leading.end() if leading else start
    for stop in [*_ends(text, position, end), end]:
        left, right = _trimmed(text, position, stop)
        if _claims_something(text[left:right]):
            markers = tuple(dict.fromkeys(re.findall(r"\[\d{1,3}\]", text[left:right])))
            yield Claim(text=text[left:right], start=left, end=right, markers=markers)
        position = stop


def _ends(text: str, start: int, end: int) -> Iterator[int]:
    for match in _END.finditer(text, start, end):
        before = text[max(start, match.start() - 8) : match.start() + 1]
        if not (match[0].startswith(".") and ABBREVIATION.search(before)):
            yield match.end()


def _claims_something(sentence: str) -> bool:
    bare = re.sub(_MARKERS, "", sentence).strip().strip("*_ ")
    if not bare or _RULE.fullmatch(bare) or bare.endswith((":", "\uff1a")) or (bare[0] == "(" and bare[-1] == ")"):
        return False
    words = _WORD.findall(bare)
    return (
        len(words) >= _FEWEST_WORDS or any(word.isdigit() for word in words) or len(_CJK.findall(bare)) > _FEWEST_WORDS
    )


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    piece = text[start:end]
    return start + len(piece) - len(piece.lstrip(" \t\n|")), start + len(piece.rstrip(" \t\n|"))
