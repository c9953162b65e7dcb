"""Which documents lack vectors: walked lazily in the index, so that no list of them lies in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from retrievers.protocols import IndexWriter
from retrievers.types import IndexedDocument


class MissingVectors:
    """The documents that lack vectors: each given out once, until all have been seen to.

    Args:
        writer: the index.
        is_mine: of a document; the others are left to whoever wrote them.
    """

    def __init__(self, writer: IndexWriter, is_mine: Callable[[str], bool] = lambda _: True) -> None:
        self._writer, self._is_mine = writer, is_mine
        self._ids: Iterator[str] = iter(())
        self._in_hand: set[str] = set()  # given out, or their vectors not yet flushed
        self._unflushed: set[str] = set()
        self._refused: set[str] = set()
        self._skipped: set[str] = set()
        self._is_stale = True  # text was flushed since the walk over the index began

    @property
    def is_done(self) -> bool:
        """Nothing is left to embed, and all that was embedded is flushed."""
        return not self._is_stale and not self._in_hand

    @property
    def wait_for_a_flush(self) -> bool:
        """All that were given out are back, and none is left: there is nothing to do but to flush."""
        return bool(self._unflushed) and self._in_hand <= self._unflushed

    @property
    def has_none_in_hand(self) -> bool:
        """Nothing is being embedded."""
        return not self._in_hand

    def next(self) -> IndexedDocument | None:
        """The next document to embed, None where there is none at present."""
        while (document_id := self._next_id()) is not None:
            if document_id in self._refused or not self._is_mine(document_id):
                continue
            if document_id in self._in_hand:  # if its text was replaced, the vectors on their way are not its
                self._skipped.add(document_id)
                continue
            item = self._writer.chunks_of(document_id)
            if item is not None:
                self._in_hand.add(document_id)
                return item
        return None

    def _next_id(self) -> str | None:
        document_id = next(self._ids, None)
        if document_id is None and self._is_stale:
            self._is_stale = False
            self._ids = iter(self._writer.missing_vectors())
            document_id = next(self._ids, None)
        return document_id

    def arrived(self, document_id: str) -> None:
        """Its vectors were handed to the index."""
        self._unflushed.add(document_id)

    def refused(self, document_id: str) -> None:
        """The embedder will not have it; it is not given out again in this run."""
        self._refused.add(document_id)
        self._in_hand.discard(document_id)

    def flushed(self, *, has_new_text: bool) -> None:
        """The index was flushed, perhaps with documents that were not there before."""
        self._is_stale = self._is_stale or has_new_text or bool(self._skipped & self._unflushed)
        self._skipped -= self._unflushed
        self._in_hand -= self._unflushed
        self._unflushed.clear()
