"""Light markup (reStructuredText, Org, LaTeX, AsciiDoc), kept as written; headings and title are read out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ingest.parsers.markdown import plain
from ingest.parsers.properties import properties
from ingest.parsers.text import decode
from ingest.types import DEFAULT_OPTIONS, Parsed, ParserOptions
from retrievers.types import Heading

_RULE = r"[=\-`:.'\"~^_*+#<>]"
_RST = re.compile(
    rf"^(?:(?P<over>({_RULE})\2{{2,}})[ \t]*\n)?(?P<title>[ \t]*\w.*)\n(?P<under>({_RULE})\5{{2,}})[ \t]*$",
    re.MULTILINE,
)
_RST_KEY = re.compile(r"^:(?P<key>authors?|date|title|keywords|language):[ \t]+(?P<value>\S.*)$", re.MULTILINE | re.I)
_ORG = re.compile(
    r"^(?P<marks>\*+)[ \t]+(?:(?:TODO|DONE)[ \t]+)?(?P<title>\S.*?)(?:[ \t]+:[\w@:]+:)?[ \t]*$", re.MULTILINE
)
_ORG_KEY = re.compile(r"^#\+(?P<key>title|author|date|keywords|language):[ \t]*(?P<value>\S.*)$", re.MULTILINE | re.I)
_ASCIIDOC = re.compile(r"^(?P<marks>={1,6})[ \t]+(?P<title>\S.*?)[ \t]*$", re.MULTILINE)
_ASCIIDOC_KEY = re.compile(r"^:(?P<key>author|keywords|revdate|lang):[ \t]+(?P<value>\S.*)$", re.MULTILINE)
_LATEX_LEVELS = ("part", "chapter", "section", "subsection", "subsubsection", "paragraph")
_LATEX = re.compile(rf"^[ \t]*\\(?P<kind>{'|'.join(_LATEX_LEVELS)})\*?[ \t]*(?:\[[^\]\n]*\])?\{{", re.MULTILINE)
_LATEX_KEY = re.compile(r"^[ \t]*\\(?P<key>title|author|date|keywords)[ \t]*(?:\[[^\]\n]*\])?\{", re.MULTILINE)
_LATEX_DROPPED = re.compile(r"\\(?:thanks|footnote|inst|orcidID|label|email|texttt|vspace|hspace)\*?\{[^{}]*\}")
_LATEX_AND = re.compile(r"\\(?:and|And|AND)\b")
_LATEX_MARKS = re.compile(r"%.*|\\[a-zA-Z]+\*?|\\.|[{}$]")
_GROUP = 2_000  # characters of a title or of authors that are read
_HEAD = 20_000  # characters of a file in which it says what it is
_NAMES = {"authors": "author", "date": "created", "revdate": "created", "lang": "language"}


def parse_rst(path: Path, options: ParserOptions = DEFAULT_OPTIONS) -> Iterator[Parsed]:
    """A reStructuredText file as one document."""
    yield _read(path, "text/prs.fallenstein.rst", _rst_headings, _keys(_RST_KEY))


def parse_org(path: Path, options: ParserOptions = DEFAULT_OPTIONS) -> Iterator[Parsed]:
    """An Org file as one document."""
    yield _read(path, "text/org", _marked(_ORG), _keys(_ORG_KEY))


def parse_asciidoc(path: Path, options: ParserOptions = DEFAULT_OPTIONS) -> Iterator[Parsed]:
    """An AsciiDoc file as one document."""
    yield _read(path, "text/asciidoc", _marked(_ASCIIDOC), _keys(_ASCIIDOC_KEY))


def parse_latex(path: Path, options: ParserOptions = DEFAULT_OPTIONS) -> Iterator[Parsed]:
    """A LaTeX file as one document."""
    yield _read(path, "application/x-latex", _latex_headings, _latex_keys)


def _read(
    path: Path,
    media_type: str,
    headings_of: Callable[[str], Iterator[Heading]],
    keys_of: Callable[[str], Iterator[tuple[str, str]]],
) -> Parsed:
    decoded = decode(path.read_bytes())
    headings = tuple(headings_of(decoded.text))
    found = properties((_NAMES.get(key, key), value) for key, value in keys_of(decoded.text[:_HEAD]))
    language = str(found.pop("language", ""))
    title = str(found.pop("title", ""))
    return Parsed(
        text=decoded.text,
        media_type=media_type,
        title=title or (headings[0].title if headings and headings[0].level == 1 else ""),
        headings=headings,
        metadata=found,
        warnings=decoded.warnings,
        language=language[:2].lower(),
    )


def _keys(pattern: re.Pattern[str]) -> Callable[[str], Iterator[tuple[str, str]]]:
    def keys_of(text: str) -> Iterator[tuple[str, str]]:
        return ((match["key"].lower(), match["value"].strip()) for match in pattern.finditer(text))

    return keys_of


def _marked(pattern: re.Pattern[str]) -> Callable[[str], Iterator[Heading]]:
    """Headings whose depth is the number of marks before them."""

    def headings_of(text: str) -> Iterator[Heading]:
        for match in pattern.finditer(text):
            yield Heading(title=plain(match["title"]), level=len(match["marks"]), start=match.start())

    return headings_of


def _rst_headings(text: str) -> Iterator[Heading]:
    """Titles with a rule below, and perhaps above; which rule is which depth is as it comes."""
    levels: dict[tuple[str, bool], int] = {}
    for match in _RST.finditer(text):
        title, over, under = match["title"].strip(), match["over"], match["under"]
        is_framed = over is not None and over[0] == under[0]
        if len(under) + 1 < len(title) or (match["title"][0].isspace() and not is_framed):
            continue  # a table, or a quote
        level = levels.setdefault((under[0], is_framed), len(levels) + 1)
        yield Heading(title=plain(title), level=level, start=match.start("over") if is_framed else match.start("title"))


def _latex_headings(text: str) -> Iterator[Heading]:
    found = [(_LATEX_LEVELS.index(match["kind"]), match) for match in _LATEX.finditer(text)]
    top = min((level for level, _ in found), default=0)
    for level, match in found:
        title = _latex_plain(_group(text, match.end()))
        if title:
            yield Heading(title=title, level=level - top + 1, start=match.start())


def _latex_keys(text: str) -> Iterator[tuple[str, str]]:
    for match in _LATEX_KEY.finditer(text):
        group = _group(text, match.end())
        parts: Sequence[str] = _LATEX_AND.split(group) if match["key"] == "author" else (group,)
        for part in parts:
            yield match["key"], _latex_plain(part.partition("\\\\")[0])


def _group(text: str, start: int) -> str:
    """What stands between the brace before `start` and the one that closes it."""
    depth = 1
    for at in range(start, min(len(text), start + _GROUP)):
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        if not depth:
            return text[start:at]
    return ""


def _latex_plain(markup: str) -> str:
    return " ".join(_LATEX_MARKS.sub(" ", _LATEX_DROPPED.sub(" ", markup)).replace("~", " ").split())
