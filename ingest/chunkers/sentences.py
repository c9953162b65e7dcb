"""The chunker that ships: chunks of whole sentences, as many as fit, cut where the text itself has a border."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from ingest.chunkers import VERSION
from ingest.chunkers.atoms import PIECE, Atom, Border, atoms_of
from ingest.chunkers.context import Contexts
from retrievers.furniture import within
from retrievers.types import Chunk, Document

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_WORTH = {  # what a border is worth, in chunks filled: a sentence's end beats a line's that fills a fifth more
    Border.WORD: 0.0,
    Border.LINE: 0.05,
    Border.SENTENCE: 0.25,
    Border.PARAGRAPH: 0.4,
    Border.SECTION: 0.7,
    Border.PAGE: 0.7,
    Border.FORCED: 0.0,
}
_LEAST_FILL = 0.3
_NEVER_CROSSED = (Border.PAGE, Border.FORCED)
"""A chunk of two pages is found for both and says where neither is: on annual reports it costs the right page."""


class SentenceChunker:
    """Chunks of at most `max_tokens`, each beginning with the last sentence of the one before where that is short.

    No chunk crosses a page; across a page or a heading nothing is repeated. The chunks cover the text without gaps,
    whitespace included.
    """

    version = VERSION

    def __init__(self, tokenizer: Tokenizer, *, max_tokens: int = 200, overlap_tokens: int = 30) -> None:
        self._tokenizer, self._max_tokens, self._overlap_tokens = tokenizer, max_tokens, overlap_tokens

    def chunk(self, document: Document) -> Sequence[Chunk]:
        """The chunks in order of their start; none for a document without text."""
        contexts = Contexts(document)
        return [
            Chunk(
                id=f"{document.id}#c{ordinal}",
                document_id=document.id,
                ordinal=ordinal,
                start=start,
                end=end,
                text=document.text[start:end],
                context=contexts.at(start),
                furniture=within(document.furniture, start, end),
            )
            for ordinal, (start, end) in enumerate(self._spans(document))
        ]

    def _spans(self, document: Document) -> Iterator[tuple[int, int]]:
        if not document.text.strip():
            return
        sections = frozenset(heading.start for heading in document.headings)
        atoms = atoms_of(
            document.text, self._tokenizer, self._max_tokens, sections=sections, pages=frozenset(document.pages)
        )
        window: list[Atom] = []
        repeated = 0  # atoms at the head of the window that are in the chunk before, too
        while True:
            self._fill(window, atoms)
            if len(window) == repeated:
                return
            if repeated and self._fitting(window) <= repeated:
                del window[:repeated]
                repeated = 0
            cut = self._cut(window, repeated)
            yield window[0].start, window[cut - 1].end
            repeated = self._overlap(window[:cut])
            del window[: cut - repeated]

    def _fill(self, window: list[Atom], atoms: Iterator[Atom]) -> None:
        """Take atoms until there is one too many for a chunk."""
        tokens, size = sum(atom.tokens for atom in window), sum(atom.size for atom in window)
        while tokens <= self._max_tokens and size <= PIECE:
            atom = next(atoms, None)
            if atom is None:
                return
            window.append(atom)
            tokens, size = tokens + atom.tokens, size + atom.size

    def _fitting(self, window: Sequence[Atom]) -> int:
        """How many atoms fit in a chunk."""
        tokens = size = 0
        for count, atom in enumerate(window):
            tokens, size = tokens + atom.tokens, size + atom.size
            if tokens > self._max_tokens or size > PIECE:
                return count
            if atom.border in _NEVER_CROSSED:
                return count + 1
        return len(window)

    def _cut(self, window: Sequence[Atom], repeated: int) -> int:
        """How many atoms to take: as many as fit, up to the best border among the later ones."""
        fitting = self._fitting(window)
        if fitting == len(window) or window[fitting - 1].border in _NEVER_CROSSED:
            return fitting  # the rest of the text, or of the page
        best, best_worth, tokens = fitting, 0.0, 0
        for count, atom in enumerate(islice(window, fitting), start=1):
            tokens += atom.tokens
            fill = tokens / self._max_tokens
            if count > repeated and fill >= _LEAST_FILL and fill + _WORTH[atom.border] >= best_worth:
                best, best_worth = count, fill + _WORTH[atom.border]
        return best

    def _overlap(self, chunk: Sequence[Atom]) -> int:
        """How many of the last atoms to repeat: the last sentence, if it is short and no heading follows."""
        if chunk[-1].border >= Border.SECTION:
            return 0
        tokens = 0
        for count in range(1, len(chunk)):
            tokens += chunk[-count].tokens
            if tokens > self._overlap_tokens:
                return 0
            if chunk[-count - 1].border >= Border.SENTENCE:
                return count
        return 0
