"""Writing for people and for programs: results to stdout, everything else to stderr."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sys
from collections.abc import Iterable, Mapping
from typing import Any, TextIO

from rlm_search.rendering.words import one_line as one_line
from rlm_search.rendering.words import printable as printable
from rlm_search.rendering.words import wrapped as paragraph

_WIDEST = 100
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


def put(text: str = "") -> None:
    """A line of the result."""
    _write(sys.stdout, text)


def put_json(value: Any) -> None:
    """The result as one JSON object."""
    _write(sys.stdout, json.dumps(value, ensure_ascii=False, indent=2, default=plain))


def tell(text: str) -> None:
    """A line that is no result: errors, progress, notes."""
    with contextlib.suppress(OSError, ValueError):  # a closed stderr must not hide what happened
        _write(sys.stderr, text)


def plain(value: Any) -> Any:
    """What JSON does not know, as something that it knows."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Iterable):
        return list(value)
    return str(value)


def stop_writing() -> None:
    """Nothing more can be written: let Python find that out neither now nor when it ends."""
    with contextlib.suppress(OSError, ValueError):
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, 1)
        os.close(devnull)


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a stream is a terminal that can move its cursor."""
    from rlm_search.cli.settings import is_dumb_terminal

    return stream is not None and stream.isatty() and not is_dumb_terminal()


def in_colour() -> bool:
    """Whether stdout takes colours: a terminal that is not dumb, and nobody said NO_COLOR."""
    from rlm_search.cli.settings import no_colour

    return is_terminal(sys.stdout) and not no_colour()


def bold(text: str) -> str:
    """Bold where stdout takes it."""
    return f"\x1b[1m{text}\x1b[0m" if text and in_colour() else text


def dim(text: str) -> str:
    """Dim where stdout takes it."""
    return f"\x1b[2m{text}\x1b[0m" if text and in_colour() else text


def columns() -> int:
    """How wide a paragraph may be on the terminal."""
    return max(40, min(shutil.get_terminal_size().columns, _WIDEST))


def wrapped(text: str, indent: str = "  ") -> str:
    """A passage as a paragraph, as wide as the terminal allows."""
    return paragraph(text, columns(), indent)


def marked(text: str, query: str) -> str:
    """The words of a query in bold wherever they stand in a passage."""
    words = {word for word in re.findall(r"\w+", query) if len(word) > 2 or word.isdigit()}
    if not words or not in_colour():
        return text
    pattern = re.compile(rf"\b({'|'.join(sorted(map(re.escape, words), key=len, reverse=True))})\w*", re.IGNORECASE)
    return pattern.sub(lambda match: f"\x1b[1m{match[0]}\x1b[0m", text)


def _write(stream: TextIO | None, text: str) -> None:
    if stream is None:
        raise OSError(9, "the stream is closed")
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "replace").decode(encoding) + "\n")
