"""The seams of ingestion: what a parser and a chunker must offer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from ingest.types import Enclosed, Parsed, ParserOptions
from retrievers.types import Chunk, Document


class Parser(Protocol):
    """Reads the documents of one file: one, or many from a file of records. Runs in a worker process, with limits.

    Raises:
        ParseError: the file cannot be read; `kind` says why.
    """

    def __call__(self, path: Path, options: ParserOptions) -> Iterator[Parsed | Enclosed]:
        """The documents, and the files inside this one, in order, each made only when it is asked for."""
        ...


class Chunker(Protocol):
    """Cuts a document into the spans that are indexed and embedded.

    The chunks cover the text: every character that is not whitespace lies in at least one of them, and
    `chunk.text == document.text[chunk.start:chunk.end]`.
    """

    @property
    def version(self) -> str:
        """Changes whenever the same text is cut differently."""
        ...

    def chunk(self, document: Document) -> Sequence[Chunk]:
        """The chunks in order of their start."""
        ...
