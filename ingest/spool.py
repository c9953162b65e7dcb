"""Remote files on their way to the workers: fetched ahead into a folder of their own, removed when they are read."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from ingest.types import Failure, FailureKind, SourceFile

_AHEAD = 4
_PIECE = 1 << 20
_PAUSES = (0.2, 1.0, 3.0)
"""Seconds before a file is asked for again, where that may help."""


@dataclass(slots=True)
class _Fetch:
    file: SourceFile
    is_done: threading.Event = field(default_factory=threading.Event)
    outcome: SourceFile | Failure | None = None


class Spool:
    """Fetches remote files; local ones pass, or are brought as well.

    At most four files are on their way, and no further one is begun while `held_bytes` lie there waiting to be read.

    Args:
        file_bytes: larger files are not fetched.
        held_bytes: how much may lie there before fetching waits; one file is always fetched.
        parent: where the folder is made; by default where temporary files go.

    Attributes:
        folder: where files lie meanwhile.
        brings_local: local files are linked or copied there, too: for workers that are let near no other folder.
    """

    def __init__(self, *, file_bytes: int, held_bytes: int = 256 << 20, parent: Path | None = None) -> None:
        self._file_bytes, self._most = file_bytes, held_bytes
        self._folder = tempfile.TemporaryDirectory(prefix="rlm-search-spool-", dir=parent, ignore_cleanup_errors=True)
        self.folder = Path(self._folder.name)
        self.brings_local = False
        self._numbers = count()
        self._lock = threading.Lock()
        self._held = 0
        self._is_over = threading.Event()

    def ready(self, files: Iterator[SourceFile], failed: Callable[[Failure], object]) -> Iterator[SourceFile]:
        """The files, each of them on this machine; those that cannot be fetched go to `failed`."""
        pending: deque[_Fetch] = deque()
        try:
            for file in files:
                if not (file.url or self.brings_local) or file.size > self._file_bytes:
                    yield file  # one that is too large is refused by its size
                    continue
                while pending and (len(pending) >= _AHEAD or self._is_full(file)):
                    yield from self._taken(pending.popleft(), failed)
                pending.append(self._begun(file))
            while pending:
                yield from self._taken(pending.popleft(), failed)
        finally:
            self._is_over.set()

    def done(self, file: SourceFile | None) -> None:
        """The file was read, or cannot be."""
        if file is not None and file.spooled is not None:
            with suppress(OSError):
                os.unlink(file.spooled)
            self._hold(-file.size)

    def close(self) -> None:
        """Remove what is left."""
        self._is_over.set()
        self._folder.cleanup()

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _is_full(self, file: SourceFile) -> bool:
        with self._lock:
            return self._held + file.size > self._most

    def _hold(self, size: int) -> None:
        with self._lock:
            self._held += size

    def _begun(self, file: SourceFile) -> _Fetch:
        fetch = _Fetch(file)
        self._hold(file.size)
        path = self.folder / f"{next(self._numbers)}-{_local_name(file.source)}"
        threading.Thread(target=self._run, args=(fetch, path), name="fetching", daemon=True).start()
        return fetch

    def _taken(self, fetch: _Fetch, failed: Callable[[Failure], object]) -> Iterator[SourceFile]:
        fetch.is_done.wait()
        if isinstance(fetch.outcome, SourceFile):
            self._hold(fetch.outcome.size - fetch.file.size)
            yield fetch.outcome
            return
        self._hold(-fetch.file.size)
        if fetch.outcome is not None:
            failed(fetch.outcome)

    # --- in a thread of its own -------------------------------------------------------------------------------------

    def _run(self, fetch: _Fetch, path: Path) -> None:
        from ingest import remote

        file = fetch.file
        try:
            for pause in (*_PAUSES, None):
                try:
                    size = self._copy(file.url, path) if file.url else _bring(file.path, path)
                    fetch.outcome = replace(file, spooled=path, size=size)
                    return
                except _TooLarge:
                    message = f"it has more than the {self._file_bytes:,} bytes that are read of one file"
                    fetch.outcome = _failure(file, message, kind="too-large")
                    return
                except Exception as error:  # noqa: BLE001 - fate: retried, then recorded against this file
                    kind, is_transient = remote.kind_of(error)
                    if not is_transient or pause is None or self._is_over.wait(pause):
                        about = f"it cannot be fetched: {remote.reason(error)}"
                        fetch.outcome = _failure(file, about, kind=kind, is_transient=True)
                        return
        finally:
            if not isinstance(fetch.outcome, SourceFile):
                path.unlink(missing_ok=True)
            fetch.is_done.set()

    def _copy(self, url: str, path: Path) -> int:
        """Bytes that were written."""
        from ingest import remote

        system, source = remote.opened(url)
        streamed = {"block_size": 0} if url.startswith("http") else {}  # one answer, and no server that knows ranges
        size = 0
        with system.open(source, "rb", **streamed) as content, path.open("wb") as target:
            while piece := content.read(_PIECE):
                size += len(piece)
                if size > self._file_bytes:
                    raise _TooLarge
                if self._is_over.is_set():
                    raise InterruptedError
                target.write(piece)
        return size


def _bring(source: Path, path: Path) -> int:
    """A second name for a file, or where that cannot be a copy; bytes that it has."""
    try:
        os.link(os.path.realpath(source), path)
    except OSError:  # another disk, somebody else's file, or a file system without links
        shutil.copyfile(source, path)
    return path.stat().st_size


class _TooLarge(Exception):
    """More than is read of one file."""


def _failure(file: SourceFile, message: str, *, kind: FailureKind, is_transient: bool = False) -> Failure:
    return Failure(
        path=file.path, source=file.source, kind=kind, stage="find", message=message, transient=is_transient, file=file
    )


def _local_name(source: str) -> str:
    """The end of a URL as the name of a file, with its extension."""
    is_quoted = source.startswith(("http://", "https://"))
    name = PurePosixPath(unquote(urlsplit(source).path) if is_quoted else source).name
    return re.sub(r"[^\w.-]", "_", name)[-100:] or "file"
