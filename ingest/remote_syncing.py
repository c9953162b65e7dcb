"""`--sync` below URLs: what this run has not found there, and the server says is not there, goes from the index."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

from ingest.errors import ConfigError, SourceError
from ingest.forgetting import forget_files
from ingest.journal import path_key
from ingest.sidecar import NO_ROOM
from ingest.state import OpenIndex
from ingest.syncing import is_ours
from ingest.types import Failure, SourceFile

_AT_ONCE = 1000
_ASKED_AT_ONCE = 8


class RemoteSync:
    """Notes what a run finds below URLs, on disk, and afterwards asks after what it knew of and has not found.

    Args:
        urls: folders or files; none of them notes nothing.
        seen: a database of its own.
    """

    def __init__(self, urls: Sequence[str], seen: sqlite3.Connection) -> None:
        self._urls, self._seen = urls, seen
        seen.execute("CREATE TABLE seen(path BLOB PRIMARY KEY) WITHOUT ROWID")

    def noting(self, found: Iterator[SourceFile | Failure]) -> Iterator[SourceFile | Failure]:
        """The same files, with a note of the remote ones."""
        for file in found:
            if self._urls and isinstance(file, SourceFile) and file.url:
                self._note(path_key(file.path))
            yield file

    def _note(self, path: bytes) -> None:
        try:
            self._seen.execute("INSERT OR IGNORE INTO seen VALUES(?)", (path,))
        except sqlite3.OperationalError as error:
            raise ConfigError(f"cannot note what was found: {error}", hint=NO_ROOM) from None

    def drop_gone(self, index: OpenIndex) -> int:
        """Remove the documents of files that are gone; what cannot be asked after stays. Returns how many.

        Raises:
            SourceError: a folder that held files lists none: a mistake of the server looks like that.
        """
        gone = [path for url in self._urls for path in self._gone(url, index)]
        return sum(forget_files(gone[start : start + _AT_ONCE], index) for start in range(0, len(gone), _AT_ONCE))

    def _gone(self, url: str, index: OpenIndex) -> Iterator[bytes]:
        from ingest.remote import missing, shown

        known = [path for path in index.journal.holders_below(Path(shown(url))) if is_ours(path, index)]
        unseen = [path for path in known if not self._has_seen(path)]
        if unseen and len(unseen) == len(known):
            raise SourceError(
                f"{shown(url)} lists nothing, and the index holds {len(known):,} files of it: nothing was removed",
                hint=f"check the URL; if all of it is to go: `ingest forget {shown(url)}`",
            )
        is_missing: Callable[[str], bool] = missing(url)
        with ThreadPoolExecutor(_ASKED_AT_ONCE) as asking:
            answers = asking.map(is_missing, map(os.fsdecode, unseen))
            yield from (path for path, is_gone in zip(unseen, answers, strict=True) if is_gone)

    def _has_seen(self, path: bytes) -> bool:
        return self._seen.execute("SELECT 1 FROM seen WHERE path = ?", (path,)).fetchone() is not None


@contextmanager
def remote_sync(urls: Sequence[str]) -> Iterator[RemoteSync]:
    """A sync below these URLs.

    Raises:
        ConfigError: there is no room to note what is found.
    """
    if not urls:
        with closing(sqlite3.connect(":memory:", check_same_thread=False)) as nothing:
            yield RemoteSync((), nothing)
        return
    with tempfile.TemporaryDirectory(prefix="rlm-search-seen-", ignore_cleanup_errors=True) as folder:
        database = sqlite3.connect(os.path.join(folder, "seen.db"), isolation_level=None, check_same_thread=False)
        with closing(database):
            database.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF")
            yield RemoteSync(urls, database)
