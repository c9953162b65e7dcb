"""Pages of a document put together, and their numbers written short."""

from __future__ import annotations

from collections.abc import Sequence

_MOST_RANGES = 50  # metadata is kept with each page: it must not grow with their number


def joined(texts: Sequence[str]) -> tuple[str, tuple[int, ...]]:
    """One text of all pages, each ending its last line, and where each page begins."""
    starts, at, parts = [], 0, []
    for text in texts:
        part = f"{text}\n" if text else ""
        starts.append(at)
        parts.append(part)
        at += len(part)
    return "".join(parts), tuple(starts)


def page_ranges(numbers: Sequence[int]) -> tuple[str, ...]:
    """Ascending page numbers as ranges: 1, 2, 3, 7 is `1-3`, `7`."""
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    shown = [str(first) if first == last else f"{first}-{last}" for first, last in ranges[:_MOST_RANGES]]
    return tuple(shown + ["\u2026"] * (len(ranges) > _MOST_RANGES))
