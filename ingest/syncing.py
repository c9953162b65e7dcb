"""`--sync`: what is gone from the given folders goes from the index, and an unmounted disk takes nothing with it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ingest.errors import SourceError
from ingest.forgetting import forget_files
from ingest.sources import printable
from ingest.state import OpenIndex

_AT_ONCE = 1000


def check_roots(roots: Sequence[Path], index: OpenIndex) -> None:
    """Refuse a folder that held files and has nothing in it now: a disk that is not mounted looks like that.

    Raises:
        SourceError: there is such a root.
    """
    for root in roots:
        if not _is_empty(root):
            continue
        known = sum(1 for _ in index.journal.holders_below(root))
        if known:
            name = printable(str(root))
            raise SourceError(
                f"{name} is empty, and the index holds {known:,} files of it: nothing was removed",
                hint=f"if a disk is not mounted, mount it; if all of it is to go: `ingest forget {name}`",
            )


def drop_shared(roots: Sequence[Path], index: OpenIndex) -> None:
    """Before the run: other files hold the same, so the documents stay, and are named after what is left of them."""
    holdings = index.journal.holdings
    for paths in _batches(path for path in _gone(roots, index) if holdings.is_shared(path)):
        forget_files(paths, index)


def drop_gone(roots: Sequence[Path], index: OpenIndex) -> int:
    """After the run, so that a file that was moved is never out of reach; returns the documents removed."""
    return sum(forget_files(paths, index) for paths in _batches(_gone(roots, index)))


def drop_strays(roots: Sequence[Path], index: OpenIndex, documents: Iterable[tuple[str, str]]) -> int:
    """After a run whose journal was new: documents of files that are nowhere below the roots, which count as all.

    Args:
        roots: what was given.
        index: with the journal of a run that has just read all that is there.
        documents: id and source of all that the index holds.

    Returns:
        How many were removed.

    Raises:
        SourceError: most of the index would go: other folders were read into it, or a disk is not mounted.
    """
    folders = [root if root.is_dir() else root.parent for root in roots]
    total, strays = 0, []
    for document_id, source in documents:
        if index.shard is not None and not index.shard.owns(source):
            continue
        total += 1
        if not index.journal.holdings.is_written_as(document_id) and not _is_below(folders, source):
            strays.append(document_id)
    if 2 * len(strays) > total:
        raise SourceError(
            f"no file that was given holds {len(strays):,} of the {total:,} documents of the index: none was removed",
            hint="give all paths that were read into it, or build it anew with --rebuild",
        )
    for start in range(0, len(strays), _AT_ONCE):
        index.writer.delete(strays[start : start + _AT_ONCE])
    if strays:
        index.writer.flush()
    return len(strays)


def _is_below(folders: Sequence[Path], source: str) -> bool:
    """A file is there under this source; that of a record or a member ends before its mark."""
    names = {source, source.rpartition("#")[0], source.partition("!/")[0]} - {""}
    return any(not is_gone(os.fsencode(folder / name)) for folder in folders for name in names)


def _gone(roots: Sequence[Path], index: OpenIndex) -> Iterator[bytes]:
    for root in roots:
        yield from (path for path in index.journal.holders_below(root) if is_gone(path) and is_ours(path, index))


def is_ours(path: bytes, index: OpenIndex) -> bool:
    """It is of the part of the files that this process looks after."""
    return index.shard is None or index.shard.owns(index.journal.source_of(path))


def _batches(paths: Iterator[bytes]) -> Iterator[list[bytes]]:
    """All are found before the first is dropped, for dropping changes what is walked over."""
    gone = list(dict.fromkeys(paths))
    for start in range(0, len(gone), _AT_ONCE):
        yield gone[start : start + _AT_ONCE]


def _is_empty(root: Path) -> bool:
    try:
        with os.scandir(root) as entries:
            return next(entries, None) is None
    except NotADirectoryError:
        return False
    except OSError:
        return True  # nothing can be told of what lies in it


def is_gone(path: bytes) -> bool:
    """No file is there any more; False where that cannot be told."""
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
