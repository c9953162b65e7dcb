"""Markdown, kept as it is written but for the rows of tables; its headings and its front matter are read out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ingest.parsers.parts import parse_parts
from ingest.parsers.pipe_tables import with_rows
from ingest.parsers.text import WHOLE_BYTES, decode
from ingest.types import DEFAULT_OPTIONS, Parsed, ParserOptions
from retrievers.types import Heading, MetadataValue

_LINE = re.compile(r"^.*$", re.MULTILINE)
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_ATX = re.compile(r" {0,3}(?P<marks>#{1,6})[ \t]+(?P<title>.*?)[ \t]*#*[ \t]*$")
_UNDERLINE = re.compile(r" {0,3}(?:(?P<first>=+)|-{2,})[ \t]*$")
_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(?P<entries>.*?\n)(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_ENTRY = re.compile(
    r"^(?P<key>[A-Za-z][\w \-]*):(?:[ \t]+(?P<value>\S.*?)[ \t]*$|[ \t]*(?P<items>(?:\n[ \t]*-[ \t].*)+))",
    re.MULTILINE,
)
_NAMES = {
    "authors": "author",
    "date": "created",
    "last_modified": "modified",
    "lastmod": "modified",
    "lang": "language",
}
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_EMPHASIS = re.compile(r"[*_`]{1,3}(?=\S)(.+?)(?<=\S)[*_`]{1,3}")


def parse(path: Path, options: ParserOptions = DEFAULT_OPTIONS) -> Iterator[Parsed]:
    """The file as one document; one beyond `WHOLE_BYTES` in parts, as plain text is."""
    if path.stat().st_size > WHOLE_BYTES:
        yield from parse_parts(path, media_type="text/markdown")
        return
    decoded = decode(path.read_bytes())
    text = with_rows(decoded.text)
    entries, begin = front_matter(text)
    headings = tuple(headings_of(text, begin))
    first = headings[0].title if headings and headings[0].level == 1 else ""
    title = entries.pop("title", "")
    yield Parsed(
        text=text,
        media_type="text/markdown",
        title=str(title) or first,
        headings=headings,
        metadata=entries,
        warnings=decoded.warnings,
    )


def front_matter(text: str) -> tuple[dict[str, MetadataValue], int]:
    """The plain `key: value` lines of a YAML header, and where the document proper begins."""
    match = _FRONT_MATTER.match(text)
    if match is None:
        return {}, 0
    found: dict[str, MetadataValue] = {}
    for entry in _ENTRY.finditer(match["entries"]):
        key = entry["key"].strip().lower()
        value = _value(entry["value"] or "", entry["items"] or "")
        if value:
            found[_NAMES.get(key, key)] = value
    return found, match.end()


def _value(written: str, items: str) -> MetadataValue:
    """One value, or several in brackets or one a line."""
    if written.startswith("[") and written.endswith("]"):
        several = written[1:-1].split(",")
    elif items:
        several = [item.partition("-")[2] for item in items.strip().split("\n")]
    else:
        return written.strip("'\"")
    values = tuple(filter(None, (value.strip(" \t'\"") for value in several)))
    return values if len(values) != 1 else values[0]


def headings_of(text: str, begin: int = 0) -> Iterator[Heading]:
    """The headings, with `#` or underlined, outside fenced code."""
    fence = ""
    paragraph: re.Match[str] | None = None
    for line in _LINE.finditer(text, begin):
        opened = _FENCE.match(line[0])
        if opened:
            fence = _after_a_fence(fence, opened[1])
        if fence or opened:
            paragraph = None
            continue
        marked = _ATX.match(line[0])
        if marked and marked["title"]:
            start = line.start() + len(line[0]) - len(line[0].lstrip())
            yield Heading(title=plain(marked["title"]), level=len(marked["marks"]), start=start)
        underline = _UNDERLINE.match(line[0]) if paragraph is not None else None
        if underline and paragraph is not None:
            start = paragraph.start() + len(paragraph[0]) - len(paragraph[0].lstrip())
            yield Heading(title=plain(paragraph[0].strip()), level=1 if underline["first"] else 2, start=start)
        paragraph = line if line[0].strip() and not marked and not underline and _is_prose(line[0]) else None


def _after_a_fence(fence: str, marks: str) -> str:
    """The fence that is open after a line that begins with these marks."""
    if not fence:
        return marks
    return "" if marks[0] == fence[0] and len(marks) >= len(fence) else fence


def _is_prose(line: str) -> bool:
    return line.lstrip()[0] not in "|>-*+#<" and not line.startswith(("    ", "\t"))


def plain(markup: str) -> str:
    """A heading without links and emphasis."""
    return _EMPHASIS.sub(r"\1", _LINK.sub(r"\1", markup)).strip()
