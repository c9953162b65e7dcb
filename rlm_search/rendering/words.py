"""Small pieces of text for people: numbers with their nouns, pages, filters; and text that steers no terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import Any

_WIDEST = 100


def brief(text: str, width: int = _WIDEST) -> str:
    """One line of at most `width` characters, nothing unprintable."""
    text = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * width]).split())
    return text if len(text) <= width else text[: width - 1] + "…"


def page_text(pages: Iterable[int]) -> str:
    """`, p. 3` or a range, or nothing."""
    numbers = sorted(pages)
    if not numbers:
        return ""
    return f", p. {numbers[0]}" if numbers[0] == numbers[-1] else f", p. {numbers[0]}–{numbers[-1]}"  # noqa: RUF001 - a range


def number_of(count: int, one: str, several: str = "") -> str:
    """`1 step`, `2 steps`."""
    return f"{count:,} {one if count == 1 else several or one + 's'}"


def filter_text(filters: Any) -> str:
    """` where …`, or nothing."""
    return f" where {brief(str(filters), 60)}" if filters else ""


def printable(text: str) -> str:
    """Text of a document without anything that would steer a terminal; line breaks and tabs stay."""
    return "".join(c if c.isprintable() or c in "\n\t" else " " for c in text)


def one_line(text: str) -> str:
    """Without line breaks and without anything that would steer a terminal."""
    return " ".join(printable(text).split())


def wrapped(passage: str, width: int, indent: str = "  ") -> str:
    """A passage as an indented paragraph."""
    return textwrap.fill(
        one_line(passage), width, initial_indent=indent, subsequent_indent=indent, break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip
