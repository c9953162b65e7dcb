"""Taking documents out of an index, by path or by id."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from ingest import stages
from ingest.errors import SourceError
from ingest.journal import Journal
from ingest.readers import Reader
from ingest.state import OpenIndex
from ingest.writing import BatchedWriter, tell_the_rest


class Forgotten(msgspec.Struct, frozen=True, kw_only=True):
    """What was removed."""

    documents: int
    files: int


def forget(names: Iterable[str], index: OpenIndex) -> Forgotten:
    """Remove documents by file, folder or id from index and journal, all in one step or none.

    Raises:
        SourceError: a name that nothing in the index answers to.
    """
    index.journal.begin_run("")
    files: list[bytes] = []
    strays: list[str] = []

    def drop() -> set[str]:
        keys: set[str] = set()
        for name in names:
            if name and not index.journal.knows(name) and index.writer.holds(name):
                strays.append(name)
                continue
            dropped, emptied = _drop(name, index.journal)
            keys |= dropped
            files.extend(emptied)
        index.journal.forget_files(files)
        return keys

    before = index.journal.holdings.totals()[0]
    _flush(index, drop)
    if strays:  # written by a machine or a run whose journal is not here
        index.writer.delete(strays)
        index.writer.flush()
    tell_the_rest(index.journal, index.writer)
    index.journal.end_run()
    documents = before - index.journal.holdings.totals()[0] + len(strays)
    return Forgotten(documents=documents, files=len(set(files)))


def forget_files(paths: Iterable[bytes], index: OpenIndex) -> int:
    """Remove what these files alone hold; other documents lose them as sources. Returns the documents removed."""
    holdings = index.journal.holdings
    before = holdings.totals()[0]
    gone = list(paths)

    def drop() -> set[str]:
        keys = holdings.drop_files(gone)
        index.journal.forget_files(gone)
        return keys

    if gone:
        _flush(index, drop)
    return before - holdings.totals()[0]


def _flush(index: OpenIndex, drop: Callable[[], Iterable[str]]) -> None:
    batched = BatchedWriter(index.writer, index.journal, reader=Reader(common=stages.version()))
    batched.put_right()
    batched.forget(drop)
    batched.flush()
    batched.mark_near_duplicates()


def _drop(name: str, journal: Journal) -> tuple[set[str], list[bytes]]:
    """The keys of the documents that lose a holder, and the files that hold nothing any more."""
    paths = journal.paths_below(Path(name)) if name else []
    if paths:
        return journal.holdings.drop_files(paths), paths
    keys, emptied = journal.holdings.drop_document(name)
    if not keys:
        raise SourceError(
            f"nothing in the index is named {name or 'like the empty name'}",
            hint="give a path as it was ingested, or an id",
        )
    return keys, emptied
