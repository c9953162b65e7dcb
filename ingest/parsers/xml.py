"""XML of any kind as text: paragraphs as they read, values with the names of their elements, titles as headings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ingest.errors import ParseError
from ingest.parsers.properties import properties
from ingest.parsers.rows import write_table
from ingest.parsers.writing import TextWriter
from ingest.types import DEFAULT_OPTIONS, Parsed, ParserOptions

MEDIA_TYPE = "application/xml"
_WHOLE_BYTES = 32 << 20  # a larger file is read child by child of its root, and never in memory whole
_FLOWING = frozenset(  # their text reads on through the elements in them, in most vocabularies
    ["p", "para", "paragraph", "simpara", "li", "item", "caption", "line", "abstract-text", "claim-text", "term", "def"]
)
_TITLES = frozenset(["title", "article-title", "invention-title", "title-of-invention", "subtitle", "heading"])
_AUTHORS = frozenset(["author", "creator", "contributor"])
_TABLES = frozenset(["table", "tgroup"])
_ROWS = frozenset(["tr", "row"])
_SILENT = frozenset(["id", "rid", "class", "style", "space"])  # attributes that say nothing to a reader
_SAID = 1_000  # elements that are looked at for a title and authors
_LONG_WORD = 200  # characters without a space: an encoded picture
_DEEP = 200  # elements in each other: more is an attack
_ENTITY = 1_000  # characters that an entity may stand for


def parse(path: Path, options: ParserOptions = DEFAULT_OPTIONS) -> Iterator[Parsed]:
    """The file as one document.

    Raises:
        ParseError: it is no XML, or nested beyond sense.
    """
    from lxml import etree

    writer = TextWriter()
    said: list[tuple[str, str]] = []
    with path.open("rb") as file:
        events = etree.iterparse(
            file, events=("start", "end"), resolve_entities=False, no_network=True, load_dtd=False, recover=True
        )
        try:
            for element in _parts(events, is_large=path.stat().st_size > _WHOLE_BYTES):
                said += _said(element) if not said else ()
                _Writing(writer, element).write(element, level=0)
        except etree.XMLSyntaxError as error:
            raise ParseError(f"it is no XML: {error}") from error
    is_damaged = any(entry.level_name == "FATAL" for entry in events.error_log)
    text = writer.text.strip("\n")
    if is_damaged and not text:
        raise ParseError("it is no XML that can be read")
    found = properties(said)
    title = found.pop("title", "")
    yield Parsed(
        text=text,
        media_type=MEDIA_TYPE,
        title=str(title),
        headings=writer.headings,
        metadata=found,
        warnings=("repaired",) * is_damaged,
    )


def _parts(events: Any, *, is_large: bool) -> Iterator[Any]:
    """The root, or of a large file the elements in it, one by one."""
    depth = 0
    for event, element in events:
        depth += 1 if event == "start" else -1
        if depth > _DEEP:
            raise ParseError("its elements are nested too deeply")
        if event == "start" or depth != int(is_large):
            continue
        yield element
        if is_large:
            element.clear(keep_tail=True)
            while (before := element.getprevious()) is not None:
                before.getparent().remove(before)


def _said(top: Any) -> list[tuple[str, str]]:
    """Title and authors, where they have their usual names."""
    found: list[tuple[str, str]] = []
    for number, element in enumerate(top.iter("{*}*")):
        if number >= _SAID:
            break
        if _name(element) in _TITLES:
            found.append(("title", _flowing(element, {})))
        elif _name(element) in _AUTHORS and not len(element):
            found.append(("author", element.text or ""))
    return found


class _Writing:
    """Writes an element and what is in it."""

    def __init__(self, writer: TextWriter, element: Any) -> None:
        self._writer = writer
        dtd = element.getroottree().docinfo.internalDTD
        entities = dtd.iterentities() if dtd is not None else ()
        self._entities = {entity.name: entity.content or "" for entity in entities}

    def write(self, element: Any, *, level: int) -> None:
        name = _name(element)
        children = [child for child in element if isinstance(child.tag, str)]
        if name in _TITLES:
            self._write_heading(element, max(level, 1))
        elif name in _TABLES and (rows := self._rows(element)):
            self._writer.paragraph()
            write_table(rows, self._writer)
            self._writer.paragraph()
        elif name in _FLOWING or _is_mixed(element, children):
            self._write_line(_flowing(element, self._entities))
        elif not children:
            self._write_value(element)
        else:
            self._write_group(element, children, level)

    def _write_group(self, element: Any, children: list[Any], level: int) -> None:
        self._writer.paragraph()
        attributes = _attributes(element)
        if attributes and level:
            self._writer.row([f"{_written_name(element)}: {attributes}"])
        for child in children:
            self.write(child, level=level + 1)
        self._writer.paragraph()

    def _write_heading(self, element: Any, level: int) -> None:
        text = _flowing(element, self._entities)
        if text.strip():
            number = self._writer.heading(level)
            self._writer.write(text)
            self._writer.end_heading(number)

    def _write_line(self, text: str) -> None:
        self._writer.line()
        self._writer.write(text)
        self._writer.line()

    def _write_value(self, element: Any) -> None:
        text = " ".join(_flowing(element, self._entities).split())
        parts = [part for part in (_attributes(element), text) if part]
        if parts and not (len(text) > _LONG_WORD and " " not in text):
            self._write_line(f"{_written_name(element)}: {', '.join(parts)}")

    def _rows(self, table: Any) -> list[list[str]]:
        rows = (row for row in table.iter("{*}*") if _name(row) in _ROWS)
        return [[" ".join(_flowing(cell, self._entities).split()) for cell in row.iterchildren("{*}*")] for row in rows]


def _flowing(element: Any, entities: dict[str, str]) -> str:
    """The text of an element and of those in it, as one."""
    parts = [element.text or ""]
    for child in element:
        if isinstance(child.tag, str):
            parts += [_flowing(child, entities), " " * (_name(child) in _FLOWING)]
        elif entities and hasattr(child, "name"):  # a reference to an entity, which the parser leaves alone
            content = entities.get(child.name, "")
            parts.append(content if "&" not in content and len(content) <= _ENTITY else "")
        parts.append(child.tail or "")
    return "".join(parts)


def _is_mixed(element: Any, children: list[Any]) -> bool:
    return bool(children) and any((text or "").strip() for text in (element.text, *(child.tail for child in children)))


def _name(element: Any) -> str:
    return _written_name(element).lower()


def _written_name(element: Any) -> str:
    return str(element.tag).rpartition("}")[2]


def _attributes(element: Any) -> str:
    said = ((name.rpartition("}")[2], value.strip()) for name, value in element.attrib.items())
    return ", ".join(f"{name}={value}" for name, value in said if value and name not in _SILENT and "://" not in value)
