"""Tar archives, packed or not, and single packed files (gz, bz2, xz, zst): read from front to back."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from ingest.errors import ParseError
from ingest.parsers.members import is_hidden, left_out, needs_archives, readable
from ingest.types import DEFAULT_OPTIONS, Enclosed, ParserOptions

BLOCK = 512
_MAGIC, _MAGIC_AT = b"ustar", 257
_LEAST_UNPACKED = 256 << 20
_DAMAGED = (tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError, OverflowError)
_SUFFIXES = {"tgz": "tar", "tbz2": "tar", "tbz": "tar", "txz": "tar", "tzst": "tar", "svgz": "svg"}


def is_tar(head: bytes) -> bool:
    """A file that begins like this is a tar archive."""
    return head[_MAGIC_AT : _MAGIC_AT + len(_MAGIC)] == _MAGIC


def parse(path: Path, options: ParserOptions = DEFAULT_OPTIONS) -> Iterator[Enclosed]:
    """The members of a tar archive."""
    with path.open("rb") as file:
        yield from _members(file)


def parse_gz(path: Path, options: ParserOptions = DEFAULT_OPTIONS) -> Iterator[Enclosed]:
    """What is packed by gzip: the members of a tar archive, or one file."""
    return _unpacked("gz", path, options)


def parse_bz2(path: Path, options: ParserOptions = DEFAULT_OPTIONS) -> Iterator[Enclosed]:
    """What is packed by bzip2."""
    return _unpacked("bz2", path, options)


def parse_xz(path: Path, options: ParserOptions = DEFAULT_OPTIONS) -> Iterator[Enclosed]:
    """What is packed by xz."""
    return _unpacked("xz", path, options)


def parse_zst(path: Path, options: ParserOptions = DEFAULT_OPTIONS) -> Iterator[Enclosed]:
    """What is packed by zstandard, with the extra `archives`.

    Raises:
        UnsupportedFormat: the extra is not installed.
    """
    return _unpacked("zst", path, options)


def _unpacked(method: str, path: Path, options: ParserOptions) -> Iterator[Enclosed]:
    most = min(options.archive_bytes, max(_LEAST_UNPACKED, options.archive_ratio * path.stat().st_size))
    why = f"it unpacks to more than {most:,} bytes"
    with readable(_OPENERS[method](path), (*_DAMAGED, *_damages(method)), most, why) as content:
        if is_tar(content.peek(BLOCK)):
            yield from _members(content)
        else:
            yield Enclosed(name=_name_inside(path), open=lambda: content)


def _zst(path: Path) -> Any:
    with needs_archives("zst"):
        from backports import zstd
    return zstd.ZstdFile(path)


def _damages(method: str) -> tuple[type[Exception], ...]:
    if method != "zst":
        return ()
    from backports import zstd

    return (zstd.ZstdError,)


_OPENERS: dict[str, Callable[[Path], Any]] = {
    "gz": gzip.GzipFile,
    "bz2": bz2.BZ2File,
    "xz": lzma.LZMAFile,
    "zst": _zst,
}


def _name_inside(path: Path) -> str:
    """The name without the suffix that says how it is packed."""
    suffix = path.suffix.lower().lstrip(".")
    if suffix in _SUFFIXES:
        return f"{path.stem}.{_SUFFIXES[suffix]}"
    return path.stem if suffix in _OPENERS else path.name


def _members(file: BinaryIO) -> Iterator[Enclosed]:
    """The files; links, devices and folders are left out.

    Raises:
        ParseError: it is damaged from here on.
    """
    try:
        with tarfile.open(fileobj=file, mode="r|", errors="surrogateescape") as archive:
            for member in archive:
                if member.isreg() and not is_hidden(member.name):
                    yield Enclosed(
                        name=member.name,
                        open=partial(_open, archive, member),
                        size=member.size,
                        mtime_ns=int(member.mtime * 10**9) if 0 < member.mtime < 1 << 33 else 0,
                    )
                elif not member.isdir():
                    yield left_out(member.name)
                archive.members = []  # type: ignore[attr-defined]  # else it keeps a note of each
    except _DAMAGED as error:
        raise ParseError(f"the archive is damaged: {error}") from error


def _open(archive: tarfile.TarFile, member: tarfile.TarInfo) -> BinaryIO:
    content = archive.extractfile(member)
    assert content is not None
    return readable(content, _DAMAGED)
