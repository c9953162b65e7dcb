"""Near-duplicates: which documents say the same in almost the same words, kept on disk beside the journal.

A document is a duplicate of the smallest id, below its own, among the documents it is similar to. So the mark of a
document depends on what the index holds and on nothing else: not on the order in which files were read, nor on where a
run was stopped. The smallest id of a group has no mark and stands for the group; when it goes, the next one does.

Documents meet in buckets. What came, changed or went leaves its buckets dirty, and only the documents in those are
looked at. A document is compared with the smallest `_COMPARED` ids of a bucket: in a bucket of more that are alike the
first is among them, and one of more that are not costs no more than that.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, TypeAlias

from ingest.sketches import BANDS, are_similar, buckets_of

Execute: TypeAlias = Callable[[str, Sequence[Any]], sqlite3.Cursor]

NEAR_DUPLICATES_SCHEMA = """
CREATE TABLE IF NOT EXISTS sketches(
  document_id TEXT PRIMARY KEY, sketch BLOB NOT NULL, original TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS sketches_by_original ON sketches(original) WHERE original <> '';
CREATE TABLE IF NOT EXISTS buckets(
  bucket INTEGER NOT NULL, document_id TEXT NOT NULL, PRIMARY KEY(bucket, document_id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS dirty_buckets(bucket INTEGER PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS doubtful(document_id TEXT PRIMARY KEY) WITHOUT ROWID;
"""

_COMPARED: Final = 100
_CACHED: Final = 10_000
_UNKNOWN: Final = "?"
"""The mark of a document of which the index may say one thing or another."""

_ENTER: Final = f"INSERT OR IGNORE INTO buckets VALUES{', '.join(['(?, ?)'] * BANDS)}"
_LEAVE: Final = f"DELETE FROM buckets WHERE document_id = ? AND bucket IN ({', '.join('?' * BANDS)})"  # noqa: S608 - placeholders only
_SOIL: Final = f"INSERT OR IGNORE INTO dirty_buckets VALUES{', '.join(['(?)'] * BANDS)}"


class NearDuplicates:
    """The part of the journal that knows sketches. Changes belong into a transaction of the journal."""

    def __init__(self, execute: Execute) -> None:
        self._execute = execute

    def sketch(self, document_id: str) -> bytes:
        """The sketch of a document, b"" for one without."""
        row = self._execute("SELECT sketch FROM sketches WHERE document_id = ?", (document_id,)).fetchone()
        return row[0] if row else b""

    def note(self, document_id: str, sketch: bytes, *, is_marked: bool) -> None:
        """The document stands in the index; `is_marked` says that it may bear a mark there."""
        self.drop([document_id])
        if not sketch:
            return
        mark = _UNKNOWN if is_marked else ""
        self._execute("INSERT INTO sketches VALUES(?, ?, ?)", (document_id, sketch, mark))
        buckets = buckets_of(sketch)
        self._execute(_ENTER, [value for bucket in buckets for value in (bucket, document_id)])
        self._execute(_SOIL, buckets)

    def drop(self, document_ids: Iterable[str]) -> None:
        """These documents are not in the index any more, or are about to be written anew."""
        for document_id in document_ids:
            sketch = self.sketch(document_id)
            if not sketch:
                continue
            buckets = buckets_of(sketch)
            self._execute(_LEAVE, [document_id, *buckets])
            self._execute(_SOIL, buckets)
            self._execute("DELETE FROM sketches WHERE document_id = ?", (document_id,))

    def orphans(self, removed: Iterable[str]) -> list[str]:
        """The documents that are marked as duplicates of these: with them gone they have to be seen."""
        gone = set(removed)
        sql = "SELECT document_id FROM sketches WHERE original <> '' AND original = ?"
        found = {row[0] for document_id in gone for row in self._execute(sql, (document_id,)).fetchall()}
        return sorted(found - gone)

    def gather(self) -> None:
        """Note what is to be compared: documents that share a dirty bucket with another one, or are marked."""
        self._execute(
            "INSERT OR IGNORE INTO doubtful SELECT b.document_id FROM dirty_buckets d"
            " CROSS JOIN buckets b ON b.bucket = d.bucket JOIN sketches s ON s.document_id = b.document_id"
            " WHERE s.original <> '' OR EXISTS"
            " (SELECT 1 FROM buckets o WHERE o.bucket = d.bucket AND o.document_id <> b.document_id)",
            (),
        )
        self._execute("DELETE FROM dirty_buckets", ())

    def doubtful(self, limit: int) -> list[str]:
        """Some of the documents that are to be compared."""
        rows = self._execute("SELECT document_id FROM doubtful ORDER BY document_id LIMIT ?", (limit,))
        return [row[0] for row in rows.fetchall()]

    def changes(self, document_ids: Iterable[str]) -> dict[str, str]:
        """Those of the documents whose mark is not what it has to be: by id, the original or ""."""
        sketch = lru_cache(_CACHED)(self.sketch)
        found: dict[str, str] = {}
        for document_id in document_ids:
            row = self._execute("SELECT original FROM sketches WHERE document_id = ?", (document_id,)).fetchone()
            original = self._original(document_id, sketch) if row else ""
            if row and row[0] != original:
                found[document_id] = original
        return found

    def doubt(self, document_ids: Iterable[str]) -> None:
        """The index is about to mark these: a crash may leave them with their old marks, or with the new."""
        self.mark(dict.fromkeys(document_ids, _UNKNOWN))

    def mark(self, originals: Mapping[str, str]) -> None:
        """The index bears these marks now."""
        for document_id, original in originals.items():
            self._execute("UPDATE sketches SET original = ? WHERE document_id = ?", (original, document_id))

    def settle(self, document_ids: Iterable[str]) -> None:
        """These bear the marks that they have to."""
        for document_id in document_ids:
            self._execute("DELETE FROM doubtful WHERE document_id = ?", (document_id,))

    def count(self) -> int:
        """How many documents are marked."""
        return int(self._execute("SELECT count(*) FROM sketches WHERE original <> ''", ()).fetchone()[0])

    def _original(self, document_id: str, sketch: Callable[[str], bytes]) -> str:
        own = sketch(document_id)
        found = (self._first_similar(bucket, document_id, own, sketch) for bucket in buckets_of(own))
        return min(filter(None, found), default="")

    def _first_similar(self, bucket: int, document_id: str, own: bytes, sketch: Callable[[str], bytes]) -> str:
        smaller = self._execute(
            "SELECT document_id FROM buckets WHERE bucket = ? AND document_id < ? ORDER BY document_id LIMIT ?",
            (bucket, document_id, _COMPARED),
        )
        return next((row[0] for row in smaller.fetchall() if are_similar(own, sketch(row[0]))), "")
