"""The extra `unstructured`: reads chosen formats in place of the light readers, and tells the types of elements.

What it calls a title is a heading, its tables are rows with their header, its page numbers are pages. Properties and
attachments are still read by the light reader. It sends nothing and fetches nothing: where its language model is not
installed, sentences end by rule.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ingest.errors import ConfigError, ParseError
from ingest.parsers.rows import write_table
from ingest.parsers.writing import TextWriter
from ingest.protocols import Parser
from ingest.settings import keep_unstructured_quiet
from ingest.types import Enclosed, Parsed, ParserOptions

EXTRA = "unstructured"
PARTITIONS = {  # of formats that it reads without starting another program
    "csv": "csv",
    "docx": "docx",
    "eml": "email",
    "html": "html",
    "markdown": "md",
    "msg": "msg",
    "pptx": "pptx",
    "text": "text",
    "tsv": "tsv",
    "xlsx": "xlsx",
    "xml": "xml",
}
_MODEL = "en_core_web_sm"
_SILENT = frozenset(["PageBreak", "Image", "PageNumber"])
_NO_LANGUAGE = [""]  # so it is told not to guess


def check(formats: Sequence[str]) -> None:
    """Refuse formats that cannot be read so.

    Raises:
        ConfigError: the extra is not installed, or does not read one of them.
    """
    unknown = sorted(set(formats) - set(PARTITIONS))
    if unknown:
        raise ConfigError(f"unstructured does not read {unknown[0]}", hint=f"it reads {', '.join(sorted(PARTITIONS))}")
    if formats and importlib.util.find_spec(EXTRA) is None:
        raise ConfigError(
            f"reading {', '.join(formats)} with unstructured needs its extra",
            hint="pip install 'rlm-search[unstructured]'",
        )


def version() -> str:
    """Of the library, "" where it is not installed."""
    from importlib import metadata

    try:
        return metadata.version(EXTRA)
    except metadata.PackageNotFoundError:
        return ""


def prepare(formats: Sequence[str]) -> None:
    """Load what reads these formats, for processes that are forked later to share."""
    for name in formats:
        _partition(name)


def parser_of(name: str, light: Parser) -> Parser:
    """The parser of a format; `light` reads what unstructured does not tell."""

    def parse(path: Path, options: ParserOptions) -> Iterator[Parsed | Enclosed]:
        for found in light(path, options):
            yield _read_again(found, name, path) if isinstance(found, Parsed) and not found.record else found

    return parse


def _read_again(light: Parsed, name: str, path: Path) -> Parsed:
    writer = TextWriter()
    labels = _write(_elements(name, path), writer)
    text = writer.text
    if not text.strip():
        if light.text.strip():
            raise ParseError("unstructured found no text in it", hint="leave its format out of `[ingest] unstructured`")
        return light
    return replace(
        light,
        text=text,
        title=light.title,
        pages=writer.pages,
        page_labels=labels.pages if writer.pages else (),
        headings=writer.headings,
        metadata={**light.metadata, "element_types": tuple(sorted(labels.types))},
    )


def _elements(name: str, path: Path) -> Sequence[Any]:
    partition = _partition(name)
    try:
        elements: Sequence[Any] = partition(filename=str(path), languages=_NO_LANGUAGE)
    except MemoryError:
        raise
    except Exception as error:  # fate: recorded against this file; it raises any class on bad input
        raise ParseError(f"unstructured cannot read it: {type(error).__name__}: {error}"[:300]) from error
    return elements


def _partition(name: str) -> Callable[..., Any]:
    keep_unstructured_quiet()
    kind = PARTITIONS[name]
    module = importlib.import_module(f"unstructured.partition.{kind}")
    _end_sentences_by_rule()
    partition: Callable[..., Any] = getattr(module, f"partition_{kind}")
    return partition


def _end_sentences_by_rule() -> None:
    """Keep it from fetching its language model at the first text, which needs a network and a folder to write to."""
    import spacy
    from unstructured.nlp import tokenize

    if spacy.util.is_package(_MODEL):
        return

    def blank() -> Any:
        nlp = spacy.blank("en")
        nlp.add_pipe("sentencizer")
        return nlp

    tokenize._load_spacy_model = blank


class _Labels:
    """What is gathered beside the text: the names of pages, and the types of elements."""

    def __init__(self) -> None:
        self.pages: tuple[str, ...] = ()
        self.types: set[str] = set()


def _write(elements: Sequence[Any], writer: TextWriter) -> _Labels:
    labels = _Labels()
    names: list[str] = []
    for element in elements:
        number = element.metadata.page_number or 0
        while number > len(names):
            writer.page()
            names.append(str(len(names) + 1))
        if number:
            names[number - 1] = element.metadata.page_name or names[number - 1]
        if element.text.strip() and element.category not in _SILENT:
            labels.types.add(element.category)
            _write_element(element, writer)
    plain = [str(number) for number in range(1, len(names) + 1)]
    labels.pages = () if names == plain else tuple(names)
    return labels


def _write_element(element: Any, writer: TextWriter) -> None:
    match element.category:
        case "Title":
            number = writer.heading((element.metadata.category_depth or 0) + 1)
            writer.write(element.text)
            writer.end_heading(number)
        case "Table":
            writer.paragraph()
            write_table(_rows(element), writer)
            writer.paragraph()
        case "CodeSnippet":
            writer.paragraph()
            writer.verbatim(element.text)
            writer.paragraph()
        case "ListItem":
            writer.line()
            writer.write(f"- {element.text}")
            writer.line()
        case _:
            writer.paragraph()
            writer.write(element.text)
            writer.paragraph()


def _rows(table: Any) -> list[list[str]]:
    from lxml import html

    if not table.metadata.text_as_html:
        return [[table.text]]
    root = html.fragment_fromstring(table.metadata.text_as_html, create_parent=True)
    return [[" ".join(cell.text_content().split()) for cell in row] for row in root.iter("tr")]
