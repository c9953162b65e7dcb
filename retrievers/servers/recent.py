"""Documents that were written a moment ago, so that what embeds them need not ask the server for them."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from retrievers.types import IndexedDocument

MOST_CHARACTERS: Final = 32_000_000


class Recent:
    """The newest documents, bounded by their text."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, IndexedDocument] = OrderedDict()
        self._characters = 0

    def keep(self, item: IndexedDocument) -> None:
        """Remember a document in place of an older one with its id."""
        self.drop(item.document.id)
        self._kept[item.document.id] = item
        self._characters += len(item.document.text)
        while self._characters > MOST_CHARACTERS and self._kept:
            _, oldest = self._kept.popitem(last=False)
            self._characters -= len(oldest.document.text)

    def get(self, document_id: str) -> IndexedDocument | None:
        """The document as it was written; None if it is not remembered."""
        return self._kept.get(document_id)

    def drop(self, document_id: str) -> None:
        """Forget a document."""
        gone = self._kept.pop(document_id, None)
        if gone is not None:
            self._characters -= len(gone.document.text)
