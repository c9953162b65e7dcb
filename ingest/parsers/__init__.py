"""Parsers, one format family a module. `formats` is the table of them, `detection` tells which a file needs.

An installed package adds a format by an entry point of the group `rlm_search.parsers`, named like the extension of its
files (`tide = "my_package:parse_tide"`, see `ingest.protocols.Parser`). Built-in formats go before it.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path

from ingest.errors import ParseError, UnsupportedFormat
from ingest.parsers.clipping import clipping
from ingest.parsers.detection import HEAD, extension_of, format_of
from ingest.parsers.formats import BY_EXTENSION, BY_NAME, FORMATS, Format
from ingest.protocols import Parser
from ingest.types import DEFAULT_OPTIONS, Enclosed, Parsed, ParserOptions

__all__ = [
    "FORMATS",
    "VERSION",
    "Format",
    "chosen",
    "extension_of",
    "format_of",
    "load",
    "parser_for",
    "plugin_folders",
    "plugins",
    "preload",
    "version",
    "versions",
]

VERSION = "4"
"""Changes whenever files of all formats are read differently; what concerns one has a version in `formats`."""
GROUP = "rlm_search.parsers"
_GUESSED = ("json", "jsonl")
_LIBRARIES = ("pypdfium2.raw", "lxml.html", "charset_normalizer", "email.policy", "olefile", "puremagic")


def parser_for(path: Path, options: ParserOptions = DEFAULT_OPTIONS) -> Parser:
    """The parser that reads this file; raises as `chosen`."""
    return chosen(path, options)[1]


def chosen(path: Path, options: ParserOptions = DEFAULT_OPTIONS) -> tuple[str, Parser]:
    """The name of a file's format, and the parser that reads it.

    Raises:
        UnsupportedFormat: there is none.
        ParseError: the file is an encrypted or damaged container.
        OSError: the file cannot be opened.
    """
    with path.open("rb") as file:
        head = file.read(HEAD)
    plugged = plugins().get(extension_of(path)) if extension_of(path) not in BY_EXTENSION else None
    try:
        format_ = format_of(path, head)
    except UnsupportedFormat:
        if plugged is None:
            raise
    else:
        if plugged is None or format_.name != "text":
            if not head:
                return format_.name, _Empty(format_.media_type)
            parser = _parser_of(format_, options)
            is_a_guess = format_.name in _GUESSED and BY_EXTENSION.get(extension_of(path)) is not format_
            return format_.name, _OrText(parser) if is_a_guess else parser
    return extension_of(path), plugged.load()


def _parser_of(format_: Format, options: ParserOptions) -> Parser:
    if format_.name not in options.unstructured:
        return clipping(load(format_))
    from ingest.parsers import elements

    return clipping(elements.parser_of(format_.name, load(format_)))


@cache
def plugins() -> Mapping[str, metadata.EntryPoint]:
    """The parsers of installed packages, by extension."""
    return {entry.name.lower(): entry for entry in metadata.entry_points(group=GROUP)}


def plugin_folders() -> list[str]:
    """Where the parsers of installed packages lie; one that is installed for editing lies anywhere."""
    found: list[str] = []
    for entry in plugins().values():
        spec = importlib.util.find_spec(entry.module.partition(".")[0])
        if spec is not None:
            found += spec.submodule_search_locations or ([spec.origin] if spec.has_location and spec.origin else [])
    return found


def version() -> str:
    """Names what all parsers have in common, and those of installed packages."""
    return "+".join([VERSION, *sorted(plugins())])


def versions() -> dict[str, str]:
    """The version of each format, those of installed packages included."""
    others = {name: entry.dist.version if entry.dist else "" for name, entry in plugins().items()}
    return {**others, **{format_.name: format_.version for format_ in FORMATS}}


def load(format_: Format) -> Parser:
    """Import a format's parser."""
    module, _, function = format_.parser.partition(":")
    parser: Parser = getattr(importlib.import_module(module), function)
    return parser


def preload() -> None:
    """Import all parsers and the native libraries behind them, for processes that are forked later to share."""
    plugins()
    for format_ in FORMATS:
        load(format_)
    for library in _LIBRARIES:
        importlib.import_module(library)


class _OrText:
    """Reads what begins like records, and is not called so: as text where it is none."""

    def __init__(self, inner: Parser) -> None:
        self._inner = inner

    def __call__(self, path: Path, options: ParserOptions) -> Iterator[Parsed | Enclosed]:
        found = iter(self._inner(path, options))
        try:
            first = next(found, None)
        except (ParseError, RecursionError):
            yield from clipping(load(BY_NAME["text"]))(path, options)
            return
        if first is not None:
            yield first
        yield from found


class _Empty:
    """Reads a file of no bytes, whatever its format: one document without text."""

    def __init__(self, media_type: str) -> None:
        self._media_type = media_type

    def __call__(self, path: Path, options: ParserOptions) -> Iterator[Parsed]:
        yield Parsed(text="", media_type=self._media_type)
