"""What a run looks at: the files of its paths and lists, without the index itself, or files that failed before."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import chain
from pathlib import Path

from ingest import lists, sources
from ingest.addresses import url_of
from ingest.confining import folders_of
from ingest.errors import SourceError
from ingest.globs import Glob, is_glob
from ingest.journal import path_key
from ingest.settings import IngestSettings
from ingest.sharding import Shard
from ingest.types import Failure, SourceFile


class Finding:
    """The files of paths and of a list of paths.

    Args:
        paths: files, folders, patterns and URLs.
        table: whose `include` and `exclude` hold.
        own: folders of the index, which are never read.
        listed: a file that names further paths, `-` for stdin, "" for none.
        is_null: its paths are separated by NUL.
        shard: the part of them that counts; None is all.
    """

    def __init__(
        self,
        paths: Sequence[str | Path],
        table: IngestSettings,
        own: Sequence[Path],
        *,
        listed: str = "",
        is_null: bool = False,
        shard: Shard | None = None,
    ) -> None:
        self._paths, self._table, self._listed, self._is_null = paths, table, listed, is_null
        self._shard = shard
        self._own = tuple(os.path.join(folder, "") for folder in own)

    def files(self) -> Iterator[SourceFile | Failure]:
        """Each file, lazily.

        Raises:
            SourceError: at once, if a path or the list does not exist.
        """
        patterns = {"include": self._table.include, "exclude": self._table.exclude}
        found = sources.find(self._paths, **patterns)
        if self._listed:
            found = chain(found, sources.find_listed(self._listed, is_null=self._is_null, **patterns))
        return (file for file in found if self._counts(file))

    def roots(self) -> list[Path]:
        """Where these files lie: what the processes that read them are let near."""
        local = [os.fspath(path) for path in self._paths if not url_of(path)]
        wild = {path for path in local if is_glob(path) and not os.path.lexists(path)}
        roots = [Path(Glob(path).base or ".") if path in wild else Path(path) for path in local]
        return [*roots, *self._folders]

    @property
    def is_wide(self) -> bool:
        """Its files lie who knows where: those who read them are brought them, and let near nothing."""
        return bool(self._listed) and not self._folders

    @cached_property
    def _folders(self) -> list[Path]:
        """The folders that the list leads to; none where they are not known yet, or very many."""
        if self._listed in ("", lists.STDIN):
            return []
        with lists.open_list(self._listed) as stream:
            entries = (os.fsdecode(entry) for entry in lists.entries(stream, is_null=self._is_null))
            real = (Path(os.path.realpath(entry)) for entry in entries if not url_of(entry))
            return folders_of(path / "any" if path.is_dir() else path for path in real)

    @property
    def is_countable(self) -> bool:
        """It can be looked at twice, and that is cheap."""
        return self._listed != lists.STDIN and not any(url_of(path) for path in self._paths)

    def count(self) -> int:
        """How many files there are."""
        return sum(1 for _ in self.files())

    def _counts(self, file: SourceFile | Failure) -> bool:
        return not self._is_own(file.path) and (self._shard is None or self._shard.owns(file.source))

    def _is_own(self, path: Path) -> bool:
        return bool(self._own) and not url_of(path) and os.path.abspath(path).startswith(self._own)


def folders_to_sync(paths: Sequence[str | Path], listed: str) -> tuple[list[Path], list[str]]:
    """The paths and the URLs, where what is gone from below them can be told.

    Raises:
        SourceError: it cannot, for patterns and lists.
    """
    if listed or any(is_glob(str(path)) and not os.path.lexists(path) for path in paths):
        raise SourceError(
            "--sync and --watch are for files and folders, not for patterns and --files-from",
            hint="name the folder: what is gone from below it is removed",
        )
    urls = [url for path in paths if (url := url_of(path))]
    return [Path(path) for path in paths if not url_of(path)], urls


def folders_to_watch(paths: Sequence[str | Path], listed: str) -> list[Path]:
    """The paths, where changes below them can be followed.

    Raises:
        SourceError: they cannot, for patterns, lists and URLs.
    """
    folders, urls = folders_to_sync(paths, listed)
    if urls:
        raise SourceError("--watch is for files and folders, not for URLs", hint="run `ingest URL --sync` now and then")
    return folders


def failed_files(again: Iterable[tuple[Path, str]]) -> Iterator[SourceFile | Failure]:
    """The failed files as they are now, under the sources that they were found under."""
    for path, source in again:
        if not (url_of(path) or path.exists()):
            continue
        try:
            found = sources.find([url_of(path) or path])
        except SourceError as error:
            yield Failure(path=path, source=source, kind="vanished", stage="find", message=error.message)
            continue
        for file in found:
            if isinstance(file, Failure):
                yield file
            elif path_key(file.path) == path_key(path):
                yield replace(file, source=source)
