"""`--watch`: the same run again, with `--sync`, whenever something below the paths has changed.

With the extra `watch` the system says when; without it, or where the system has no more watches to give, the files are
looked at every few seconds. Either way a run begins only after a moment in which nothing changed.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from ingest.types import Failure, SourceFile

_POLL_SECONDS = 2.0
_POLL_SHARE = 10  # looking takes at most one part in so many of the time
_SETTLE_MS = 1600
_LISTEN_MS = 500

Find = Callable[[], Iterable[SourceFile | Failure]]
Stopping = Callable[[Callable[[], None]], AbstractContextManager[None]]


def changes(roots: Sequence[Path], find: Find, own: Sequence[Path], stopping: Stopping) -> Iterator[None]:
    """Yields at once, and from then on whenever something has changed since it was asked before.

    Args:
        roots: files and folders to watch.
        find: the files as they are now.
        own: folders whose changes do not count: the index.
        stopping: within it, a signal calls the function that it is given, and the block then ends with an exception.
    """
    stop = threading.Event()
    waiting = _notified(roots, own, stop) or _polled(find, stop)
    while True:
        yield
        with stopping(stop.set):
            next(waiting, None)


def _notified(roots: Sequence[Path], own: Sequence[Path], stop: threading.Event) -> Iterator[None] | None:
    """By the system; None where it cannot."""
    try:
        from watchfiles import watch
    except ImportError:
        return None
    folders = tuple(map(str, own))

    def counts(_: object, path: str) -> bool:
        return not path.startswith(folders)

    heard = watch(
        *roots,
        watch_filter=counts,
        stop_event=stop,
        debounce=_SETTLE_MS,
        rust_timeout=_LISTEN_MS,
        yield_on_timeout=True,
        raise_interrupt=False,
    )
    try:
        next(heard)  # it listens from here on
    except (OSError, RuntimeError):  # out of watches, or a file system without them
        return None
    return (None for found in heard if found)


def _polled(find: Find, stop: threading.Event) -> Iterator[None]:
    """By looking; the first look is taken before the first run."""
    seen = _digest(find())

    def wait() -> Iterator[None]:
        nonlocal seen
        while True:
            now = _settled(find, seen, stop)
            if stop.is_set():
                return
            seen = now
            yield

    return wait()


def _settled(find: Find, seen: bytes, stop: threading.Event) -> bytes:
    """What is there when it is no longer what was seen, and has not changed for a moment."""
    before = seen
    while True:
        started = time.monotonic()
        now = _digest(find())
        if now != seen and now == before:
            return now
        before = now
        if stop.wait(max(_POLL_SECONDS, _POLL_SHARE * (time.monotonic() - started))):
            return now


def _digest(found: Iterable[SourceFile | Failure]) -> bytes:
    """Changes when a file does, or comes or goes; of constant size, however many there are."""
    digest = hashlib.sha256()
    for file in found:
        fingerprint = file.kind if isinstance(file, Failure) else file.fingerprint
        digest.update(f"{file.source}\0{fingerprint}\0".encode())
    return digest.digest()
