"""Finding the files below the given paths, lazily: a million of them never sit in memory."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from ingest.errors import SourceError
from ingest.types import Failure, SourceFile


def find(
    paths: Sequence[Path], *, include: Sequence[str] = (), exclude: Sequence[str] = ()
) -> Iterator[SourceFile | Failure]:
    """The files at and below `paths`, in the same order every time.

    `include` and `exclude` are glob patterns matched against the name and against the path under the root; an excluded
    folder is not entered. Hidden files and folders are left out below a root, and so is a folder that a symbolic link
    would make part of itself. A folder that cannot be listed is a `Failure` at stage `find`, and the walk goes on.

    Raises:
        SourceError: at once, if a path does not exist.
    """
    roots = [Path(path) for path in paths]
    for root in roots:
        _check(root)
    return _walk_all(_outermost(roots), _Patterns(include, exclude))


def _check(root: Path) -> None:
    try:
        mode = root.stat().st_mode
    except OSError as error:
        cause = "does not exist" if isinstance(error, FileNotFoundError) else f"cannot be read: {error.strerror}"
        raise SourceError(f"{printable(str(root))} {cause}", hint="check the path") from error
    if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
        raise SourceError(f"{printable(str(root))} is neither a file nor a folder", hint="check the path")


def _outermost(roots: Sequence[Path]) -> list[Path]:
    """The roots without those that lie in another, so that no file is found twice."""
    real = [root.resolve() for root in roots]
    inside = [any(other != mine and other in mine.parents for other in real) for mine in real]
    kept: dict[Path, Path] = {}
    for root, mine, is_inside in zip(roots, real, inside, strict=True):
        if not is_inside:
            kept.setdefault(mine, root)
    return list(kept.values())


class _Patterns:
    def __init__(self, include: Sequence[str], exclude: Sequence[str]) -> None:
        self._include, self._exclude = include, exclude

    def keeps(self, name: str, source: str) -> bool:
        wanted = not self._include or _matches(self._include, name, source)
        return wanted and not self.drops(name, source)

    def drops(self, name: str, source: str) -> bool:
        return _matches(self._exclude, name, source)


def _matches(patterns: Sequence[str], name: str, source: str) -> bool:
    return any(fnmatchcase(name, pattern) or fnmatchcase(source, pattern) for pattern in patterns)


@dataclass(slots=True)
class _Folder:
    """A folder that the walk is in: the names that are left in it, last first, and the folders around it."""

    path: Path
    prefix: str
    names: list[str]
    identity: tuple[int, int]


def _walk_all(roots: Sequence[Path], patterns: _Patterns) -> Iterator[SourceFile | Failure]:
    for root in roots:
        if root.is_dir():
            yield from _walk(root, patterns)
        elif patterns.keeps(root.name, root.name):
            yield _found(root, printable(root.name), root.stat())


def _walk(root: Path, patterns: _Patterns) -> Iterator[SourceFile | Failure]:
    inside: list[_Folder] = []
    yield from _enter(root, "", root.stat(), inside)
    while inside:
        folder = inside[-1]
        if not folder.names:
            inside.pop()
            continue
        name = folder.names.pop()
        path, source = folder.path / name, folder.prefix + printable(name)
        if name.startswith(".") or patterns.drops(name, source):
            continue
        try:
            status = path.stat()
        except OSError as error:
            yield _unreadable(path, source, error)
            continue
        if stat.S_ISDIR(status.st_mode):
            yield from _enter(path, f"{source}/", status, inside)
        elif stat.S_ISREG(status.st_mode) and patterns.keeps(name, source):
            yield _found(path, source, status)


def _enter(path: Path, prefix: str, status: os.stat_result, inside: list[_Folder]) -> Iterator[Failure]:
    """Go into a folder, unless the walk is in it already by another name."""
    identity = (status.st_dev, status.st_ino)
    if any(folder.identity == identity for folder in inside):
        return
    try:
        names = os.listdir(path)
    except OSError as error:
        yield _unreadable(path, prefix, error)
        return
    names.sort(reverse=True)
    inside.append(_Folder(path, prefix, names, identity))


def _found(path: Path, source: str, status: os.stat_result) -> SourceFile:
    return SourceFile(
        path=path,
        source=source,
        size=status.st_size,
        mtime_ns=status.st_mtime_ns,
        fingerprint=f"{status.st_size:x}-{status.st_mtime_ns:x}",
    )


def _unreadable(path: Path, source: str, error: OSError) -> Failure:
    is_gone = isinstance(error, FileNotFoundError)
    return Failure(
        path=path,
        source=source.rstrip("/") or printable(path.name),
        kind="vanished" if is_gone else "unreadable",
        stage="find",
        message="it leads nowhere, or has just been removed" if is_gone else (error.strerror or str(error)),
        hint="check its permissions" if isinstance(error, PermissionError) else "",
    )


def printable(name: str) -> str:
    r"""A name as valid Unicode: bytes that are no UTF-8 are written as `\xe9`."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
