"""A file of metadata, csv or jsonl, whose rows are joined to files by path or to documents by id.

Its rows lie in a database on disk while the run goes on, so that a file of millions of rows costs no memory.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sqlite3
import tempfile
import threading
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from ingest.errors import ConfigError
from ingest.tables import PATHS, Row, foreign_encoding, rows_of
from ingest.types import INSIDE, SourceFile
from retrievers.types import MetadataValue

IDS = ("doc_id", "id", "_id", "document_id")
NO_ROOM = "set TMPDIR to a folder with more room"
_AT_ONCE = 10_000
_EXAMPLES = 3
_BACKSLASH = re.compile(r"\\(?!x[89a-f][0-9a-f])")  # and not a byte that is no UTF-8
_INSIDE = "key >= ? AND key < ?"
_REPEATED = "EXISTS (SELECT 1 FROM rows AS other WHERE other.key = rows.key AND other.number < rows.number)"
_SCHEMA = """
CREATE TABLE rows(number INTEGER PRIMARY KEY, key TEXT NOT NULL, base TEXT NOT NULL, fields TEXT NOT NULL,
  used INTEGER NOT NULL DEFAULT 0);
"""


class SidecarCounts(msgspec.Struct, frozen=True, kw_only=True):
    """How a file of metadata and the files that were found have fitted.

    Attributes:
        rows: that it has.
        unmatched_rows: that no file or document of this run answers to, with up to three examples.
        unmatched_files: files of this run without a row; 0 where rows are joined by id.
        shared_rows: rows that only name a file, of which there are several.
        repeated_rows: rows that name what an earlier row has named, which counts.
    """

    rows: int = 0
    unmatched_rows: int = 0
    unmatched_files: int = 0
    shared_rows: int = 0
    repeated_rows: int = 0
    examples: tuple[str, ...] = ()


class Sidecar:
    """The rows of a file of metadata. Used as a context manager; safe to use from several threads.

    A row is joined by its first column of `PATHS`, else of `IDS`. A path is one as it was given, as it is under the
    root, or absolute; where that fits no row, a file's bare name will do, if one row alone has it. What lies in a file
    is named by any of these and the way inside: `a.zip!/b.txt`.

    Attributes:
        by_id: rows are joined to documents by their id.
        digest: of the whole file: another one means that rows may have changed.

    Raises:
        ConfigError: it cannot be read, or has no such column.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.by_id = False
        self.rows = 0
        self._unmatched_files = 0
        self._names_members = False
        self._column = ""
        self._lock = threading.Lock()
        self._folder = tempfile.TemporaryDirectory(prefix="rlm-search-metadata-")
        self._database = sqlite3.connect(
            os.path.join(self._folder.name, "rows.db"), isolation_level=None, check_same_thread=False
        )
        try:
            self._database.executescript(f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; {_SCHEMA}")
            self._encoding = foreign_encoding(path)
            self._load()
            with path.open("rb") as content:
                self.digest = hashlib.file_digest(content, "sha256").hexdigest()[:16]
        except OSError as error:
            self.close()
            raise ConfigError(f"cannot read the metadata {path}: {error.strerror or error}") from None
        except sqlite3.OperationalError as error:
            self.close()
            raise ConfigError(f"cannot hold the metadata {path}: {error}", hint=NO_ROOM) from None
        except BaseException:
            self.close()
            raise

    def of_file(self, file: SourceFile) -> Mapping[str, MetadataValue]:
        """The fields of the row of a file, empty without one or where rows are joined by id."""
        if self.by_id:
            return {}
        named = [("key", key) for key in _keys(file)] + [("base", _bare(file))]
        row = next(filter(None, (self._row(column, name) for column, name in self._as_written(named))), None)
        if row is None:
            self._unmatched_files += not self._rows_inside(file)
            return {}
        return self._used(row)

    def digest_of_members(self, file: SourceFile) -> str:
        """Changes with the rows of what lies in a file; "" where there are none. They count as fitting for now."""
        rows = self._rows_inside(file)
        self._set_inside(file, "used = -1", "used = 0")
        return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:16] if rows else ""

    def of_member(self, file: SourceFile, source: str) -> Mapping[str, MetadataValue]:
        """The fields of the row of something that lies in a file; what it lies in there may have a row as well.

        Args:
            file: the outermost one.
            source: of the member, or of a record in it (`a.zip!/b.jsonl#7`); that of the file itself has no such row.
        """
        found: dict[str, MetadataValue] = {}
        inside = source.removeprefix(file.source) if self._names_members else ""
        steps = inside.split(INSIDE)[1:]
        for depth in range(1, len(steps) + 1):
            way = INSIDE + INSIDE.join(steps[:depth])
            ways = (way, way.rpartition("#")[0]) if depth == len(steps) else (way,)
            keys = (f"{outer}{way}" for way in ways if way for outer in (*_keys(file), _bare(file)))
            row = next(filter(None, (self._row("key", key) for key in keys)), None)
            found |= self._used(row, "1") if row else {}
        return found

    def note_read(self, file: SourceFile) -> None:
        """A file was read to its end: rows of what would lie in it and does not fit nothing."""
        self._set_inside(file, "used = 0", "used = -1")

    def of_document(self, *ids: str) -> Mapping[str, MetadataValue]:
        """The fields of the row of a document by any of its ids, empty where rows are joined by path."""
        row = next(filter(None, (self._row("key", id_) for id_ in ids if id_)), None) if self.by_id else None
        return {} if row is None else self._used(row)

    def counts(self, is_document: Callable[[str], bool]) -> SidecarCounts:
        """How it has fitted so far.

        Args:
            is_document: whether the index holds a document with this id; it may come from a file left alone.
        """
        unused = self._database.execute(f"SELECT key FROM rows WHERE used = 0 AND NOT {_REPEATED} ORDER BY number")  # noqa: S608 - constants
        examples: list[str] = []
        unmatched = 0
        for (key,) in unused:
            if not (self.by_id and is_document(key)):
                unmatched += 1
                examples += [key] * (len(examples) < _EXAMPLES)
        shared = self._database.execute("SELECT count(*) FROM rows WHERE used > 1").fetchone()[0]
        repeated = self._database.execute(f"SELECT count(*) FROM rows WHERE {_REPEATED}").fetchone()[0]  # noqa: S608 - constants
        return SidecarCounts(
            rows=self.rows,
            unmatched_rows=unmatched,
            unmatched_files=self._unmatched_files,
            shared_rows=0 if self.by_id else shared,
            repeated_rows=repeated,
            examples=tuple(examples),
        )

    def close(self) -> None:
        """Remove the database."""
        self._database.close()
        self._folder.cleanup()

    def __enter__(self) -> Sidecar:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # --- reading ----------------------------------------------------------------------------------------------------

    def _load(self) -> None:
        batch: list[tuple[str, str, str]] = []
        for row in rows_of(self._path, self._encoding):
            key = self._key(row)
            if key:
                fields = {name: value for name, value in row.items() if name not in (self._column, None)}
                is_member = not self.by_id and INSIDE in key
                self._names_members |= is_member
                base = "" if self.by_id or is_member else PurePosixPath(key).name
                batch.append((key, base, json.dumps(fields)))
            if len(batch) >= _AT_ONCE:
                self._insert(batch)
                batch = []
        self._insert(batch)
        self._database.executescript("CREATE INDEX by_key ON rows(key); CREATE INDEX by_base ON rows(base);")

    def _insert(self, batch: list[tuple[str, str, str]]) -> None:
        self._database.execute("BEGIN")
        self._database.executemany("INSERT INTO rows(key, base, fields) VALUES(?, ?, ?)", batch)
        self._database.execute("COMMIT")
        self.rows += len(batch)

    def _key(self, row: Row) -> str:
        if not self._column:
            self._column = next((name for name in (*PATHS, *IDS) if name in row), "")
            if not self._column:
                raise ConfigError(
                    f"the metadata {self._path} has no column to join by",
                    hint=f"name one of its columns {', '.join(PATHS)}, or {', '.join(IDS)}",
                )
            self.by_id = self._column in IDS
        key = str(row.get(self._column) or "").strip()
        return _storable(key if self.by_id else _normal(key))

    # --- looking up -------------------------------------------------------------------------------------------------

    def _row(self, column: str, value: str) -> tuple[int, str] | None:
        """The first row with this key; by a bare name only where one row alone has it."""
        with self._lock:
            found = self._database.execute(
                f"SELECT number, fields FROM rows WHERE {column} = ? ORDER BY number LIMIT 2",  # noqa: S608 - constants
                (_storable(value),),
            ).fetchall()
        return found[0] if len(found) == 1 or (found and column == "key") else None

    def _as_written(self, named: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str]]:
        """Columns and names, and then the names as they are in a table of another encoding."""
        yield from named
        if self._encoding:
            for column, name in named:
                with suppress(UnicodeEncodeError):  # then it has no such name
                    yield column, name.encode(self._encoding).decode("utf-8", "backslashreplace")

    def _insides(self, file: SourceFile) -> list[tuple[str, str]]:
        """The bounds of keys of what lies in a file."""
        outer = dict.fromkeys((*_keys(file), _bare(file))) if self._names_members else ()
        return [(_storable(f"{key}!/"), _storable(f"{key}!0")) for key in outer]

    def _rows_inside(self, file: SourceFile) -> list[tuple[str, str]]:
        asked = f"SELECT key, fields FROM rows WHERE {_INSIDE} ORDER BY number"  # noqa: S608 - constants
        with self._lock:
            return [row for inside in self._insides(file) for row in self._database.execute(asked, inside)]

    def _set_inside(self, file: SourceFile, now: str, before: str) -> None:
        for inside in self._insides(file):
            with self._lock:
                self._database.execute(f"UPDATE rows SET {now} WHERE {_INSIDE} AND {before}", inside)  # noqa: S608

    def _used(self, row: tuple[int, str], times: str = "used + 1") -> Mapping[str, MetadataValue]:
        number, fields = row
        with self._lock:
            self._database.execute(f"UPDATE rows SET used = {times} WHERE number = ?", (number,))  # noqa: S608 - constants
        decoded: dict[str, Any] = json.loads(fields)
        return {name: value for name, value in decoded.items() if _is_value(value)} | {
            name: tuple(value) for name, value in decoded.items() if isinstance(value, list)
        }


def _keys(file: SourceFile) -> Iterator[str]:
    """What rows may call a file, the likeliest first."""
    names = (os.fspath(file.path), file.source, os.path.abspath(file.path), file.url)
    return iter(dict.fromkeys(_normal(name) for name in names if name))


def _bare(file: SourceFile) -> str:
    return PurePosixPath(_normal(file.source.split("?")[0])).name


def _storable(key: str) -> str:
    """The key with lone surrogates, which SQLite refuses, written out: names that are no UTF-8 hold them."""
    return key.encode("utf-8", "backslashreplace").decode("utf-8")


def _normal(path: str) -> str:
    return (
        path if "://" in path or not path else os.path.normpath(unicodedata.normalize("NFC", _BACKSLASH.sub("/", path)))
    )


def _is_value(value: Any) -> bool:
    return isinstance(value, str | int | float | bool) and value != ""
