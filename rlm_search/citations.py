"""Citations: quotes checked against the documents they are said to come from, and the markers that stand for them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from threading import Lock

from retrievers.errors import DocumentNotFound
from rlm_search import quotes
from rlm_search.documents import Documents
from rlm_search.errors import ToldToModel
from rlm_search.evidence import Evidence
from rlm_search.fences import blocks
from rlm_search.types import Citation

_OTHERS = 5
"""Further documents with the same quote that are named."""
_AROUND = 2_000
"""Characters before and after the hit's passage that are tried before the whole document is read."""

_MARKER = re.compile(r"\[\^?(\d{1,3}(?:\s*[,;]\s*\d{1,3})*)\]|【(\d{1,3})[^】]{0,40}】")
_INLINE_CODE = re.compile(r"`[^`\n]+`")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """An answer whose markers were looked up: what is left of it, what it cites, and which markers were made up."""

    text: str
    citations: tuple[Citation, ...]
    unknown: tuple[str, ...]


class Citations:
    """The citations of a run and its sub-runs. Markers are given by the host, in order. Safe to use from threads."""

    def __init__(self, documents: Documents, evidence: Evidence) -> None:
        self._documents = documents
        self._evidence = evidence
        self._lock = Lock()
        self._by_span: dict[tuple[str, int, int], Citation] = {}

    def all(self) -> tuple[Citation, ...]:
        """Every citation that holds, in the order of their markers."""
        with self._lock:
            return tuple(self._by_span.values())

    def cite(self, doc_id: str, quote: str, *, near: tuple[int, int] | None = None) -> Citation:
        """Check a quote and give it a marker; the same span has the same marker.

        Args:
            doc_id: a document that a search or a read of this run returned.
            quote: what it says, word for word; whitespace, hyphenation, quotation marks and ligatures may differ.
            near: the span of the hit, where the quote is looked for first.

        Raises:
            ToldToModel: the document was never seen, the quote is too short or too long, or is not in the document.
        """
        seen = self._evidence.find(doc_id)
        if seen is None:
            raise ToldToModel(self._never_seen(doc_id[:200]))
        _check_length(quote)
        try:
            span = self._locate(doc_id, quote, near)
            if span is None:
                raise ToldToModel(self._not_found(doc_id, quote))
            text = self._documents.span(doc_id, *span)
            also = self._elsewhere(doc_id, quote)
        except DocumentNotFound:
            raise ToldToModel(f"the document {doc_id!r} is no longer in the index") from None
        with self._lock:
            known = self._by_span.get((doc_id, *span))
            if known is None:
                known = Citation(
                    marker=f"[{len(self._by_span) + 1}]",
                    doc_id=doc_id,
                    start=span[0],
                    end=span[1],
                    pages=text.pages,
                    quote=text.text,
                    source=seen.source,
                    title=seen.title,
                    also=also,
                )
                self._by_span[doc_id, *span] = known
        return known

    def check(self, answer: str) -> Checked:
        """Look up the markers of an answer: `[3]`, `[1, 2]`, `[^3]`, outside of code. Made-up ones are taken out."""
        known = {citation.marker: citation for citation in self.all()}
        used: dict[str, Citation] = {}
        unknown: dict[str, None] = {}

        def replaced(match: re.Match[str]) -> str:
            kept = ""
            for number in re.findall(r"\d+", match[1] or match[2]):
                marker = f"[{int(number)}]"
                if marker in known:
                    used[marker] = known[marker]
                    kept += marker
                else:
                    unknown[marker if match[1] else match[0]] = None
            return kept

        text = "".join(part if is_code else _MARKER.sub(replaced, part) for part, is_code in _parts(answer))
        if unknown:
            text = re.sub(r"[ \t]+(?=[.,;:!?)\n]|$)", "", text)
        return Checked(
            text=text,
            citations=tuple(sorted(used.values(), key=lambda citation: int(citation.marker[1:-1]))),
            unknown=tuple(unknown),
        )

    def _locate(self, doc_id: str, quote: str, near: tuple[int, int] | None) -> tuple[int, int] | None:
        for start, end in ([near] if near else []) + list(self._evidence.spans(doc_id)[-3:]):
            piece = self._documents.span(doc_id, start - _AROUND, end + _AROUND)
            shift = max(start - piece.start, 0)
            for found in (
                quotes.find(quote, piece.text, shift, shift + end - start),
                quotes.find(quote, piece.text),
            ):
                if found:
                    return piece.start + found[0], piece.start + found[1]
        return quotes.find(quote, self._documents.whole(doc_id).content)

    def _elsewhere(self, doc_id: str, quote: str) -> tuple[str, ...]:
        return self._evidence.holding(lambda text: quotes.find(quote, text) is not None, other_than=doc_id)[:_OTHERS]

    def _not_found(self, doc_id: str, quote: str) -> str:
        if others := self._elsewhere(doc_id, quote):
            return f"this quote is not in {doc_id!r}; it stands in {', '.join(map(repr, others))}: cite that"
        text = self._documents.whole(doc_id).content
        nearest = quotes.closest(quote, text)
        if nearest is None:
            return f"this quote is not in {doc_id!r}, and nothing like it; quote what you have read, word for word"
        passage = " ".join(text[slice(*nearest)].split())
        return (
            f"this quote is not in {doc_id!r}: quote one unbroken passage word for word, nothing left out or added. "
            f"The closest passage there is: “{passage}”"
        )

    def _never_seen(self, doc_id: str) -> str:
        met = self._evidence.documents()
        if not met:
            return f"cannot cite {doc_id!r}: nothing was searched yet; cite what a search or a read has returned"
        near = ", ".join(repr(d) for d in met[-5:])
        return f"cannot cite {doc_id!r}: no search or read of this run returned it (it returned {near}, …)"


def _check_length(quote: str) -> None:
    if not quotes.is_long_enough(quote):
        raise ToldToModel(f"the quote {quote[:40]!r} is too short: quote the words that say it, at least two")
    if len(quote) > quotes.MAX_CHARACTERS:
        raise ToldToModel(
            f"the quote has {len(quote):,} characters; at most {quotes.MAX_CHARACTERS:,}: cite the sentence that counts"
        )


def _parts(answer: str) -> Iterator[tuple[str, bool]]:
    """The answer in pieces, and whether each is code, where brackets are no markers."""
    for block in blocks(answer):
        if block.language is not None:
            yield answer[block.start : block.end], True
            continue
        position = 0
        for match in _INLINE_CODE.finditer(block.body):
            yield block.body[position : match.start()], False
            yield match.group(), True
            position = match.end()
        yield block.body[position:], False
