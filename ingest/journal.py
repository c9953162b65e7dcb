"""The journal: which files were claimed, what became of each, and which runs there were. SQLite beside the index.

The index is the truth about documents; the journal is what makes a run resumable and incremental. It is changed in one
transaction that ends after the index has flushed, so it never says more than the index holds: a crash repeats work,
before it would lose any. A journal that is lost is made again from the ledger of the index.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ingest.addresses import file_of, inside, is_past, url_of
from ingest.database import Database
from ingest.entries import DONE, Claim, FailedFile, FileEnd, RunRecord
from ingest.holdings import HOLDINGS_SCHEMA, Holdings
from ingest.ledger import LEDGER_SCHEMA, Ledger
from ingest.near_duplicates import NEAR_DUPLICATES_SCHEMA, NearDuplicates
from ingest.readers import ALL, Reader, joined
from ingest.types import Failure, SourceFile

_VERSION = 4
_UPGRADES = {3: "ALTER TABLE files ADD COLUMN formats TEXT NOT NULL DEFAULT '';"}
_SCHEMA = """
CREATE TABLE IF NOT EXISTS files(
  path BLOB PRIMARY KEY, source TEXT NOT NULL, fingerprint TEXT NOT NULL, size INTEGER NOT NULL,
  state TEXT NOT NULL, reader TEXT NOT NULL DEFAULT '', run INTEGER NOT NULL DEFAULT 0,
  formats TEXT NOT NULL DEFAULT '',
  generation INTEGER NOT NULL DEFAULT 0,
  kind TEXT NOT NULL DEFAULT '', stage TEXT NOT NULL DEFAULT '', message TEXT NOT NULL DEFAULT '',
  hint TEXT NOT NULL DEFAULT '', transient INTEGER NOT NULL DEFAULT 0, attempts INTEGER NOT NULL DEFAULT 0,
  documents INTEGER NOT NULL DEFAULT 0, pages INTEGER NOT NULL DEFAULT 0, warnings TEXT NOT NULL DEFAULT '',
  seconds REAL NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS links(path BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS files_by_state ON files(state, kind);
CREATE TABLE IF NOT EXISTS runs(
  id INTEGER PRIMARY KEY, pid INTEGER NOT NULL, started REAL NOT NULL, seen REAL NOT NULL, ended REAL,
  embedder TEXT NOT NULL DEFAULT '', progress TEXT NOT NULL DEFAULT '');
"""


_BELOW = "(path = ? OR (path >= ? AND path < ?))"
_INSIDE = "(path >= ? AND path < ?)"

_WARNED = "state IN ('text', 'vectors', 'empty') AND instr(',' || warnings || ',', ',' || ?1 || ',')"

_WARNINGS = f"""
SELECT path, source, ?1, 'parse', iif(state = 'unsupported', message, 'read, with this warning'), '', attempts, size
FROM files WHERE (state = 'unsupported' AND kind = ?1) OR {_WARNED} ORDER BY source
"""  # noqa: S608 - a constant


class Journal:
    """One open journal. Safe to call from several threads; one process writes at a time.

    Attributes:
        is_new: the file did not exist, so the index may hold documents that the journal does not know.
        run: number of the current run, 0 before `begin_run`.
        holdings: which file holds which document.
        near_duplicates: which documents say almost the same.
        ledger: what of all this the index was told.
        transaction: a block whose changes become durable together when it ends, or not at all.

    Raises:
        JournalError: it cannot be read or written, or a newer version wrote it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_new = not path.exists()
        self.run = 0
        schema = _SCHEMA + HOLDINGS_SCHEMA + NEAR_DUPLICATES_SCHEMA + LEDGER_SCHEMA
        self._database = Database(path, schema=schema, version=_VERSION, upgrades=_UPGRADES)
        self._execute = self._database.execute
        self.transaction = self._database.transaction
        self.holdings = Holdings(self._execute)
        self.near_duplicates = NearDuplicates(self._execute)
        self.ledger = Ledger(self._execute)

    # --- runs -------------------------------------------------------------------------------------------------------

    def begin_run(self, embedder: str) -> None:
        """Start a run: its number tells its claims from those of runs that were killed."""
        now = time.time()
        cursor = self._execute(
            "INSERT INTO runs(pid, started, seen, embedder) VALUES(?, ?, ?, ?)", (os.getpid(), now, now, embedder)
        )
        self.run = cursor.lastrowid or 0
        self._execute("DELETE FROM runs WHERE id <= ?", (self.run - 100,))

    def beat(self, progress: str) -> None:
        """Say that the run goes on, and how far it is (JSON), for `ingest status` in another terminal."""
        self._execute("UPDATE runs SET seen = ?, progress = ? WHERE id = ?", (time.time(), progress, self.run))

    def end_run(self) -> None:
        """Say that the run came to its end."""
        now = time.time()
        self._execute("UPDATE runs SET seen = ?, ended = ? WHERE id = ?", (now, now, self.run))

    def last_run(self) -> RunRecord | None:
        """The newest run."""
        row = self._execute(
            "SELECT id, pid, started, seen, ended, embedder, progress FROM runs ORDER BY id DESC LIMIT 1"
        ).fetchone()
        if row is None:
            return None
        keys = ("id", "pid", "started", "seen", "ended", "embedder", "progress")
        return RunRecord(**dict(zip(keys, row, strict=True)))

    # --- files ------------------------------------------------------------------------------------------------------

    def claim(self, file: SourceFile, reader: Reader) -> Claim:
        """Take a file in hand, unless it was done before with the same content and by the same reader.

        Args:
            file: as found.
            reader: the versions of parsers and chunker; where one has changed that concerns the file, it is read again.
        """
        path = path_key(file.path)
        row = self._execute(
            "SELECT source, fingerprint, size, state, reader, formats, run, transient FROM files WHERE path = ?",
            (path,),
        ).fetchone()
        if row is None:
            self._execute(
                "INSERT INTO files(path, source, fingerprint, size, state, run) VALUES(?, ?, ?, ?, 'claimed', ?)",
                (path, file.source, file.fingerprint, file.size, self.run),
            )
            return Claim(file=file)
        source, fingerprint, size, state, read_by, formats, run, transient = row
        if run == self.run:
            return Claim(file=file, again=True)
        if read_by == reader.stamp(formats) and (state in DONE or (state == "failed" and not transient)):
            if fingerprint == file.fingerprint:
                return Claim(file=file, known=state)
            is_told_the_same = fingerprint.partition("+")[2] == file.fingerprint.partition("+")[2]
            if (
                is_told_the_same
                and fingerprint
                and size == file.size
                and state in ("text", "vectors", "empty")
                and self._is_same(path, file)
            ):
                self._execute("UPDATE files SET fingerprint = ? WHERE path = ?", (file.fingerprint, path))
                return Claim(file=file, known=state)
            if not is_told_the_same:
                self.holdings.mark_unread(path)  # its documents are to be written anew, whatever its bytes
        if fingerprint not in ("", file.fingerprint):
            self._execute(f"UPDATE files SET attempts = 0 WHERE {_INSIDE}", inside(path))  # noqa: S608 - a constant
        self._execute(
            "UPDATE files SET state = 'claimed', run = ?, size = ?, attempts = iif(fingerprint = ?, attempts, 0),"
            " fingerprint = ? WHERE path = ?",
            (self.run, file.size, file.fingerprint, file.fingerprint, path),
        )
        return Claim(file=_named(file, source))

    def leaves_alone(self, file: SourceFile, reader: Reader) -> bool:
        """It was read, or has failed, and neither it nor what it is read with has changed."""
        row = self._execute(
            "SELECT state, reader, formats FROM files WHERE path = ? AND fingerprint = ?",
            (path_key(file.path), file.fingerprint),
        ).fetchone()
        return row is not None and row[0] in {*DONE, "failed"} and row[1] == reader.stamp(row[2])

    def _is_same(self, path: bytes, file: SourceFile) -> bool:
        """It was touched or copied, and its bytes are what they were: cheaper to see than to read it again."""
        content_hash = self.holdings.hash_of_whole(path)
        if not content_hash:
            return False
        try:
            with file.path.open("rb") as content:
                return hashlib.file_digest(content, "sha256").hexdigest() == content_hash
        except OSError:
            return False

    def touch(self, path: bytes) -> None:
        """Documents of this file are arriving: what it held in earlier runs is out of date when it has ended."""
        self._execute("UPDATE files SET generation = ? WHERE path = ?", (self.run, path))

    def finish(self, end: FileEnd, reader: Reader) -> None:
        """A file was read and its documents are written; what failed inside it before stands no longer."""
        path = path_key(end.file.path)
        self._execute(f"DELETE FROM files WHERE {_INSIDE} AND run < ?", (*inside(path), self.run))  # noqa: S608 - a constant
        self._execute(
            "UPDATE files SET state = ?, reader = ?, formats = ?, kind = '', stage = '', message = '', hint = '',"
            " transient = 0, attempts = 0, documents = ?, pages = ?, warnings = ?, seconds = ? WHERE path = ?",
            (
                "empty" if end.empty else "text",
                reader.stamp(joined(end.formats)),
                joined(end.formats),
                end.documents,
                end.pages,
                ",".join(sorted(set(end.warnings))),
                end.seconds,
                path,
            ),
        )

    def fail(self, failure: Failure, reader: Reader) -> None:
        """A file could not be had; counts an attempt. A folder that could not be listed is kept in the same way."""
        state = "unsupported" if failure.kind == "unsupported" else "failed"
        fingerprint, size = (failure.file.fingerprint, failure.file.size) if failure.file else ("", 0)
        self._execute(
            "INSERT INTO files(path, source, fingerprint, size, state, reader, formats, run, kind, stage, message,"
            " hint, transient, attempts, seconds) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?)"
            " ON CONFLICT(path) DO UPDATE SET state = excluded.state, reader = excluded.reader,"
            " formats = excluded.formats, run = excluded.run,"
            " kind = excluded.kind, stage = excluded.stage, message = excluded.message, hint = excluded.hint,"
            " transient = excluded.transient, attempts = attempts + 1, seconds = excluded.seconds",
            (
                path_key(failure.path),
                failure.source,
                fingerprint,
                size,
                state,
                reader.stamp(ALL),
                ALL,
                self.run,
                failure.kind,
                failure.stage,
                failure.message,
                failure.hint,
                failure.transient or failure.kind in ("unreadable", "vanished", "embed", "write"),
                failure.seconds,
            ),
        )
        if failure.transient and failure.file and failure.file.path != failure.path:
            self.read_again(path_key(failure.file.path))

    def note_links(self, paths: Iterable[Path]) -> None:
        """The links among these paths, which somebody has named: what they lead to may be read."""
        for path in paths:
            if path.is_symlink():
                self._execute("INSERT OR IGNORE INTO links(path) VALUES(?)", (path_key(path),))

    def named_links(self, paths: Iterable[Path]) -> list[Path]:
        """Those of these paths that are links and were named at some time; not links that merely lay in a folder."""
        known = "SELECT 1 FROM links WHERE path = ?"
        return [path for path in paths if self._execute(known, (path_key(path),)).fetchone()]

    def queue_again(self, kinds: Sequence[str] = ()) -> list[tuple[Path, str]]:
        """Queue failed files again, of all kinds or of these; gives path and source of each.

        With `kinds` also files that were read with a warning of such a kind. For what failed inside a file, the file.
        """
        where, arguments = _failed(kinds)
        with self.transaction():
            rows = self._execute(f"SELECT path, source FROM files WHERE {where}", arguments).fetchall()  # noqa: S608 - placeholders only
            self._execute(f"UPDATE files SET state = 'queued' WHERE {where}", arguments)  # noqa: S608 - placeholders only
            for kind in kinds:
                rows += self._queue_warned(kind)
            rows = [self._queue_outer(path, source) for path, source in rows]
        return [(Path(os.fsdecode(path)), source) for path, source in dict.fromkeys(rows)]

    def _queue_outer(self, path: bytes, source: str) -> tuple[bytes, str]:
        outer = file_of(path)
        if outer != path:
            self.read_again(outer)
            (source,) = self._execute("SELECT source FROM files WHERE path = ?", (outer,)).fetchone() or (source,)
        return outer, source

    def _queue_warned(self, kind: str) -> list[tuple[bytes, str]]:
        """Let files be read again that were read with this warning, and their documents be written anew."""
        rows = self._execute(f"SELECT path, source FROM files WHERE {_WARNED}", (kind,)).fetchall()  # noqa: S608 - a constant
        for path, _ in rows:
            self.read_again(path)
            self.holdings.mark_unread(path)
        return rows

    def read_again(self, path: bytes) -> None:
        """Let the next run that finds this file read it, changed or not."""
        self._execute("UPDATE files SET fingerprint = '' WHERE path = ?", (path,))

    def failures(self, kinds: Sequence[str] = ()) -> Iterator[FailedFile]:
        """What failed and still stands, ordered by kind and source.

        With `kinds` also unsupported files, and files that were read with a warning of such a kind.
        """
        where, arguments = _failed(kinds)
        rows = self._execute(
            "SELECT path, source, kind, stage, message, hint, attempts, size FROM files"  # noqa: S608 - placeholders only
            f" WHERE {where} ORDER BY kind, source",
            arguments,
        )
        yield from (_failed_file(*row) for row in rows)
        for kind in kinds:
            rows = self._execute(_WARNINGS, (kind,))
            yield from (_failed_file(*row) for row in rows)

    def drop_gone(self) -> None:
        """Failures of what is not there any more, and of folders that can be listed now, stand no longer."""
        rows = self._execute(
            "SELECT path FROM files WHERE state IN ('failed', 'queued', 'claimed') AND run < ?", (self.run,)
        )
        self.forget_files([path for (path,) in rows.fetchall() if is_past(path)])

    def files_by_state(self) -> dict[str, int]:
        """How many files are in each state."""
        return dict(self._execute("SELECT state, count(*) FROM files GROUP BY state ORDER BY state").fetchall())

    def failures_by_kind(self) -> dict[str, int]:
        """How many failures of each kind stand."""
        rows = self._execute("SELECT kind, count(*) FROM files WHERE state IN ('failed', 'queued') GROUP BY kind")
        return dict(rows.fetchall())

    def paths_below(self, path: Path) -> list[bytes]:
        """The known files at or below a path."""
        rows = self._execute(f"SELECT path FROM files WHERE {_BELOW}", _below(path))  # noqa: S608 - a constant
        return [row[0] for row in rows]

    def read_files(self, after: bytes, limit: int) -> list[tuple[bytes, str, int, str]]:
        """Path, source, size and fingerprint of files that were read, in order of their paths."""
        rows = self._execute(
            "SELECT path, source, size, fingerprint FROM files WHERE path > ? AND state IN ('text', 'vectors')"
            " ORDER BY path LIMIT ?",
            (after, limit),
        )
        return rows.fetchall()

    def move(self, folder: bytes, to: bytes) -> None:
        """What lay below a folder lies below another one now, of which nothing is known."""
        bounds = (to, len(folder) + 1, folder + b"/", folder + b"0")
        for table in ("files", "holdings"):
            self._execute(
                f"UPDATE {table} SET path = CAST(? || substr(path, ?) AS BLOB) WHERE path >= ? AND path < ?",  # noqa: S608 - constants
                bounds,
            )

    def holders_below(self, path: Path) -> Iterator[bytes]:
        """The files at or below a path that hold documents."""
        rows = self._execute(f"SELECT DISTINCT path FROM holdings WHERE {_BELOW}", _below(path))  # noqa: S608 - a constant
        return (row[0] for row in rows)

    def source_of(self, path: bytes) -> str:
        """The source of a known file, "" for an unknown one."""
        row = self._execute("SELECT source FROM files WHERE path = ?", (path,)).fetchone()
        return str(row[0]) if row else ""

    def knows(self, name: str) -> bool:
        """It is the path of a file or folder, or the id of a document."""
        return bool(self.paths_below(Path(name))) or self.holdings.is_written_as(name)

    def forget_files(self, paths: Iterable[bytes]) -> None:
        """Drop files, so that they are read again when they are found again."""
        for path in paths:
            self._execute(f"DELETE FROM files WHERE path = ? OR {_INSIDE}", (path, *inside(path)))  # noqa: S608 - a constant

    def mark_vectors(self, document_ids: Iterable[str]) -> None:
        """These documents have their vectors; a file all of whose documents have them is complete."""
        self.holdings.mark_vectors(document_ids)

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def path_key(path: Path) -> bytes:
    """A path as the journal knows it: absolute, links unresolved, in bytes, since a name may be no valid Unicode.

    Of a remote file it is the URL.
    """
    if url := url_of(path):
        return os.fsencode(url)
    return os.fsencode(os.path.abspath(path))


def _below(path: Path) -> tuple[bytes, bytes, bytes]:
    key = path_key(path)
    folder = key.rstrip(b"/")
    return key, folder + b"/", folder + b"0"


def _failed_file(path: bytes, *rest: Any) -> FailedFile:
    keys = ("source", "kind", "stage", "message", "hint", "attempts", "size")
    return FailedFile(path=path.decode("utf-8", "backslashreplace"), **dict(zip(keys, rest, strict=True)))


def _named(file: SourceFile, source: str) -> SourceFile:
    return file if file.source == source else replace(file, source=source)


def _failed(kinds: Sequence[str]) -> tuple[str, list[str]]:
    if not kinds:
        return "state IN ('failed', 'queued')", []
    return f"state IN ('failed', 'queued') AND kind IN ({','.join('?' * len(kinds))})", list(kinds)
