"""Which file holds which document, and what the index has to hold because of it.

The same content under many paths is one document with all its sources, named after the first of them in sorted order;
so the index comes out the same in whatever order files are read. Records that name themselves keep their name; where
two different records of different files claim one name, the first source keeps it.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from retrievers.types import Document

Execute: TypeAlias = Callable[[str, Sequence[Any]], sqlite3.Cursor]

HOLDINGS_SCHEMA = """
CREATE TABLE IF NOT EXISTS holdings(
  path BLOB NOT NULL, key TEXT NOT NULL, source TEXT NOT NULL, document_id TEXT NOT NULL, title TEXT NOT NULL,
  generation INTEGER NOT NULL, PRIMARY KEY(path, key, source)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS holdings_by_key ON holdings(key);
CREATE INDEX IF NOT EXISTS holdings_by_document ON holdings(document_id);
CREATE TABLE IF NOT EXISTS documents(
  key TEXT PRIMARY KEY, document_id TEXT NOT NULL, reader TEXT NOT NULL, sources TEXT NOT NULL,
  chunks INTEGER NOT NULL, vectors INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS documents_by_id ON documents(document_id);
"""

_LIVE = "SELECT h.source, h.path, h.document_id, h.title FROM holdings h JOIN files f ON f.path = h.path"
_OF_THIS_GENERATION = "h.generation = f.generation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A document as it stands in the index. `sources` is joined by newlines."""

    document_id: str
    reader: str
    sources: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A document as it has to stand in the index: named and titled by its leading source, which lies at `path`."""

    key: str
    document_id: str
    title: str
    source: str
    path: bytes
    sources: tuple[str, ...]


class Holdings:
    """The part of the journal that knows documents. Changes belong into a transaction of the journal."""

    def __init__(self, execute: Execute) -> None:
        self._execute = execute

    def note(self, path: bytes, document: Document, generation: int) -> str:
        """A file holds this document; returns the document's key."""
        key = key_of(document)
        self._execute(
            "INSERT INTO holdings(path, key, source, document_id, title, generation) VALUES(?, ?, ?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET document_id = excluded.document_id, title = excluded.title,"
            " generation = excluded.generation",
            (path, key, document.source, document.id, document.title, generation),
        )
        return key

    def hash_of_whole(self, path: bytes) -> str:
        """The hash of the bytes of a file that is one document; "" for a file of records."""
        rows = self._execute("SELECT key FROM holdings WHERE path = ? LIMIT 2", (path,)).fetchall()
        return str(rows[0][0]) if len(rows) == 1 and not names_itself(rows[0][0]) else ""

    def drop_outdated(self, path: bytes, generation: int) -> set[str]:
        """A file was read to its end: what only earlier versions of it held is gone; gives the keys concerned."""
        where = "path = ? AND generation < ?"
        rows = self._execute(f"SELECT DISTINCT key FROM holdings WHERE {where}", (path, generation)).fetchall()  # noqa: S608 - a constant
        if rows:
            self._execute(f"DELETE FROM holdings WHERE {where}", (path, generation))  # noqa: S608 - a constant
        return {row[0] for row in rows}

    def is_shared(self, path: bytes) -> bool:
        """Other files hold every document of this one, too."""
        alone = self._execute(
            "SELECT 1 FROM holdings h WHERE h.path = ? AND NOT EXISTS"
            " (SELECT 1 FROM holdings o WHERE o.key = h.key AND o.path <> h.path)",
            (path,),
        ).fetchone()
        return alone is None

    def drop_files(self, paths: Iterable[bytes]) -> set[str]:
        """These files hold nothing any more; gives the keys concerned."""
        keys: set[str] = set()
        for path in paths:
            keys.update(row[0] for row in self._execute("SELECT key FROM holdings WHERE path = ?", (path,)))
            self._execute("DELETE FROM holdings WHERE path = ?", (path,))
        return keys

    def drop_document(self, document_id: str) -> tuple[set[str], list[bytes]]:
        """No file holds this document any more; gives its keys and the files that hold nothing now."""
        keys = {row[0] for row in self._execute("SELECT key FROM documents WHERE document_id = ?", (document_id,))}
        emptied: list[bytes] = []
        for key in keys:
            paths = [row[0] for row in self._execute("SELECT path FROM holdings WHERE key = ?", (key,))]
            self._execute("DELETE FROM holdings WHERE key = ?", (key,))
            emptied += [path for path in paths if not self._holds_any(path)]
        return keys, emptied

    def files_with(self, document_id: str) -> list[tuple[Path, str]]:
        """Path and source of the files that hold this document."""
        rows = self._execute(
            "SELECT DISTINCT h.path, f.source FROM documents d JOIN holdings h ON h.key = d.key"
            " JOIN files f ON f.path = h.path WHERE d.document_id = ?",
            (document_id,),
        )
        return [(Path(os.fsdecode(path)), source) for path, source in rows.fetchall()]

    def totals(self) -> tuple[int, int, int]:
        """Documents, chunks, and chunks with vectors in the index, as far as the journal knows."""
        row = self._execute("SELECT count(*), total(chunks), total(chunks * vectors) FROM documents", ()).fetchone()
        return int(row[0]), int(row[1]), int(row[2])

    def with_rivals(self, keys: Iterable[str]) -> set[str]:
        """The keys, and those of records that claim the same name: naming one may rename the other."""
        found = set(keys)
        for key in [key for key in found if names_itself(key)]:
            rows = self._execute("SELECT DISTINCT key FROM holdings WHERE document_id = ?", (_own_name(key),))
            found.update(row[0] for row in rows)
        return found

    def wanted(self, key: str) -> Wanted | None:
        """The document of this key as it has to stand in the index; None if no file holds it any more."""
        holders = self._holders(key)
        if not holders:
            return None
        source, path, document_id, title = holders[0]
        return Wanted(
            key=key,
            document_id=self._unrivalled(document_id, key, source) if names_itself(key) else document_id,
            title=title,
            source=source,
            path=path,
            sources=tuple(sorted({holder[0] for holder in holders})),
        )

    def written(self, key: str) -> Written | None:
        """The document of this key as it stands in the index, as far as the journal knows."""
        row = self._execute("SELECT document_id, reader, sources FROM documents WHERE key = ?", (key,)).fetchone()
        return Written(document_id=row[0], reader=row[1], sources=row[2]) if row else None

    def mark_written(self, wanted: Wanted, reader: str, chunks: int) -> None:
        """The document was written, without vectors."""
        self._execute(
            "INSERT OR REPLACE INTO documents(key, document_id, reader, sources, chunks) VALUES(?, ?, ?, ?, ?)",
            (wanted.key, wanted.document_id, reader, "\n".join(wanted.sources), chunks),
        )

    def mark_doubtful(self, document_id: str) -> None:
        """The index may hold something else under this name: write it anew when its file is read again."""
        self._execute("UPDATE documents SET reader = '' WHERE document_id = ?", (document_id,))

    def mark_unread(self, path: bytes) -> None:
        """Write the documents of this file anew when it is read again."""
        self._execute(
            "UPDATE documents SET reader = '' WHERE key IN (SELECT key FROM holdings WHERE path = ?)", (path,)
        )

    def mark_removed(self, key: str) -> None:
        """The document of this key is not in the index any more."""
        self._execute("DELETE FROM documents WHERE key = ?", (key,))

    def is_written_as(self, document_id: str) -> bool:
        """Some document stands in the index under this name."""
        return self._execute("SELECT 1 FROM documents WHERE document_id = ?", (document_id,)).fetchone() is not None

    def unsettled(self) -> set[str]:
        """Keys of documents that do not name all their sources, since several machines wrote them at once."""
        return {str(row[0]) for row in self._execute(_UNSETTLED, ())}

    def leading_source(self, document_id: str) -> str | None:
        """The source that a document in the index is named after; None for one that is not known."""
        row = self._execute("SELECT sources FROM documents WHERE document_id = ?", (document_id,)).fetchone()
        return str(row[0]).partition("\n")[0] if row else None

    def mark_vectors(self, document_ids: Iterable[str]) -> None:
        """These documents have vectors; files all of whose documents have them turn from `text` to `vectors`."""
        for document_id in document_ids:
            self._execute("UPDATE documents SET vectors = 1 WHERE document_id = ?", (document_id,))
            self._execute(_COMPLETE, (document_id,))

    def mark_all_vectors(self, except_for: Iterable[str]) -> None:
        """The index says that no other documents than these lack vectors."""
        self._execute("UPDATE documents SET vectors = 1 WHERE vectors = 0", ())
        for document_id in except_for:
            self._execute("UPDATE documents SET vectors = 0 WHERE document_id = ?", (document_id,))
        self._execute(_COMPLETE_ALL, ())

    def _holders(self, key: str) -> list[tuple[str, bytes, str, str]]:
        rows = self._execute(f"{_LIVE} WHERE h.key = ? AND {_OF_THIS_GENERATION}", (key,)).fetchall()
        if not rows:  # its file is being read again and has not come to it yet
            rows = self._execute(f"{_LIVE} WHERE h.key = ?", (key,)).fetchall()
        return sorted(rows)

    def _unrivalled(self, name: str, key: str, source: str) -> str:
        rival = self._execute(
            f"{_LIVE} WHERE h.document_id = ? AND h.key <> ? AND (h.source, h.key) < (?, ?) AND {_OF_THIS_GENERATION}",
            (name, key, source, key),
        ).fetchone()
        return f"{name}~{key.partition(' ')[0][:8]}" if rival else name

    def _holds_any(self, path: bytes) -> bool:
        return self._execute("SELECT 1 FROM holdings WHERE path = ?", (path,)).fetchone() is not None


_UNSETTLED = """
SELECT d.key FROM documents d WHERE d.sources <> (SELECT group_concat(source, char(10)) FROM (
  SELECT DISTINCT h.source AS source FROM holdings h JOIN files f ON f.path = h.path WHERE h.key = d.key ORDER BY 1))
"""
_MANY_RECORDS = 100  # a file of more is looked at once, when all is done: counting its rest each time is quadratic
# The plus keeps SQLite from walking all files that have text to find the one that is named.
_COMPLETE = f"""
UPDATE files SET state = 'vectors' WHERE +state = 'text' AND documents <= {_MANY_RECORDS} AND path IN (
  SELECT h.path FROM documents d JOIN holdings h ON h.key = d.key WHERE d.document_id = ?)
AND NOT EXISTS (SELECT 1 FROM holdings h JOIN documents d ON d.key = h.key WHERE h.path = files.path AND d.vectors = 0)
"""  # noqa: S608 - a constant
_COMPLETE_ALL = """
UPDATE files SET state = 'vectors' WHERE state = 'text'
AND NOT EXISTS (SELECT 1 FROM holdings h JOIN documents d ON d.key = h.key WHERE h.path = files.path AND d.vectors = 0)
"""


def key_of(document: Document) -> str:
    """What makes two documents the same: their content, and their name where they name themselves."""
    if document.id.endswith(document.content_hash[:8]):
        return document.content_hash
    return f"{document.content_hash} {document.id}"


def names_itself(key: str) -> bool:
    """It is of a record that has an id of its own."""
    return " " in key


def _own_name(key: str) -> str:
    return key.partition(" ")[2]
