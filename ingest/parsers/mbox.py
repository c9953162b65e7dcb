"""Mail boxes (mbox): each message is a document, its attachments are files of their own."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from ingest.errors import ParseError
from ingest.parsers.email import attachments, message_of, read
from ingest.types import DEFAULT_OPTIONS, Enclosed, Parsed, ParserOptions

_FROM = re.compile(rb"From \S.*\d{4}\s*$|From \S+\s*$")
_QUOTED = re.compile(rb"^>(>*From )", re.MULTILINE)
_LINE_BYTES = 1 << 20
_MESSAGE_BYTES = 128 << 20  # of a longer message the rest is left out


def parse(path: Path, options: ParserOptions = DEFAULT_OPTIONS) -> Iterator[Parsed | Enclosed]:
    """The messages in order, one in memory at a time."""
    with path.open("rb") as file:
        for number, content in enumerate(messages(file), 1):
            message = message_of(_QUOTED.sub(rb"\1", content))
            content_hash = hashlib.sha256(content).hexdigest()
            yield Parsed(**read(message), record=str(number), content_hash=content_hash)
            yield from attachments(message)


def messages(file: IO[bytes]) -> Iterator[bytes]:
    """The messages, without the lines between them: those that begin with `From ` after an empty one.

    Raises:
        ParseError: it does not begin with such a line.
    """
    lines: list[bytes] = []
    has_begun = False
    size, is_after_empty = 0, True
    while line := file.readline(_LINE_BYTES):
        if is_after_empty and line.startswith(b"From ") and _FROM.match(line):
            if size:
                yield b"".join(lines)
            lines, size, has_begun = [], 0, True
        elif not has_begun and line.strip():
            raise ParseError("it does not begin as a mail box does")
        elif size < _MESSAGE_BYTES:
            lines.append(line)
            size += len(line)
        is_after_empty = not line.strip()
    if size:
        yield b"".join(lines)
