"""`--dry-run`: what a run would read, counted by format, and about how long it would take; nothing is written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import msgspec

from ingest.report import duration, format_of, size
from ingest.types import Failure, SourceFile

_TEXT_SHARE = {"pdf": 0.1, "docx": 0.15, "pptx": 0.03, "xlsx": 0.5, "odt": 0.15, "epub": 0.5, "html": 0.3, "htm": 0.3}
"""Characters of text for a byte of a file; formats that are not here are taken for text."""
_NO_TEXT = frozenset(
    {"png", "jpg", "jpeg", "tif", "tiff", "gif", "bmp", "webp", "zip", "gz", "exe", "mp3", "mp4", "mov"}
)
_FILE_SECONDS = 0.002  # of CPU, for each file
_CHARACTER_SECONDS = 1.1e-6  # to cut it into chunks
_CHUNK_CHARACTERS = 530
_CHUNK_SECONDS = 0.025  # of CPU, to embed it with the model that ships
_INDEX_BYTES = 0.6  # for a character
_JOURNAL_BYTES = 1_000  # for a file
_VECTOR_BYTES = 3  # for a dimension, with its short form


class FormatEstimate(msgspec.Struct, kw_only=True):
    """What would be read of one format."""

    files: int = 0
    bytes: int = 0


class Estimate(msgspec.Struct, kw_only=True):
    """What a run would do. Seconds and sizes are guesses, good to a factor of two or three.

    Attributes:
        found: files below the paths.
        unchanged: of these, read before and left alone.
        too_large: of these, larger than what is read of one file.
        unreadable: files and folders that cannot be looked at.
        formats: what is left to read, by the names of files.
        seconds: of the wall clock.
        index_bytes: that the index would grow by.
    """

    found: int = 0
    unchanged: int = 0
    too_large: int = 0
    unreadable: int = 0
    formats: dict[str, FormatEstimate] = msgspec.field(default_factory=dict)
    chunks: int = 0
    seconds: float = 0.0
    index_bytes: int = 0


def estimate(
    found: Iterable[SourceFile | Failure],
    is_known: Callable[[SourceFile], bool],
    *,
    file_bytes: int,
    processors: int,
    dimensions: int,
) -> Estimate:
    """Count what a run would read.

    Args:
        found: as `ingest.sources` finds it.
        is_known: the file was read before and has not changed.
        file_bytes: larger files are not read.
        processors: that the run may use.
        dimensions: of the vectors, 0 for none.
    """
    total = Estimate()
    for file in found:
        total.found += 1
        if isinstance(file, Failure):
            total.unreadable += 1
        elif file.size > file_bytes:
            total.too_large += 1
        elif is_known(file):
            total.unchanged += 1
        else:
            count = total.formats.setdefault(format_of(file.source), FormatEstimate())
            count.files += 1
            count.bytes += file.size
    _extrapolate(total, processors, dimensions)
    return total


def _extrapolate(total: Estimate, processors: int, dimensions: int) -> None:
    files = sum(count.files for count in total.formats.values())
    characters = sum(_text_share(name) * count.bytes for name, count in total.formats.items())
    total.chunks = round(characters / _CHUNK_CHARACTERS)
    embedding = total.chunks * _CHUNK_SECONDS if dimensions else 0.0
    total.seconds = round((files * _FILE_SECONDS + characters * _CHARACTER_SECONDS + embedding) / processors, 1)
    vectors = total.chunks * dimensions * _VECTOR_BYTES
    total.index_bytes = round(characters * _INDEX_BYTES + vectors + files * _JOURNAL_BYTES)


def _text_share(name: str) -> float:
    return 0.0 if name in _NO_TEXT else _TEXT_SHARE.get(name, 1.0)


def lines(total: Estimate) -> Iterator[str]:
    """The estimate for people."""
    files = sum(count.files for count in total.formats.values())
    read = sum(count.bytes for count in total.formats.values())
    yield f"{files:,} {'file' if files == 1 else 'files'} to read ({size(read)}) of {total.found:,} found"
    for name, count in sorted(total.formats.items(), key=lambda pair: -pair[1].bytes):
        yield f"  {name:<9} {count.files:,}, {size(count.bytes)}"
    others = {"unchanged": total.unchanged, "too large": total.too_large, "unreadable": total.unreadable}
    if any(others.values()):
        yield ", ".join(f"{count:,} {name}" for name, count in others.items() if count)
    yield (
        f"about {total.chunks:,} chunks, {duration(total.seconds)} and {size(total.index_bytes)} of index, scans and "
        "archives not counted; nothing was written"
    )
