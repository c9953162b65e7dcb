"""Finding by pattern: pages of a document, and lines of all documents; and the outline of a document.

What is looked for is matched in a process of its own (`rlm_search.matching`), so that a pattern that never ends costs
some seconds and not the run.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from retrievers.protocols import RetrieverProtocol, Scans
from retrievers.types import Hit, RetrievedDocument, pages_of
from rlm_search.documents import Documents
from rlm_search.matching import BadPattern, Matcher, Spans, TooSlow
from rlm_search.run import Run, ToolError, plain_filters
from rlm_search.tools.documents import MAX_PAGES
from rlm_search.tools.pages import PageTools
from rlm_search.tools.recording import Record, Table, recorded, table

MAX_MATCHES = 1_000
MAX_PATTERNS = 50
MATCH_SECONDS = 5.0
"""For one text."""
GREP_SECONDS = 60.0
"""For all documents of one call; the rest is looked through with the next."""
_LINE = 220
_HEADINGS = 2_000
_BETWEEN = r"[\W_]+"


class PatternTools:
    """The functions that look for patterns in what is there, word for word. Each is charged, traced, and evidence."""

    def __init__(self, run: Run, retriever: RetrieverProtocol) -> None:
        self._run = run
        self._retriever = retriever
        self._documents = run.documents or Documents(retriever)
        self._pages = PageTools(run, retriever)

    def functions(self) -> list[Callable[..., Any]]:
        """Those that the retriever can serve."""
        lists = [self.es_grep] if isinstance(self._retriever, Scans) else []
        return [*lists, self.es_find_pages, self.es_find_pages_text, self.es_outline]

    def es_grep(
        self,
        pattern: str,
        filters: dict[str, Any] | None = None,
        max_matches: int = 100,
        case_sensitive: bool = False,
        after: str = "",
    ) -> Table:
        """Find a regular expression in the text of all matching documents: rows of doc_id, pages, start, end, text."""
        _check_matches("es_grep", max_matches)
        assert isinstance(self._retriever, Scans)
        with recorded(self._run, "es_grep", pattern, filters, max_matches) as found:
            scanned = self._retriever.scan(filters=plain_filters(filters), after=after)
            grep = _Grep(most=max_matches, ends=time.monotonic() + self._seconds())
            with _matcher("es_grep", [pattern], case_sensitive, max_matches + 1) as matcher:
                for summary in scanned:
                    if grep.is_over:
                        grep.stop()
                        break
                    with self._run.trying("read", doc_id=summary.doc_id):
                        document = self._documents.whole(summary.doc_id)
                    grep.look(document, matcher)
            found.take(grep.hits)
        self._run.saw(grep.hits)
        return table([_match_row(hit) for hit in grep.hits], coverage=grep.coverage, note=grep.note)

    def es_find_pages(
        self,
        logical_doc_id: str,
        patterns: str | list[str],
        regex: bool = False,
        case_sensitive: bool = False,
        max_matches: int = 20,
    ) -> Table:
        """Find pages of a document that hold any of the patterns: rows of page_num, matched_patterns, snippet."""
        _check_matches("es_find_pages", max_matches)
        return self._found_pages("es_find_pages", logical_doc_id, patterns, regex, case_sensitive, max_matches)

    def es_find_pages_text(
        self,
        logical_doc_id: str,
        patterns: str | list[str],
        regex: bool = False,
        case_sensitive: bool = False,
        radius: int = 0,
        max_pages: int = 20,
        match_limit: int = 20,
    ) -> str:
        """Read the pages of a document that hold any of the patterns, with their neighbours; "" where none does."""
        _check_matches("es_find_pages_text", match_limit)
        found = self._found_pages("es_find_pages_text", logical_doc_id, patterns, regex, case_sensitive, match_limit)[
            "items"
        ]
        if found and found[0]["page_num"] is None:
            return str(found[0]["snippet"])
        pages = [row["page_num"] for row in found]
        if not pages:
            return ""
        return self._pages.es_get_pages_text(logical_doc_id, pages, radius, min(max(max_pages, 1), MAX_PAGES))

    def es_outline(self, doc_id: str) -> Record:
        """The outline of a document: its headings with level, page and start, and how long it is."""
        with recorded(self._run, "es_outline", doc_id, None, found=doc_id) as found:
            with self._run.trying("read", doc_id=doc_id):
                document = self._documents.whole(doc_id)
            found.number = 1
        self._run.evidence.add(doc_id, 0, 0, title=document.title, source=document.source)
        rows = [
            {
                "level": heading.level,
                "title": heading.title,
                "start": heading.start,
                "pages": _pages(document, heading.start),
            }
            for heading in document.headings[:_HEADINGS]
        ]
        left_out = len(document.headings) - len(rows)
        return {
            "__type__": "Record",
            "doc_id": doc_id,
            "title": document.title,
            "characters": len(document.content),
            "page_count": len(document.pages),
            "headings": table(rows, note=f"{left_out:,} more are left out" if left_out else ""),
        }

    def _found_pages(
        self, function: str, doc_id: str, patterns: str | list[str], regex: bool, case_sensitive: bool, most: int
    ) -> Table:
        wanted = [patterns] if isinstance(patterns, str) else list(dict.fromkeys(patterns))
        wanted = [pattern for pattern in wanted if pattern.strip()]
        if not 1 <= len(wanted) <= MAX_PATTERNS:
            raise ToolError(f"{function}: give 1 to {MAX_PATTERNS} patterns that are not empty")
        with recorded(self._run, function, " | ".join(wanted)[:2_000], None, most, found=doc_id) as found:
            with self._run.trying("read", doc_id=doc_id):
                document = self._documents.whole(doc_id)
            expressions = wanted if regex else [_loosely(pattern) for pattern in wanted]
            pages = _Pages(document, wanted, most, time.monotonic() + self._seconds())
            with _matcher(function, expressions, case_sensitive, 1) as matcher:
                pages.look(matcher)
            found.take(pages.hits)
        self._run.saw(pages.hits)
        return table(pages.rows, note=pages.note)

    def _seconds(self) -> float:
        left = self._run.budget.seconds_left()
        return GREP_SECONDS if left is None else min(GREP_SECONDS, left / 2)


@dataclass(slots=True)
class _Grep:
    """How far a walk through the documents has come."""

    most: int
    ends: float
    hits: list[Hit] = field(default_factory=list)
    documents: int = 0
    last: str = ""
    stopped: str = ""

    @property
    def is_over(self) -> bool:
        return len(self.hits) >= self.most or time.monotonic() > self.ends

    def stop(self) -> None:
        """There is more to look through."""
        self.stopped = self.stopped or ("max_matches reached" if len(self.hits) >= self.most else "time was up")

    def look(self, document: RetrievedDocument, matcher: Matcher) -> None:
        """Take the matches of one document, each with its line."""
        [spans] = matcher.spans(document.content)
        taken = spans[: self.most - len(self.hits)]
        lines = {(hit.start, hit.end): hit for hit in (_line_hit(document, *span) for span in taken)}
        self.hits += lines.values()  # a line that matches twice is one row
        if len(taken) < len(spans):
            self.stopped = f"there are more matches in {document.doc_id!r}"
        self.documents += 1
        self.last = document.doc_id

    @property
    def coverage(self) -> str:
        found = len(dict.fromkeys(hit.doc_id for hit in self.hits))
        return f"looked through {self.documents:,} documents{'' if self.stopped else ', which is all'}; {found:,} match"

    @property
    def note(self) -> str:
        return f"{self.stopped}; go on behind it with after={self.last!r}" if self.stopped else ""


class _Pages:
    """The pages of a document that match: the whole document, where it has no pages."""

    def __init__(self, document: RetrievedDocument, patterns: Sequence[str], most: int, ends: float) -> None:
        self._document, self._patterns, self._most, self._ends = document, patterns, most, ends
        self.hits: list[Hit] = []
        self.rows: list[dict[str, Any]] = []
        self.note = ""

    def look(self, matcher: Matcher) -> None:
        """Walk through the pages until there are as many as are wanted."""
        for number, start, text in self._texts():
            if len(self.rows) >= self._most or time.monotonic() > self._ends:
                self.note = f"stopped before page {number}: {'max_matches reached' if self.rows else 'time was up'}"
                return
            found = matcher.spans(text)
            if any(found):
                self._take(number, start, found)

    def _texts(self) -> Iterator[tuple[int | None, int, str]]:
        content, starts = self._document.content, self._document.pages
        if not starts:
            yield None, 0, content
            return
        for number, (start, end) in enumerate(zip(starts, (*starts[1:], len(content)), strict=True), 1):
            yield number, start, content[start:end]

    def _take(self, number: int | None, offset: int, found: Sequence[Spans]) -> None:
        matched = [pattern for pattern, spans in zip(self._patterns, found, strict=True) if spans]
        start, end = min(spans[0] for spans in found if spans)
        hit = _line_hit(self._document, offset + start, offset + end)
        self.hits.append(hit)
        self.rows.append(
            {
                "doc_id": hit.doc_id,
                "page_num": number,
                "pages": list(hit.pages),
                "start": hit.start,
                "end": hit.end,
                "matched_patterns": matched,
                "snippet": hit.preview,
            }
        )


@contextmanager
def _matcher(function: str, patterns: list[str], case_sensitive: bool, most: int) -> Iterator[Matcher]:
    """A matcher whose troubles are told to the model."""
    if not all(patterns):
        raise ToolError(f"{function}: the pattern is empty")
    flags = re.MULTILINE | (0 if case_sensitive else re.IGNORECASE)
    try:
        with Matcher(patterns, flags=flags, most=most, seconds=MATCH_SECONDS) as matcher:
            yield matcher
    except BadPattern as error:
        raise ToolError(f"{function}: that is no regular expression: {error}") from None
    except TooSlow as error:
        raise ToolError(f"{function}: {error}; nested repeats such as (a+)+ do that: write a simpler pattern") from None


def _loosely(pattern: str) -> str:
    """What a pattern in plain words matches: itself, or its words whatever stands between them that is no word."""
    words = re.findall(r"[^\W_]+", pattern)
    exact = re.escape(pattern)
    return f"{exact}|{_BETWEEN.join(map(re.escape, words))}" if len(words) > 1 else exact


def _line_hit(document: RetrievedDocument, start: int, end: int) -> Hit:
    """The line that a match stands in, within its page, cut around the match where it is long."""
    content, pages = document.content, pages_of(document.pages, start, start + 1)
    ends = (*document.pages, len(content))
    page_start, page_end = (ends[pages[0] - 1], ends[pages[0]]) if pages else (0, len(content))
    first = max(content.rfind("\n", page_start, start) + 1, start - _LINE // 2, page_start)
    newline = content.find("\n", end, page_end)
    last = max(min(newline if newline >= 0 else page_end, first + _LINE), min(end, first + 2 * _LINE))
    return Hit(
        doc_id=document.doc_id,
        preview=" ".join(content[first:last].split()),
        start=first,
        end=last,
        pages=pages,
        title=document.title,
        source=document.source,
    )


def _match_row(hit: Hit) -> dict[str, Any]:
    return {"doc_id": hit.doc_id, "pages": list(hit.pages), "start": hit.start, "end": hit.end, "text": hit.preview}


def _pages(document: RetrievedDocument, start: int) -> list[int]:
    return list(pages_of(document.pages, start, start + 1))


def _check_matches(function: str, number: int) -> None:
    if not 1 <= number <= MAX_MATCHES:
        raise ToolError(f"{function}: as many matches as 1 to {MAX_MATCHES:,} can be asked for, not {number}")
