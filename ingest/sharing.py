"""What other shards do at the same time: heard from the ledger of the index before each flush, put right at the end.

With what it hears, the journal of a shard knows the files of all, so the same content in several parts becomes one
document with all its sources, as in one run. What two shards write in the same moment, before one has heard the other,
is settled by whichever ends later; until then nothing is taken away, since either may be the one that stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from ingest.holdings import names_itself
from ingest.journal import Journal
from ingest.sharding import Shard
from ingest.types import Failure
from retrievers.protocols import IndexWriter, KeepsLedger
from retrievers.types import IndexedDocument


class Sharing:
    """The part of a shard in an index that others write to.

    Args:
        writer: the index.
        journal: of this shard.
        shard: the files that are read here.
    """

    def __init__(self, writer: IndexWriter, journal: Journal, shard: Shard) -> None:
        self._writer, self._journal, self._shard = writer, journal, shard
        self._heard: set[str] = set()
        self._outdated: dict[str, str] = {}
        self._settled: dict[str, str] = {}
        self._adopted: set[str] = set()
        self._lost: list[str] = []

    def is_mine(self, document_id: str) -> bool:
        """Its vectors are made here: a file of this shard leads it, or it was written here."""
        if document_id in self._adopted:
            return True
        leading = self._journal.holdings.leading_source(document_id)
        return leading is not None and self._shard.owns(leading)

    def wrote(self, documents: Iterable[IndexedDocument]) -> None:
        """These were written here, some of them perhaps named after files of other shards."""
        self._adopted |= {item.document.id for item in documents if not self._shard.owns(item.document.source)}

    def hear(self) -> None:
        """Take over what others have told. All that this journal has to tell must have been told before."""
        assert isinstance(self._writer, KeepsLedger), "indexes on servers keep a ledger"
        keys, names = self._journal.ledger.overhear(self._writer)
        self._heard |= keys
        self._outdated |= names

    def take_outdated(self, writing: Iterable[IndexedDocument]) -> list[str]:
        """Names of what `take_doubtful` gave, as of before others wrote it, that stands under another name now.

        Args:
            writing: what is written at this moment.
        """
        outdated, self._settled = self._settled, {}
        arriving = {item.document.id: item.document.content_hash for item in writing}
        return [name for name, key in outdated.items() if self._stands_elsewhere(name, key, arriving)]

    def _stands_elsewhere(self, name: str, key: str, arriving: Mapping[str, str]) -> bool:
        written = self._journal.holdings.written(key)
        if written is None or written.document_id == name:
            return False
        there = arriving.get(written.document_id) or self._writer.holds(written.document_id)
        return there == key.partition(" ")[0] == self._writer.holds(name)

    def take_doubtful(self) -> Iterator[str]:
        """Keys of all that was heard of. A record that another shard has overwritten is not there any more."""
        heard, self._heard = self._heard, set()
        self._settled, self._outdated = self._outdated, {}
        holdings = self._journal.holdings
        for key in sorted(holdings.with_rivals(heard | holdings.unsettled())):
            written = holdings.written(key) if names_itself(key) else None
            if written and self._writer.holds(written.document_id) != key.partition(" ")[0]:
                self.lost(key)
            yield key

    def lost(self, key: str) -> None:
        """The index does not hold this document, as the journal says that it does."""
        self._journal.holdings.mark_removed(key)
        self._lost.append(key)

    def take_lost(self) -> Iterator[Failure]:
        """The files of documents in whose place another shard has written another in the same moment."""
        lost, self._lost = self._lost, []
        for key in dict.fromkeys(lost):
            wanted = self._journal.holdings.wanted(key)
            if wanted is not None and self._journal.holdings.written(key) is None:
                yield Failure(
                    path=Path(wanted.path.decode("utf-8", "surrogateescape")),
                    source=wanted.source.partition("#")[0],
                    kind="write",
                    stage="write",
                    message="another shard has written another document in its place in the same moment",
                    hint="`ingest retry` with the same --shard reads it again",
                    transient=True,
                )
