"""Zip archives: each member is a file of its own."""

from __future__ import annotations

import time
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import IO, BinaryIO

from ingest.errors import ParseError, UnsupportedFormat
from ingest.parsers.members import is_hidden, left_out, readable
from ingest.types import DEFAULT_OPTIONS, Enclosed, ParserOptions

_ENCRYPTED = 0x1
_UTF8 = 0x800
_AES = 99
_LINK = 0o120000
_KIND = 0o170000
_UNIX = 3
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, OSError, OverflowError, ValueError)


def parse(path: Path, options: ParserOptions = DEFAULT_OPTIONS) -> Iterator[Enclosed]:
    """The members in the order of the directory; folders, links and hidden files are left out.

    Raises:
        ParseError: the directory is damaged.
    """
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OverflowError, ValueError) as error:
        raise ParseError(f"the directory of the archive is damaged: {error}") from error
    with archive:
        for info in archive.infolist():
            name = _name(info)
            if info.is_dir():
                continue
            if _is_link(info) or is_hidden(name):
                yield left_out(name)
                continue
            yield Enclosed(
                name=name,
                open=partial(_open, archive, info, options.passwords),
                size=info.file_size,
                packed=max(info.compress_size, 1),
                mtime_ns=_mtime_ns(info),
            )


def _name(info: zipfile.ZipInfo) -> str:
    """Names that are not marked as UTF-8 are in the code page of DOS by the letter, and in UTF-8 as often as not."""
    if info.flag_bits & _UTF8:
        return info.filename
    try:
        return info.filename.encode("cp437").decode("utf-8")
    except ValueError:
        return info.filename


def _is_link(info: zipfile.ZipInfo) -> bool:
    return info.create_system == _UNIX and (info.external_attr >> 16) & _KIND == _LINK


def _mtime_ns(info: zipfile.ZipInfo) -> int:
    try:
        return int(time.mktime((*info.date_time, 0, 0, -1))) * 10**9 if info.date_time[0] > 1980 else 0
    except (ValueError, OverflowError):
        return 0


def _open(archive: zipfile.ZipFile, info: zipfile.ZipInfo, passwords: Sequence[str]) -> BinaryIO:
    if info.compress_type == _AES:
        raise ParseError("it is encrypted with AES, which is not read", kind="encrypted", hint="unpack the archive")
    try:
        opened = _decrypted(archive, info, passwords) if info.flag_bits & _ENCRYPTED else archive.open(info)
    except NotImplementedError as error:
        raise UnsupportedFormat(f"it is packed by a method that is not read: {error}") from error
    except _DAMAGED as error:
        raise ParseError(f"it is damaged: {error}") from error
    return readable(opened, _DAMAGED)


def _decrypted(archive: zipfile.ZipFile, info: zipfile.ZipInfo, passwords: Sequence[str]) -> IO[bytes]:
    """The first password that opens it: a wrong one passes the first check once in 256 times, and then fails to read.

    Raises:
        ParseError: none does.
    """
    for password in passwords:
        try:
            opened = archive.open(info, pwd=password.encode())
            opened.read(1)
            opened.close()
            return archive.open(info, pwd=password.encode())
        except (RuntimeError, zipfile.BadZipFile, zlib.error):
            continue
    raise ParseError("it is encrypted: a password is needed", kind="encrypted")
