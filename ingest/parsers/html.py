"""HTML: headings, paragraphs, lists and tables as text; scripts and styles dropped."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ingest.errors import ParseError
from ingest.parsers.properties import properties
from ingest.parsers.text import encoding_of, guess, known
from ingest.parsers.writing import TextWriter
from ingest.types import DEFAULT_OPTIONS, Parsed, ParserOptions
from retrievers.types import MetadataValue

_DROPPED = frozenset(
    ["script", "style", "noscript", "template", "svg", "math", "head", "iframe", "object", "canvas", "select"]
)
_BLOCKS = frozenset(
    [
        "address",
        "article",
        "aside",
        "blockquote",
        "body",
        "center",
        "dd",
        "details",
        "dialog",
        "dir",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "footer",
        "form",
        "header",
        "hgroup",
        "li",
        "main",
        "menu",
        "nav",
        "ol",
        "section",
        "summary",
        "table",
        "tbody",
        "td",
        "tfoot",
        "th",
        "thead",
        "tr",
        "ul",
    ]
)
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_CELL = 400  # characters of a cell above which a table is there for the layout
_DECLARED = re.compile(rb"""<(?:meta|\?xml)[^>]*?(?:charset|encoding)\s*=\s*["']?\s*([\w\-]+)""", re.IGNORECASE)
_META = {
    "author": "author",
    "article:author": "author",
    "dc.creator": "author",
    "dcterms.creator": "author",
    "citation_author": "author",
    "description": "description",
    "keywords": "keywords",
    "dc.subject": "subject",
    "article:published_time": "created",
    "dc.date": "created",
    "dcterms.created": "created",
    "citation_publication_date": "created",
    "date": "created",
    "article:modified_time": "modified",
    "dcterms.modified": "modified",
    "last-modified": "modified",
}
_TITLES = ("citation_title", "og:title", "dc.title")


def parse(path: Path, options: ParserOptions = DEFAULT_OPTIONS) -> Iterator[Parsed]:
    """The file as one document."""
    yield read(path.read_bytes())


def read(content: bytes, encoding: str | None = None) -> Parsed:
    """A page as a document; `encoding` where it is known from elsewhere.

    Raises:
        UnsupportedFormat: it is no text at all.
        ParseError: it is nested beyond sense.
    """
    from lxml import etree, html

    text = content.decode(encoding or _encoding(content), "replace")
    parser = html.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True)
    try:
        root = html.document_fromstring(text.encode("utf-8", "replace"), parser=parser)
    except etree.ParserError:  # nothing but markup
        return Parsed(text="", media_type="text/html")
    if any("depth" in entry.message for entry in parser.error_log):
        raise ParseError("its elements are nested too deeply")
    writer = TextWriter()
    _write(root, writer)
    return Parsed(
        text=writer.text.strip("\n"),
        media_type="text/html",
        title=_title(root),
        headings=writer.headings,
        metadata=_metadata(root),
    )


def _encoding(content: bytes) -> str:
    certain = encoding_of(content)
    if certain is not None:
        return certain
    declared = _DECLARED.search(content[:4096])
    return (known(declared[1].decode("ascii")) if declared else None) or guess(content)


def _metas(root: Any) -> Iterator[tuple[str, str]]:
    for meta in root.iter("meta"):
        yield (meta.get("name") or meta.get("property") or "").lower(), meta.get("content") or ""


def _metadata(root: Any) -> dict[str, MetadataValue]:
    named = (
        (_META.get(name, ""), content.replace("/", "-") if "date" in name else content)
        for name, content in _metas(root)
    )
    return properties(pair for pair in named if not pair[1].startswith(("http://", "https://")))


def _title(root: Any) -> str:
    title = " ".join((root.findtext(".//title") or "").split())
    return title or next((content for name, content in _metas(root) if name in _TITLES), "")


def _write(root: Any, writer: TextWriter) -> None:
    """Write an element and what is in it, but not what follows it."""
    from lxml import etree

    open_headings: list[int] = []
    walker = etree.iterwalk(root, events=("start", "end"))
    for event, element in walker:
        tag = element.tag
        if event == "end":
            _end(tag, writer, open_headings)
            if element is not root and element.tail:
                writer.write(element.tail)
            continue
        if (
            tag in _DROPPED
            or (tag == "table" and _write_table(element, writer))
            or (tag == "pre" and _pre(element, writer))
        ):
            walker.skip_subtree()
            continue
        _start(tag, writer, open_headings)
        if element.text:
            writer.write(element.text)


def _start(tag: str, writer: TextWriter, open_headings: list[int]) -> None:
    if tag in _HEADINGS:
        open_headings.append(writer.heading(_HEADINGS[tag]))
    elif tag in ("p", "hr"):
        writer.paragraph()
    elif tag == "br":
        writer.line()
    elif tag in _BLOCKS:
        writer.line()
        if tag == "li":
            writer.write("- ")


def _end(tag: str, writer: TextWriter, open_headings: list[int]) -> None:
    if tag in _HEADINGS and open_headings:
        writer.end_heading(open_headings.pop())
    elif tag in ("p", "ul", "ol", "table"):
        writer.paragraph()
    elif tag in _BLOCKS:
        writer.line()


def _pre(element: Any, writer: TextWriter) -> bool:
    writer.paragraph()
    writer.verbatim(element.text_content().replace("\r\n", "\n").strip("\n"))
    writer.paragraph()
    return True


def _write_table(table: Any, writer: TextWriter) -> bool:
    """Write a table of data as rows; False for one that only lays out a page."""
    if table.find(".//table") is not None:
        return False
    rows = [[cell for cell in row if cell.tag in ("td", "th")] for row in table.iter("tr")]
    texts = [[_cell_text(cell) for cell in row] for row in rows]
    if any(len(text) > _CELL for row in texts for text in row):
        return False
    writer.paragraph()
    for caption in table.iter("caption"):
        writer.row([_cell_text(caption)])
    header: list[str] = []
    for row, cells in zip(rows, texts, strict=True):
        filled = [cell for cell in cells if cell]
        is_header = len(filled) > 1 and all(cell.tag == "th" for cell in row)
        matches = bool(header) and len(cells) == len(header) and not is_header
        writer.row(cells if matches else filled, header if matches else ())
        header = cells if is_header else header
    writer.paragraph()
    return True


def _cell_text(cell: Any) -> str:
    """The text of a cell on one line; its lines and paragraphs are parted by spaces, words with markup in them not."""
    if not len(cell):
        return " ".join((cell.text or "").split())
    writer = TextWriter()
    _write(cell, writer)
    return " ".join(writer.text.split())
