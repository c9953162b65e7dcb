"""Vectors kept on disk by the hash of their text: nothing is embedded twice, not even after a crash.

One SQLite file (WAL) serves several threads and processes. Vectors are stored as float32, so that a vector from the
cache is the very one that the embedder gave, bit for bit; half the size would cost that. A million vectors of the
default embedder take 1.6 GB.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import TypeVar

import numpy as np

from retrievers.protocols import Embedder
from retrievers.types import Matrix, Vector

T = TypeVar("T")

DEFAULT_MAX_BYTES = 1 << 30
_TOGETHER = 256  # texts looked up, embedded and stored together: what a kill can cost
_BYTES_BESIDE_VECTOR = 80  # key, row and index, measured
_WAIT_FOR_OTHERS_SECONDS = 30.0

logger = logging.getLogger(__name__)


class CachedEmbedder:
    """An embedder that remembers the vectors of documents; questions go straight through.

    The oldest vectors make room when the file is full. A cache that cannot be read or written is done without, and
    logged once: it must never be the reason that a run fails.

    Args:
        inner: what embeds a text that is not there yet.
        path: the SQLite file, made where there is none; several embedders may share it.
        max_bytes: about how large it may become.
    """

    def __init__(self, inner: Embedder, path: Path, *, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        self._inner = inner
        self._path = path
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._given_up = False

    @property
    def name(self) -> str:
        """The inner embedder's: the vectors are the same."""
        return self._inner.name

    @property
    def dimensions(self) -> int:
        """The inner embedder's."""
        return self._inner.dimensions

    @property
    def languages(self) -> frozenset[str] | None:
        """The inner embedder's."""
        return self._inner.languages

    def embed_documents(self, texts: Sequence[str]) -> Matrix:
        """One row a text, in order; equal texts are embedded once. Raises what the inner embedder raises."""
        keys = [self._key(text) for text in texts]
        text_of = dict(zip(keys, texts, strict=True))
        unique = list(text_of)
        row_of = {key: row for row, key in enumerate(unique)}
        vectors = np.empty((len(unique), self.dimensions), dtype=np.float32)
        for first in range(0, len(unique), _TOGETHER):
            part = unique[first : first + _TOGETHER]
            self._fill(vectors[first : first + _TOGETHER], part, text_of)
        return vectors[[row_of[key] for key in keys]]

    def embed_query(self, text: str) -> Vector:
        """The inner embedder's."""
        return self._inner.embed_query(text)

    def close(self) -> None:
        """Let go of the file; it is opened again when needed."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _fill(self, rows: Matrix, keys: Sequence[bytes], text_of: Mapping[bytes, str]) -> None:
        nothing: dict[bytes, bytes] = {}
        known = self._with_file(lambda file: _read(file, keys), nothing)
        missing = []
        for row, key in enumerate(keys):
            stored = known.get(key, b"")
            if len(stored) == rows[row].nbytes:
                rows[row] = np.frombuffer(stored, dtype="<f4")
            else:
                missing.append(row)
        if not missing:
            return
        rows[missing] = self._inner.embed_documents([text_of[keys[row]] for row in missing])
        entries = [(keys[row], rows[row].astype("<f4").tobytes()) for row in missing]
        capacity = max(1, self._max_bytes // (rows.itemsize * self.dimensions + _BYTES_BESIDE_VECTOR))
        self._with_file(lambda file: _write(file, entries, capacity), None)

    def _key(self, text: str) -> bytes:
        hashed = blake2b(self._inner.name.encode(), digest_size=16, person=b"vector")
        hashed.update(b"\0" + text.encode("utf-8", "surrogatepass"))
        return hashed.digest()

    def _with_file(self, work: Callable[[sqlite3.Connection], T], otherwise: T) -> T:
        """What `work` makes of the open file, or `otherwise` if there is none to be had."""
        with self._lock:
            if self._given_up:
                return otherwise
            try:
                if self._connection is None:
                    self._connection = _open_or_replace(self._path)
                return work(self._connection)
            except (sqlite3.Error, OSError) as error:
                logger.warning("the vector cache %s is not used: %s", self._path, error)
                self._given_up = True
                return otherwise


def _open_or_replace(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return _open(path)
    except sqlite3.OperationalError:  # locked, no permission, disk full: not the file's fault
        raise
    except sqlite3.DatabaseError:  # damaged: only time is lost with it
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        return _open(path)


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, timeout=_WAIT_FOR_OTHERS_SECONDS, isolation_level=None, check_same_thread=False
    )  # our lock lets one thread in at a time
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")  # survives kill -9; a power cut may cost the last vectors
        connection.execute(
            "CREATE TABLE IF NOT EXISTS vectors (number INTEGER PRIMARY KEY, key BLOB UNIQUE, vector BLOB)"
        )
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _read(file: sqlite3.Connection, keys: Sequence[bytes]) -> dict[bytes, bytes]:
    marks = ",".join("?" * len(keys))
    return dict(file.execute(f"SELECT key, vector FROM vectors WHERE key IN ({marks})", keys))  # noqa: S608  # marks only


def _write(file: sqlite3.Connection, entries: Sequence[tuple[bytes, bytes]], capacity: int) -> None:
    file.execute("BEGIN IMMEDIATE")
    try:
        file.executemany("INSERT OR IGNORE INTO vectors (key, vector) VALUES (?, ?)", entries)
        # Numbers rise without gaps and the lowest go first, so their span is the number of rows.
        file.execute("DELETE FROM vectors WHERE number <= (SELECT max(number) FROM vectors) - ?", (capacity,))
    except sqlite3.Error:
        file.rollback()
        raise
    file.execute("COMMIT")
