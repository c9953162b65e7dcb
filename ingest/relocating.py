"""An archive that lies elsewhere than where it was read: mounted under another path, on another machine, or moved.

The journal knows files by their paths. Where nothing is known of a folder, and a folder that is known and is not there
any more held the same files under the same names, those are taken for the same: no file is read again.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ingest.journal import Journal, path_key

_MOST_FOLDERS: Final = 100
_COMPARED: Final = 50
_LEAST_SHARE: Final = 0.5  # of the files that are compared: an archive goes on living meanwhile
_HASHED_BYTES: Final = 64 << 20


@dataclass(frozen=True, slots=True)
class _Known:
    """A file that was read."""

    path: bytes
    source: str
    size: int
    fingerprint: str
    content_hash: str


def relocate(roots: Sequence[Path], journal: Journal) -> None:
    """Let the journal know files by the paths that they have now."""
    for root in roots:
        if not root.is_dir() or journal.paths_below(root):
            continue
        for folder in list(_folders(journal)):
            if not os.path.lexists(folder) and _is_same(folder, os.fsencode(os.path.abspath(root)), journal):
                with journal.transaction():
                    journal.move(folder, path_key(root))
                break


def _folders(journal: Journal) -> Iterator[bytes]:
    """The folders that were read, as far as paths and sources tell."""
    after = b"/"
    for _ in range(_MOST_FOLDERS):
        first = next(iter(journal.read_files(after, 1)), None)
        if first is None:
            return
        path, source = first[0], os.fsencode(first[1])
        if path.startswith(b"/") and path.endswith(b"/" + source):
            folder = path[: -len(source) - 1]
            yield folder
            after = folder + b"0"  # behind all that begins with the folder and a slash
        else:
            after = path + b"\0"


def _is_same(folder: bytes, root: bytes, journal: Journal) -> bool:
    """Most files of the folder that are looked at lie below the root, as large as they were, and one is the same."""
    known = [
        _Known(*row, journal.holdings.hash_of_whole(row[0])) for row in journal.read_files(folder + b"/", _COMPARED)
    ]
    known = [file for file in known if file.path.startswith(folder + b"/")]
    there = [(file, root + file.path[len(folder) :]) for file in known]
    found = [(file, path) for file, path in there if _size_of(path) == file.size]
    if len(found) < max(1, _LEAST_SHARE * len(known)):
        return False
    return any(_has_not_changed(file, path) for file, path in found)


def _size_of(path: bytes) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return -1


def _has_not_changed(file: _Known, path: bytes) -> bool:
    try:
        if file.fingerprint.partition("+")[0] == f"{file.size:x}-{os.stat(path).st_mtime_ns:x}":
            return True
        if not file.content_hash or file.size > _HASHED_BYTES:
            return False
        with open(path, "rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest() == file.content_hash
    except OSError:
        return False
