"""Folders for what processes write while they work: one for each, gone with it, however it went."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from pathlib import Path


class ScratchFolder:
    """A folder whose subfolders are given to processes; those that dead processes have left are removed at the start.

    It is locked while a process that made it, or that was forked from that one since, is alive.

    Args:
        prefix: begins the names of such folders, so that they are known again.
        parent: where it is made; by default where temporary files go.
    """

    def __init__(self, prefix: str, parent: str | None = None) -> None:
        home = Path(parent or tempfile.gettempdir())
        for old in home.glob(f"{prefix}*"):
            _remove_if_left(old)
        self.path, self._lock = _made(prefix, home)

    def of(self, pid: int) -> Path:
        """Where the folder of this process is."""
        return self.path / str(pid)

    def make(self, pid: int) -> Path:
        """The folder of this process, made now."""
        folder = self.of(pid)
        folder.mkdir(mode=0o700)
        return folder

    def remove(self, pid: int) -> None:
        """Remove the folder of a process that is gone, if it has one."""
        shutil.rmtree(self.of(pid), ignore_errors=True)

    def close(self) -> None:
        """Remove everything."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def _made(prefix: str, home: Path) -> tuple[Path, int]:
    while True:
        path = Path(tempfile.mkdtemp(prefix=prefix, dir=home))
        lock = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # another process took it for an old one
            os.close(lock)
            continue
        if path.exists():
            return path, lock
        os.close(lock)


def _remove_if_left(path: Path) -> None:
    try:
        lock = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return
    try:
        if os.fstat(lock).st_uid == os.geteuid():
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path, ignore_errors=True)
    except OSError:  # it is in use
        return
    finally:
        os.close(lock)
