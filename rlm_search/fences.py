"""Fenced code blocks in Markdown, found line by line: backticks or tildes, longer fences, unclosed ones."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_OPENING = re.compile(r"[ ]{0,3}(?P<fence>`{3,}|~{3,})[ \t]*(?P<info>[^\n]*)\n?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A piece of a text: prose, or a fenced block with its language. `text[start:end]` is all of it, fences included.

    Attributes:
        language: first word of the info string in lower case, "" where there is none; None for prose.
        body: the prose, or what stands between the fences.
        is_closed: whether the closing fence is there; always for prose.
    """

    language: str | None
    body: str
    start: int
    end: int
    is_closed: bool = True


def blocks(text: str) -> Iterator[Block]:
    """The pieces of a text in order; together they are the text. An unclosed fence reaches to the end."""
    prose_from = position = 0
    lines = text.splitlines(keepends=True)
    index = 0
    while index < len(lines):
        opening = _opening(lines[index])
        if opening is None:
            position += len(lines[index])
            index += 1
            continue
        if position > prose_from:
            yield Block(language=None, body=text[prose_from:position], start=prose_from, end=position)
        block, index = _fenced(text, lines, index, position, opening)
        yield block
        prose_from = position = block.end
    if position > prose_from:
        yield Block(language=None, body=text[prose_from:], start=prose_from, end=len(text))


def _opening(line: str) -> re.Match[str] | None:
    match = _OPENING.fullmatch(line)
    if match is None or (match["fence"][0] == "`" and "`" in match["info"]):
        return None
    return match


def _fenced(text: str, lines: list[str], index: int, start: int, opening: re.Match[str]) -> tuple[Block, int]:
    fence, info = opening["fence"], opening["info"].strip().strip("{}.").split()
    language = info[0].lower() if info else ""
    body_start = position = start + len(lines[index])
    for number in range(index + 1, len(lines)):
        line = lines[number].strip()
        if len(line) >= len(fence) and set(line) == {fence[0]}:
            end = position + len(lines[number])
            return Block(language=language, body=text[body_start:position], start=start, end=end), number + 1
        position += len(lines[number])
    body = text[body_start:]
    is_closed = body.rstrip().endswith(fence)  # at the end of the last line of code, where some models put it
    body = body.rstrip().removesuffix(fence) if is_closed else body
    return Block(language=language, body=body, start=start, end=len(text), is_closed=is_closed), len(lines)
