"""Another embedder for an index: its vectors are made anew from the text that it holds, and no file is read."""

from __future__ import annotations

from ingest.looking import open_whole
from ingest.state import OpenIndex, open_index, recorded_embedder
from ingest.writing import tell_the_rest
from retrievers.copying import copy, exporting, without_vectors
from retrievers.protocols import HasLedger, KeepsLedger
from retrievers.settings import Settings


def complete_ledger(url: str, settings: Settings) -> None:
    """What is known of files goes over to another index by the ledger; older versions have written none."""
    with open_index(url, recorded_embedder(url, settings), settings) as index:
        tell_the_rest(index.journal, index.writer)


def copy_text(url: str, settings: Settings, index: OpenIndex) -> None:
    """Write all that the index at `url` holds but vectors to another one, which knows then what was read into it.

    A copy that was stopped begins again, unless all was there.
    """
    writer, journal = index.writer, index.journal
    assert isinstance(writer, KeepsLedger), "all engines that are written to keep a ledger"
    with open_whole(url, settings) as retriever:
        assert isinstance(retriever, HasLedger), "as above"
        is_there = retriever.ledger_ends().items() <= writer.ledger_ends().items()
        if writer.is_empty or not is_there:
            copy(exporting(retriever, url), writer, made=without_vectors)
    with journal.transaction():
        journal.ledger.hear_all(writer)  # one that was stopped has left documents of which it did not know
        strays = [id_ for id_ in writer.missing_vectors() if not journal.holdings.is_written_as(id_)]
    if strays and not journal.ledger.is_partial:  # removed from the index since a copy was stopped
        writer.delete(strays)
        writer.flush()
