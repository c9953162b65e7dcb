"""Finding the files below the given paths, lazily: a million of them never sit in memory."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from ingest import lists
from ingest.addresses import url_of
from ingest.errors import SourceError
from ingest.globs import Glob, is_glob
from ingest.types import Failure, FailureKind, SourceFile


def find(
    paths: Iterable[str | Path], *, include: Sequence[str] = (), exclude: Sequence[str] = ()
) -> Iterator[SourceFile | Failure]:
    """The files at and below `paths`, in the same order every time.

    A path may hold wildcards (`docs/**/*.pdf`) where nothing is called so, and it may be a URL of what the extra
    `cloud` opens. `include` and `exclude` are glob patterns matched against the name and against the path under the
    root; an excluded folder is not entered. Hidden files and folders are left out below a root, and so is a folder
    that a symbolic link would make part of itself. A folder that cannot be listed is a `Failure` at stage `find`, and
    the walk goes on.

    Raises:
        SourceError: at once, if a path does not exist, or no file matches a pattern.
        ConfigError: a URL without the extra.
    """
    patterns = _Patterns(include, exclude)
    roots: list[Path] = []
    others: list[Iterator[SourceFile | Failure]] = []
    for path in paths:
        if not os.fspath(path):
            raise SourceError("a path is empty", hint="the current folder is `.`; is a variable of the shell not set?")
        if url := url_of(path):
            others.append(_remote(url, patterns))
        elif is_glob(os.fspath(path)) and not os.path.lexists(path):
            others.append(_walk_glob(os.fspath(path), patterns))
        else:
            roots.append(Path(path))
            _check(roots[-1])
    return chain(_walk_all(_outermost(roots), patterns), *others)


def find_listed(
    name: str, *, is_null: bool = False, include: Sequence[str] = (), exclude: Sequence[str] = ()
) -> Iterator[SourceFile | Failure]:
    """The files that a list names (`-` is stdin), and those below the folders that it names.

    A path that does not exist is a `Failure` of its own.

    Raises:
        SourceError: the list cannot be read.
    """
    return _walk_listed(lists.open_list(name), is_null, _Patterns(include, exclude))


def _walk_listed(
    opened: AbstractContextManager[BinaryIO], is_null: bool, patterns: _Patterns
) -> Iterator[SourceFile | Failure]:
    with opened as stream:
        for entry in lists.entries(stream, is_null=is_null):
            yield from _listed(os.fsdecode(entry), patterns)


def _listed(entry: str, patterns: _Patterns) -> Iterator[SourceFile | Failure]:
    path = Path(entry)
    try:
        if url := url_of(entry):
            yield from _remote(url, patterns)
            return
        status = path.stat()
    except SourceError as error:
        from ingest.remote import kind_of, shown

        is_missing = isinstance(error.__cause__, Exception) and kind_of(error.__cause__)[0] == "vanished"
        yield _unread(Path(shown(entry)), shown(entry), error.message, is_missing=is_missing)
        return
    except (OSError, ValueError) as error:
        is_missing = isinstance(error, FileNotFoundError | NotADirectoryError | ValueError)
        about = "the list names it, and it does not exist" if is_missing else str(getattr(error, "strerror", error))
        yield _unread(path, printable(entry), about, is_missing=is_missing)
        return
    source = printable(os.path.normpath(entry))
    if stat.S_ISDIR(status.st_mode):
        yield from _walk(path, patterns)
    elif patterns.keeps(path.name, source):
        yield _found(path, source.removeprefix("../"), status)


def _unread(path: Path, source: str, message: str, *, is_missing: bool = True) -> Failure:
    kind: FailureKind = "vanished" if is_missing else "unreadable"
    return Failure(path=path, source=source, kind=kind, stage="find", message=message)


def _remote(url: str, patterns: _Patterns) -> Iterator[SourceFile | Failure]:
    from ingest.remote import find as find_remote  # an extra, and slow to import

    return find_remote(url, keeps=patterns.keeps, drops=patterns.drops)


def _walk_glob(pattern: str, patterns: _Patterns) -> Iterator[SourceFile | Failure]:
    glob = Glob(pattern)
    base = Path(glob.base or ".")
    _check(base)
    found = _walk(base, _Patterns(patterns.include, patterns.exclude, glob))
    first = next(found, None)
    if first is None:
        raise SourceError(f"no file matches {printable(pattern)}", hint="check the pattern; hidden files do not count")
    return chain((first,), found)


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
    def __init__(self, include: Sequence[str], exclude: Sequence[str], glob: Glob | None = None) -> None:
        self.include, self.exclude, self._glob = include, exclude, glob

    def keeps(self, name: str, source: str) -> bool:
        wanted = not self.include or _matches(self.include, name, source)
        return wanted and not self.drops(name, source) and (self._glob is None or self._glob.matches(source))

    def drops(self, name: str, source: str) -> bool:
        return _matches(self.exclude, name, source)

    def enters(self, source: str) -> bool:
        return self._glob is None or self._glob.leads(source)


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
            if patterns.enters(source):
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
