"""One SQLite file (WAL): opened, versioned, used from several threads, with its errors translated."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ingest.errors import JournalError


class Database:
    """An open journal file.

    Where its folder may not be written to, it can be read all the same, as of now or beside a run that goes on.

    Args:
        path: made if it is not there.
        schema: statements that make the tables.
        version: of the schema; a file of a newer one is refused.
        upgrades: statements that bring tables of the version before up to a version; the schema follows.

    Raises:
        JournalError: it cannot be read or written, or a newer version wrote it.
    """

    def __init__(self, path: Path, *, schema: str, version: int, upgrades: Mapping[int, str]) -> None:
        self.path = path
        self.lock = threading.RLock()
        with self._translated():
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10.0)
            try:
                self._prepare(schema, version, upgrades)
            except sqlite3.OperationalError:
                self._db.close()
                if not path.exists() or os.access(path.parent, os.W_OK):
                    raise
                self._db = sqlite3.connect(_read_only(path), uri=True, isolation_level=None, check_same_thread=False)
                self._check(version)
            except BaseException:
                self._db.close()
                raise

    def _check(self, version: int) -> None:
        found = self._db.execute("PRAGMA user_version").fetchone()[0]
        if found != version:
            self._db.close()
            raise JournalError(
                f"the journal {self.path} is of another version, and its folder cannot be written to",
                hint="run this where it can",
            )

    def _prepare(self, schema: str, version: int, upgrades: Mapping[int, str]) -> None:
        found = self._db.execute("PRAGMA user_version").fetchone()[0]
        if found > version:
            raise JournalError(f"the journal {self.path} was written by a newer version", hint="upgrade rlm-search")
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        if found < version:
            steps = [upgrades.get(step, "") for step in range(found + 1, version + 1)] if found else []
            self._db.executescript("".join(steps))
            self._db.executescript(schema)
            self._db.execute(f"PRAGMA user_version={version}")

    def execute(self, sql: str, arguments: Sequence[Any] = ()) -> sqlite3.Cursor:
        """One statement, alone or as part of the transaction that is open."""
        with self.lock:
            try:  # and not `_translated`, which costs as much as the statement
                return self._db.execute(sql, arguments)
            except sqlite3.Error as error:
                raise self._error(error) from error

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything in the block becomes durable together when it ends, or not at all."""
        self.execute("BEGIN")
        try:
            yield
        except BaseException:
            with self.lock:
                if self._db.in_transaction:
                    self.execute("ROLLBACK")
            raise
        self.execute("COMMIT")

    def close(self) -> None:
        """Let go of the file."""
        with self.lock:
            self._db.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise self._error(error) from error

    def _error(self, error: sqlite3.Error) -> JournalError:
        name = getattr(error, "sqlite_errorname", "") or ""
        if name == "SQLITE_FULL":
            return JournalError(
                f"no space left on the disk of {self.path}", hint="free some space and run the same command again"
            )
        if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
            return JournalError(
                f"the journal {self.path} is damaged ({error})",
                hint="move it away and run again: the index stays, and the files are read once more",
            )
        return JournalError(f"the journal {self.path} cannot be used: {error}", hint="check the folder's permissions")


def _read_only(path: Path) -> str:
    """With a log of a writer beside it, that is read, too; without one nobody writes, and no log can be made."""
    has_log = path.with_name(f"{path.name}-wal").exists()
    return f"{path.absolute().as_uri()}?{'mode=ro' if has_log else 'immutable=1'}"
