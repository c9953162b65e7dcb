"""Looking at the journal of an index, beside a run that goes on or none: at what the index tells where it is lost."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ingest.journal import Journal
from ingest.readers import Reader
from ingest.relocating import relocate
from ingest.report import IndexCounts
from ingest.state import has_index, is_locked, journal_path, shard_of
from ingest.types import SourceFile
from retrievers import registry
from retrievers.protocols import Describes, HasLedger, RetrieverProtocol
from retrievers.settings import Settings


@contextmanager
def look(url: str, settings: Settings | None) -> Iterator[Journal]:
    """The journal of an index; one that is lost, or older than the index, is told anew from the ledger for the moment.

    Raises:
        ConfigError: there is no index.
        JournalError: the journal cannot be read.
    """
    path = journal_path(url, shard_of(settings))
    if path.exists():
        with Journal(path) as journal:
            if is_locked(path) or _is_current(journal, url, settings):
                yield journal
                return
    with tempfile.TemporaryDirectory(prefix="rlm-search-") as folder, Journal(Path(folder) / "journal.db") as journal:
        with _ledger(url, settings) as ledger, journal.transaction():
            journal.ledger.hear_all(ledger)
            held = counts_of(url, journal, settings)
            if held.chunks and held.vectors == held.chunks:
                journal.holdings.mark_all_vectors(except_for=())
        yield journal


def _is_current(journal: Journal, url: str, settings: Settings | None) -> bool:
    with _ledger(url, settings) as ledger:
        return journal.ledger.ends() == ledger.ledger_ends()


@contextmanager
def known_to(
    url: str, settings: Settings | None, reader: Reader, roots: Sequence[Path]
) -> Iterator[Callable[[SourceFile], bool]]:
    """Whether a file below the roots would be left alone by this reader; nothing is changed by asking."""
    if not has_index(url, settings):
        yield lambda _: False
        return
    with look(url, settings) as journal:
        if journal.path != journal_path(url, shard_of(settings)):
            relocate(roots, journal)
        yield lambda file: journal.leaves_alone(file, reader)


def counts_of(url: str, journal: Journal, settings: Settings | None) -> IndexCounts:
    """What the index holds, as the journal knows it or, where that is not its own, as the index tells."""
    if journal.path == journal_path(url, shard_of(settings)) and not journal.ledger.is_partial:
        documents, chunks, vectors = journal.holdings.totals()
        return IndexCounts(documents=documents, chunks=chunks, vectors=vectors)
    with open_whole(url, settings) as retriever:
        assert isinstance(retriever, Describes), "all engines that are written to can be described"
        held = retriever.describe()
    return IndexCounts(documents=held.documents, chunks=held.chunks, vectors=held.vectors)


@contextmanager
def open_whole(url: str, settings: Settings | None) -> Iterator[RetrieverProtocol]:
    """The index for reading, all of it: filters that hold for questions are none of ingestion's."""
    whole = settings.without("retriever") if settings else None
    retriever = registry.open_retriever(url, embedder="none", settings=whole)
    try:
        yield retriever
    finally:
        close = getattr(retriever, "close", None)
        if close is not None:
            close()


@contextmanager
def _ledger(url: str, settings: Settings | None) -> Iterator[HasLedger]:
    with open_whole(url, settings) as retriever:
        assert isinstance(retriever, HasLedger), "all engines that are written to keep a ledger"
        yield retriever
