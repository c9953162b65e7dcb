"""Source code, kept as written; its definitions are its headings, so that it is cut where one begins.

Python is read by its own parser. Other languages are read line by line: what begins like a definition is one, and one
that stands further right belongs to the one before it. That is right for code as people lay it out, needs no grammar
for each language, and a definition that is missed costs a border, never text.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ingest.parsers.code_languages import BY_EXTENSION, DEFINITIONS, NEVER
from ingest.parsers.text import decode
from ingest.types import DEFAULT_OPTIONS, Parsed, ParserOptions
from retrievers.types import Heading

_LONGEST_LINE = 300  # characters; what is longer was written by a program
_LONGEST_TITLE = 100
_PYTHON_BYTES = 2_000_000  # its parser takes a hundred times that
_ABOVE = re.compile(  # what stands right above a definition and belongs to it: comments, annotations
    r"[ \t]*(?:@|#(?!include|define|import|if|endif|pragma|else)|//|/\*|\*|--|;|%|'''|\"\"\"|template\b)"
)
_TITLE_END = re.compile(r"[ \t]*(?:\{.*|:?=>?.*|:[ \t]*$|;.*|[ \t]do[ \t]*$)")
_TAB = 4


def parse(path: Path, options: ParserOptions = DEFAULT_OPTIONS) -> Iterator[Parsed]:
    """The file as one document."""
    decoded = decode(path.read_bytes())
    language = BY_EXTENSION.get(path.suffix.lower().lstrip("."), "source")
    yield Parsed(
        text=decoded.text,
        media_type=f"text/x-{language}",
        headings=tuple(definitions(decoded.text, language)),
        metadata={"programming_language": language},
        warnings=decoded.warnings,
    )


def definitions(text: str, language: str) -> list[Heading]:
    """The definitions, those inside others one level deeper."""
    if language == "python" and len(text) <= _PYTHON_BYTES:
        try:
            return list(_python(text))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            pass  # another version's Python, or none: read as others are
    patterns = DEFINITIONS.get(language, ())
    return list(_by_lines(text.split("\n"), patterns)) if patterns else []


def _python(text: str) -> Iterator[Heading]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = ast.parse(text)
    starts = [0]
    for line in text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    yield from _python_definitions(tree, lambda number: starts[number - 1], 1)


def _python_definitions(node: ast.AST, offset: Callable[[int], int], level: int) -> Iterator[Heading]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            kind = "class" if isinstance(child, ast.ClassDef) else "def"
            first = min([child.lineno, *(decorator.lineno for decorator in child.decorator_list)])
            yield Heading(title=f"{kind} {child.name}", level=level, start=offset(first))
            yield from _python_definitions(child, offset, level + 1)
        elif isinstance(child, ast.stmt):
            yield from _python_definitions(child, offset, level)  # in an `if` or a `try`


def _by_lines(lines: Sequence[str], patterns: Sequence[re.Pattern[str]]) -> Iterator[Heading]:
    at, attached = 0, 0  # where the line begins, and the comments right above it
    around: list[int] = []  # how far right the definitions stand that this one is in
    for number, line in enumerate(lines):
        following = lines[number + 1] if number + 1 < len(lines) else ""
        if _defines(line, following, patterns):
            right = _indent(line)
            around = [column for column in around if column < right]
            around.append(right)
            yield Heading(title=_title(line), level=len(around), start=at - attached)
        attached = attached + len(line) + 1 if _ABOVE.match(line) else 0
        at += len(line) + 1


def _defines(line: str, following: str, patterns: Sequence[re.Pattern[str]]) -> bool:
    if not line or len(line) > _LONGEST_LINE or NEVER.match(line):
        return False
    opened = f"{line} {{" if following.strip() == "{" else line  # the brace may stand on a line of its own
    return any(pattern.match(opened) for pattern in patterns)


def _indent(line: str) -> int:
    expanded = line.expandtabs(_TAB)
    return len(expanded) - len(expanded.lstrip())


def _title(line: str) -> str:
    return " ".join(_TITLE_END.sub("", line.strip()).split())[:_LONGEST_TITLE] or line.strip()[:_LONGEST_TITLE]
