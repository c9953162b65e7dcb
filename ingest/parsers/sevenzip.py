"""7z archives, with the extra `archives`: unpacked in one go, as what lies in them is packed together."""

from __future__ import annotations

import lzma
import struct
import tempfile
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ingest.errors import ParseError
from ingest.parsers.members import is_hidden, left_out, needs_archives
from ingest.types import DEFAULT_OPTIONS, Enclosed, ParserOptions

if TYPE_CHECKING:
    import py7zr

_LEAST_UNPACKED = 256 << 20
_DAMAGED = (
    lzma.LZMAError,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    AssertionError,
    OverflowError,
    NotImplementedError,
)  # besides its own errors: it checks little of what a damaged header says


def parse(path: Path, options: ParserOptions = DEFAULT_OPTIONS) -> Iterator[Enclosed]:
    """The members, in order; folders, links and hidden files are left out.

    Raises:
        UnsupportedFormat: the extra is not installed.
        ParseError: it is damaged (from here on), encrypted, or unpacks to too much.
    """
    with needs_archives("7z"):
        import py7zr  # noqa: F401
    most = min(options.archive_bytes, max(_LEAST_UNPACKED, options.archive_ratio * path.stat().st_size))
    locked: ParseError | None = None
    for password in (None, *options.passwords):
        with tempfile.TemporaryDirectory() as folder:
            unpacking = _Unpacking(Path(folder), most)
            failure = unpacking.run(path, password)
            if failure is not None and failure.kind == "encrypted":
                locked = failure
                continue
            yield from unpacking.members()
            if failure is not None:
                raise failure
            return
    if locked is not None:
        raise locked


class _Unpacking:
    """The members as files named by their numbers: the names they claim lead nowhere."""

    def __init__(self, folder: Path, most: int) -> None:
        self._folder, self._most = folder, most
        self._infos: list[Any] = []
        self.complete: set[int] = set()
        self.left_out: list[str] = []
        self._files = _Files(self)

    def run(self, path: Path, password: str | None) -> ParseError | None:
        """Unpack what can be; the failure that it ended with."""
        from py7zr import exceptions

        is_locked = False
        try:
            with path.open("rb") as file, _opened(file, password) as archive:
                is_locked = archive.needs_password()
                self._unpack(archive)
        except exceptions.PasswordRequired:
            return _encrypted()
        except exceptions.DecompressionBombError:
            return ParseError(f"it unpacks to more than {self._most:,} bytes", kind="too-large")
        except exceptions.UnsupportedCompressionMethodError as error:
            return ParseError(f"it is packed by a method that is not read: {error}", kind="unsupported")
        except (exceptions.ArchiveError, *_DAMAGED) as error:
            if password is not None and not self.complete:  # what a wrong password makes of it
                return _encrypted()
            return _encrypted() if is_locked and password is None else ParseError(f"the archive is damaged: {error}")
        finally:
            self._files.close()
        return None

    def _unpack(self, archive: py7zr.SevenZipFile) -> None:
        from py7zr.io import MemIO

        files: Any = self._files  # it asks for a class of its own, and needs none
        for number, info in enumerate(archive.files):
            self._infos.append(info)
            is_read = not (info.is_directory or info.is_symlink or info.is_junction or info.is_socket)
            wanted = is_read and not is_hidden(info.filename)
            if not (wanted or info.is_directory):
                self.left_out.append(info.filename)
            archive.worker.register_filelike(info.id, MemIO(str(number), files) if wanted else None)
        archive.worker.max_extract_size = self._most
        archive.worker.extract(archive.fp, None, parallel=False)

    def place(self, number: int) -> Path:
        return self._folder / str(number)

    def members(self) -> Iterator[Enclosed]:
        for number in sorted(self.complete):
            info = self._infos[number]
            place = self.place(number)
            yield Enclosed(name=info.filename, open=partial(_content, place), size=place.stat().st_size)
            place.unlink()
        yield from map(left_out, self.left_out)


class _Files:
    """Gives the library a file for each member that it unpacks, one after the other."""

    def __init__(self, unpacking: _Unpacking) -> None:
        self._unpacking = unpacking
        self._last: _File | None = None

    def create(self, filename: str) -> _File:
        self._last = _File(self._unpacking, int(filename))
        return self._last

    def close(self) -> None:
        """Close what it left open when it failed."""
        if self._last is not None:
            self._last.file.close()


class _File:
    """A member while it is unpacked; closed by the library when it is complete and its checksum is right."""

    def __init__(self, unpacking: _Unpacking, number: int) -> None:
        self._unpacking, self._number = unpacking, number
        self.file: BinaryIO = unpacking.place(number).open("wb")

    def write(self, content: bytes) -> int:
        return self.file.write(content)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self.file.seek(offset, whence)

    def flush(self) -> None:
        self.file.flush()

    def size(self) -> int:
        return self.file.tell()

    def close(self) -> None:
        self.file.close()
        self._unpacking.complete.add(self._number)


def _opened(file: BinaryIO, password: str | None) -> py7zr.SevenZipFile:
    import py7zr

    return py7zr.SevenZipFile(file, password=password)


def _content(place: Path) -> BinaryIO:
    return place.open("rb")


def _encrypted() -> ParseError:
    return ParseError("it is encrypted: a password is needed", kind="encrypted")
