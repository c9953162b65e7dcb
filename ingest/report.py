"""What a run did: counted while it goes on, told when it ends, as sentences or as one JSON object."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import msgspec

from ingest.causes import FailureGroup
from ingest.facts import TemplateCounts
from ingest.members import MemberCounts
from ingest.sidecar import SidecarCounts
from ingest.types import Failure, ParsedFile, is_inside
from retrievers.types import IndexedDocument

_EXAMPLES = 3
_FORMATS = 40  # names like log.1, log.2 … would be a format each


WHAT_IT_MEANS = {
    "empty": "there is no text in it",
    "needs-ocr": "pages are pictures: install tesseract (or the extra `ocr`), then `ingest retry --kind needs-ocr`",
    "pages-lost": "some of its pages cannot be read",
    "truncated": "it is longer than `file_pages` or `file_characters` in the table [ingest], and was read up to there",
    "repaired": "it is damaged, and was read as far as it goes",
    "encoding": "its encoding was guessed",
    "unsupported": "no parser reads this format",
}
"""What a warning of each kind says."""
OCR_IS_OFF = "pages are pictures, and `ocr` is off: `ingest retry --kind needs-ocr --ocr auto` reads them"


class FormatCount(msgspec.Struct, kw_only=True):
    """What was read of one format."""

    files: int = 0
    documents: int = 0
    pages: int = 0
    chunks: int = 0
    bytes: int = 0
    parse_seconds: float = 0.0


class WarningGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Documents that were read in this run, and what their owner should know; with up to three sources.

    `pages` is how many of their pages it concerns, 0 where that says nothing.
    """

    kind: str
    count: int
    hint: str
    examples: tuple[str, ...]
    pages: int = 0


class FileCounts(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the files that were found: `found` is the sum of the others."""

    found: int = 0
    read: int = 0
    unchanged: int = 0
    unsupported: int = 0
    failed: int = 0
    unfinished: int = 0


class IndexCounts(msgspec.Struct, frozen=True, kw_only=True):
    """What the index holds in all."""

    documents: int = 0
    chunks: int = 0
    vectors: int = 0


class IngestReport(msgspec.Struct, frozen=True, kw_only=True):
    """A whole run. Counts are of this run, but for `failures` (all that stand) and `holds` (the whole index).

    Attributes:
        vectors: chunks embedded in this run.
        embedder_seconds: of the wall clock, spent inside the embedder.
        text_seconds: until all text was searchable.
        notes: what the index has to say, a sentence each.
        removed: documents whose files were gone.
        metadata: how the file of metadata has fitted; None without one.
        path_fields: how the path templates have fitted; None without any.
        members: files inside others, such as archives and mails; they are not among `files`.
    """

    index: str
    embedder: str
    files: FileCounts
    documents: int
    pages: int
    chunks: int
    vectors: int
    bytes: int
    formats: dict[str, FormatCount]
    failures: tuple[FailureGroup, ...]
    warnings: tuple[WarningGroup, ...]
    holds: IndexCounts
    seconds: float
    text_seconds: float
    embedder_seconds: float
    notes: tuple[str, ...] = ()
    removed: int = 0
    metadata: SidecarCounts | None = None
    path_fields: TemplateCounts | None = None
    members: MemberCounts = MemberCounts()

    @property
    def exit_code(self) -> int:
        """0, or 4 where failures stand."""
        return 4 if self.failures else 0


@dataclass(slots=True)
class Tally:
    """The counts of a run that goes on. Owned by the main thread, but for `known` and `found`: the reader's."""

    started: float = field(default_factory=time.monotonic)
    found: int = 0
    expected: int | None = None
    known: Counter[str] = field(default_factory=Counter)
    read: int = 0
    unsupported: int = 0
    failed: int = 0
    failed_by_kind: Counter[str] = field(default_factory=Counter)
    waiting: int = 0
    documents: int = 0
    pages: int = 0
    chunks: int = 0
    bytes: int = 0
    vectors: int = 0
    vectors_expected: int = 0
    removed: int = 0
    members: Counter[str] = field(default_factory=Counter)
    formats: dict[str, FormatCount] = field(default_factory=dict)
    warnings: dict[str, list[str]] = field(default_factory=dict)
    warned: Counter[str] = field(default_factory=Counter)
    warned_pages: Counter[str] = field(default_factory=Counter)
    text_seconds: float | None = None
    embedder_seconds: float = 0.0

    @property
    def files_done(self) -> int:
        """Files that need no more reading in this run."""
        return self.read + self.failed + self.unsupported + self.known.total()

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self.started

    def take(self, parsed: ParsedFile) -> None:
        """Count what was read of a file."""
        chunks = sum(len(item.chunks) for item in parsed.documents)
        count = self._count_of(parsed.file.source)
        count.files += parsed.last
        for item in parsed.documents:
            self._count_document(item, parsed.file.source)
        count.bytes += parsed.bytes_read
        count.parse_seconds += parsed.seconds
        self.read += parsed.last
        self.documents += len(parsed.documents)
        self.pages += parsed.pages
        self.chunks += chunks
        self.bytes += parsed.bytes_read
        for warned in parsed.warnings:
            self._warn(warned.kind, warned.source, warned.pages)

        if parsed.left_out:
            self.members["left_out"] += parsed.left_out
        for failure in parsed.failures:
            self._fail_member(failure)

    def _count_document(self, item: IndexedDocument, outer: str) -> None:
        """Under the format of the file that it was read from, be that inside another."""
        inside = is_inside(item.document.source, outer)
        count = self._count_of(item.document.source.partition("#")[0] if inside else outer)
        count.documents += 1
        count.pages += len(item.document.pages) or 1
        count.chunks += len(item.chunks)
        self.members["documents"] += inside

    def _count_of(self, source: str) -> FormatCount:
        name = format_of(source)
        if name not in self.formats and len(self.formats) >= _FORMATS:
            name = "others"
        return self.formats.setdefault(name, FormatCount())

    def _fail_member(self, failure: Failure) -> None:
        is_unsupported = failure.kind == "unsupported"
        self.members["unsupported" if is_unsupported else "failed"] += 1
        if is_unsupported:
            self._warn("unsupported", failure.source)

    def fail(self, failure: Failure) -> None:
        """Count a file that cannot be had."""
        if failure.kind == "unsupported":
            self.unsupported += 1
            self._warn("unsupported", failure.source)
            return
        self.failed += 1
        self.failed_by_kind[failure.kind] += 1

    def _warn(self, kind: str, source: str, pages: int = 0) -> None:
        self.warned[kind] += 1
        self.warned_pages[kind] += pages
        examples = self.warnings.setdefault(kind, [])
        if len(examples) < _EXAMPLES:
            examples.append(source)

    def warning_groups(self, meanings: Mapping[str, str] = WHAT_IT_MEANS) -> tuple[WarningGroup, ...]:
        """What was warned of, by kind; most frequent first.

        Args:
            meanings: what a warning of each kind says.
        """
        return tuple(
            WarningGroup(
                kind=kind,
                count=count,
                hint=meanings.get(kind, ""),
                examples=tuple(self.warnings.get(kind, ())),
                pages=self.warned_pages[kind],
            )
            for kind, count in sorted(self.warned.items(), key=lambda pair: (-pair[1], pair[0]))
        )

    def files(self) -> FileCounts:
        """What became of the files."""
        known = self.known
        unchanged = known.total() - known["failed"] - known["unsupported"]
        return FileCounts(
            found=self.found,
            read=self.read,
            unchanged=unchanged,
            unsupported=self.unsupported + known["unsupported"],
            failed=self.failed + known["failed"],
            unfinished=max(0, self.found - self.files_done),
        )


def json_of(value: object) -> str:
    """One JSON object, indented."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def format_of(source: str) -> str:
    """A short name of a file's format: its suffix."""
    return PurePosixPath(source).suffix.lower().removeprefix(".") or "no suffix"


def sentences(report: IngestReport) -> Iterator[str]:
    """The report for people, a line at a time."""
    files = report.files
    vectors = f", {report.vectors:,} vectors" if report.vectors else ""
    yield (
        f"{_count(report.documents, 'document')}, {_count(report.pages, 'page')}, {_count(report.chunks, 'chunk')}"
        f"{vectors} from {_count(files.read, 'file')} ({size(report.bytes)}) in {duration(report.seconds)}"
    )
    for name, count in sorted(report.formats.items(), key=lambda pair: -pair[1].bytes):
        yield (
            f"  {name:<9} {_count(count.files, 'file')}, {_count(count.documents, 'document')}, "
            f"{_count(count.pages, 'page')}, {size(count.bytes)}"
        )
    others = {"unchanged": files.unchanged, "not read yet": files.unfinished}
    if any(others.values()):
        yield ", ".join(f"{count:,} {name}" for name, count in others.items() if count)
    if report.members != MemberCounts():
        yield report.members.sentence()
    if report.removed:
        yield f"{_count(report.removed, 'document')} removed: no file holds them any more"
    for warning in report.warnings:
        what = f" — {warning.hint}" if warning.hint else ""
        pages = f" ({_count(warning.pages, 'page')})" if warning.pages else ""
        yield f"warning: {warning.kind}: {warning.count:,}{pages}{what} (list: ingest failures --kind {warning.kind})"
    yield from (f"note: {note}" for note in report.notes)
    yield from _given(report)
    yield from _failures(report.failures)
    holds = report.holds
    yield (
        f"{report.index} holds {_count(holds.documents, 'document')}, {_count(holds.chunks, 'chunk')}, "
        f"{_share(holds)} with vectors"
    )


def removed_sentence(documents: int, files: int) -> str:
    """What was forgotten, for people."""
    return f"removed {_count(documents, 'document')} of {_count(files, 'file')}"


def _given(report: IngestReport) -> Iterator[str]:
    """What of the metadata that was given has fitted nothing."""
    if (rows := report.metadata) is not None:
        wanting = (
            (rows.unmatched_rows, "row fits no file", "rows fit no file"),
            (rows.unmatched_files, "file has no row", "files have no row"),
            (rows.shared_rows, "row with a bare name fits several files", "rows with a bare name fit several files"),
            (rows.repeated_rows, "row names what one before it names", "rows name what one before them names"),
        )
        told = "".join(f", {count:,} {one if count == 1 else many}" for count, one, many in wanting if count)
        examples = f" (e.g. {', '.join(rows.examples)})" if rows.examples else ""
        yield f"metadata: {_count(rows.rows, 'row')}{told or ', all fit'}{examples}"
    if (templates := report.path_fields) is not None:
        unused = [template for template, count in templates.fitted.items() if not count]
        yield from (f"path template: {template!r} fits no file" for template in unused)
        if templates.unfitted_files:
            yield f"path templates: none fits {_count(templates.unfitted_files, 'file')}"


def _failures(groups: Iterable[FailureGroup]) -> Iterator[str]:
    for group_ in groups:
        yield f"failed: {group_.kind}: {_count(group_.count, 'file')}{' — ' + group_.hint if group_.hint else ''}"
        if group_.count <= len(group_.examples) or not group_.causes:
            yield from (f"  {example.source}: {example.message}" for example in group_.examples)
            continue
        for cause in group_.causes:
            hint = f" — {cause.hint}" if cause.hint and cause.hint != group_.hint else ""
            yield f"  {cause.count:,} times: {cause.message} (e.g. {cause.example}){hint}"


def _share(holds: IndexCounts) -> str:
    if holds.vectors == holds.chunks:
        return "all" if holds.chunks else "none"
    return f"{holds.vectors:,}" if holds.vectors else "none"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def size(number: int) -> str:
    """Bytes for people."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if number >= factor:
            return f"{number / factor:.1f} {unit}"
    return f"{number} B"


def duration(seconds: float) -> str:
    """Seconds for people."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
