"""Files inside files: each is unpacked to a temporary file, read as if it lay there, and left behind.

A file inside another that cannot be read is a failure of its own. So that a process that dies over one of them costs
that one alone, each is announced with its position before it is read: another process goes on behind it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, TypeAlias

from ingest import parsers
from ingest.errors import ParseError
from ingest.identity import storable
from ingest.sources import printable
from ingest.types import INSIDE, Enclosed, Entered, LeftOut, MemberFailed, Parsed, ParserOptions, ReadAs, SourceFile

_PIECE_BYTES = 1 << 20
_MEMBER_BYTES = 16 << 20  # so much is no bomb, however small it was packed
_FILE_BYTES = 256 << 20  # nor is so much in all
_NAME_LENGTH = 1_000
_FILE_NAME_LENGTH = 60  # four bytes a character at most, and a file system takes 255

Identify: TypeAlias = Callable[[Parsed, SourceFile], str]
"""The id of the document that was parsed from a file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a file lies that is read.

    Attributes:
        position: see `ingest.types.Entered`.
        container: source of the file that it lies in, "" for one that lies in a folder.
        parent: id of the document that it hangs on, as an attachment does, "" for none.
    """

    position: tuple[int, ...] = ()
    container: str = ""
    parent: str = ""


Item: TypeAlias = tuple[Parsed, SourceFile, Place] | Entered | ReadAs | LeftOut | MemberFailed


class _Spent(ParseError):
    """The whole file holds more than is read of one."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message, kind="too-large", hint=hint)


class Walk:
    """Everything that one file holds, through all the files in it.

    Args:
        file: as it was found; `begin` tells where to go on.
        options: the limits, among others.
        identify: names the documents that others hang on.
    """

    def __init__(self, file: SourceFile, options: ParserOptions, identify: Identify) -> None:
        self._file, self._options, self._identify = file, options, identify
        self._files = self._bytes = 0
        self._most_bytes = min(options.archive_bytes, max(_FILE_BYTES, options.archive_ratio * file.size))

    def items(self) -> Iterator[Item]:
        """What the parsers read, and what happens on the way.

        Raises:
            DocumentFailed: the file itself cannot be read, or no further.
        """
        return self._read(self._file, Place(), self._file.begin)

    def _read(self, file: SourceFile, place: Place, begin: tuple[int, ...]) -> Iterator[Item]:
        name, parse = parsers.chosen(file.path, self._options)
        yield ReadAs(format=name)
        holder: Parsed | None = None
        for number, item in enumerate(parse(file.path, self._options)):
            is_done = bool(begin) and number < begin[0]
            if isinstance(item, Parsed):
                holder = item
                if not is_done:
                    yield item, file, place
            elif item.is_left_out:
                yield from () if is_done else (LeftOut(),)
            elif not is_done:
                inside = Place(
                    position=(*place.position, number),
                    container=file.source,
                    parent=self._identify(holder, file) if holder else place.parent,
                )
                source = f"{file.source}{INSIDE}{_folder(holder)}{member_name(item.name)}"
                yield from self._enter(item, source, inside, begin[1:] if begin[:1] == (number,) else ())
                yield Entered(source=file.source, position=place.position, size=file.size)

    def _enter(self, enclosed: Enclosed, source: str, place: Place, begin: tuple[int, ...]) -> Iterator[Item]:
        yield Entered(source=source, position=place.position, size=enclosed.size)
        try:
            self._count(place)
            with self._unpacked(enclosed) as (path, size):
                file = SourceFile(path=path, source=source, size=size, mtime_ns=enclosed.mtime_ns, fingerprint="")
                yield from self._read(file, place, begin)
        except (_Spent, MemoryError):
            raise
        except Exception as error:  # noqa: BLE001 - fate: recorded against this one member
            yield MemberFailed(source=source, error=error)

    def _count(self, place: Place) -> None:
        self._files += 1
        if self._files > self._options.archive_files:
            raise _Spent(
                f"it holds more than the {self._options.archive_files:,} files that are read of one file",
                "raise `archive_files` in the table [ingest]; the first of them are in the index",
            )
        if len(place.position) > self._options.archive_depth:
            raise ParseError(f"it lies more than {self._options.archive_depth} files deep", kind="too-large")

    @contextmanager
    def _unpacked(self, enclosed: Enclosed) -> Iterator[tuple[Path, int]]:
        most = self._most(enclosed)
        if enclosed.size > most:
            raise _too_large(enclosed.size, most)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / _file_name(enclosed.name)
            with enclosed.open() as content, path.open("wb") as file:
                size = self._copy(content, file, most)
            yield path, size

    def _copy(self, content: BinaryIO, file: BinaryIO, most: int) -> int:
        size = 0
        while piece := content.read(_PIECE_BYTES):
            size += len(piece)
            self._spend(len(piece))
            if size > most:
                raise _too_large(size, most)
            file.write(piece)
        return size

    def _most(self, enclosed: Enclosed) -> int:
        if not enclosed.packed:
            return self._most_bytes
        return min(self._options.archive_bytes, max(_MEMBER_BYTES, self._options.archive_ratio * enclosed.packed))

    def _spend(self, count: int) -> None:
        self._bytes += count
        if self._bytes > self._most_bytes:
            raise _Spent(
                f"it unpacks to more than {self._most_bytes:,} bytes",
                "unpack it, if it is no bomb; or raise `archive_ratio` and `archive_mb` in the table [ingest]",
            )


def _too_large(size: int, most: int) -> ParseError:
    return ParseError(f"it unpacks to {size:,} bytes or more, and {most:,} are read", kind="too-large")


def _folder(holder: Parsed | None) -> str:
    """Of what hangs on one record of many: its number, as attachments of different mails bear the same name."""
    return f"{member_name(holder.record)}/" if holder and holder.record else ""


def _file_name(name: str) -> str:
    """What it is called as a file: some parsers tell formats by it."""
    path = PurePosixPath(member_name(name))
    suffix = path.suffix[: _FILE_NAME_LENGTH // 4]
    return path.stem[: _FILE_NAME_LENGTH - len(suffix)] + suffix


def member_name(name: str) -> str:
    """A name inside a file as part of a source: relative, without `..`, printable."""
    name = name.replace("\\", "/")
    try:
        name = printable(name)
    except UnicodeEncodeError:  # surrogates that stand for no bytes
        name = storable(name)
    parts = [part for part in storable(name).split("/") if part.strip() not in ("", ".", "..")]
    return "/".join(parts)[-_NAME_LENGTH:] or "unnamed"
