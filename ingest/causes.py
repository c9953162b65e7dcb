"""Why files have failed: failures by kind, with what they have in common and what can be done about it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

import msgspec

from ingest.entries import FailedFile

_EXAMPLES = 3
_CAUSES = 100
_VARYING = re.compile(r"\d[\d.,]*|'[^']*'|`[^`]*`|\"[^\"]*\"")
WHAT_TO_DO = {
    "broken": "open the file and save it again, or leave it out with --exclude",
    "encrypted": "`ingest retry --kind encrypted --passwords-file FILE`, or save a copy without password",
    "timeout": "raise `file_seconds` in the table [ingest], then `ingest retry --kind timeout`",
    "memory": "raise `file_memory_mb` in the table [ingest], then `ingest retry --kind memory`",
    "crashed": "`ingest retry --kind crashed`, then leave the file out with --exclude",
    "unreadable": "make the file readable and run the same command again",
    "vanished": "run the same command again",
    "too-large": "split or unpack the file, or raise `file_size_mb` or the limits `archive_…` in the table [ingest]",
    "embed": "its text can be searched; run the same command again for its vectors",
    "write": "run the same command again",
}
"""What somebody can do about a failure of each kind."""


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """A file that failed, and why."""

    source: str
    message: str
    attempts: int


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """What has failed several files, with one of them; `hint` is what to do about it."""

    message: str
    count: int
    example: str
    hint: str = ""


class FailureGroup(msgspec.Struct, frozen=True, kw_only=True):
    """The failures of one kind that stand, earlier ones included, with up to three examples.

    `causes` are their three most frequent messages; those that differ in numbers and names alone are one.
    """

    kind: str
    count: int
    hint: str
    examples: tuple[Example, ...]
    causes: tuple[Cause, ...] = ()


class _Causes:
    """The messages of failures of one kind; beyond a hundred different ones the rest is not told apart."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._first: dict[str, FailedFile] = {}

    def take(self, failure: FailedFile) -> None:
        """Count one."""
        cause = _VARYING.sub("…", failure.message)
        if cause in self._first or len(self._first) < _CAUSES:
            self._first.setdefault(cause, failure)
            self._counts[cause] += 1

    def most_frequent(self) -> tuple[Cause, ...]:
        """The first three."""
        return tuple(
            Cause(
                message=self._first[cause].message,
                count=count,
                example=self._first[cause].source,
                hint=self._first[cause].hint,
            )
            for cause, count in self._counts.most_common(_EXAMPLES)
        )


def group(failures: Iterable[FailedFile]) -> tuple[FailureGroup, ...]:
    """Failures by kind, each with what can be done about it; most frequent first."""
    by_kind: dict[str, list[FailedFile]] = {}
    causes: dict[str, _Causes] = {}
    counts: Counter[str] = Counter()
    for failure in failures:
        counts[failure.kind] += 1
        causes.setdefault(failure.kind, _Causes()).take(failure)
        examples = by_kind.setdefault(failure.kind, [])
        if len(examples) < _EXAMPLES:
            examples.append(failure)
    return tuple(
        FailureGroup(
            kind=kind,
            count=count,
            hint=WHAT_TO_DO.get(kind, ""),
            examples=tuple(
                Example(source=failure.source, message=failure.message, attempts=failure.attempts)
                for failure in by_kind[kind]
            ),
            causes=causes[kind].most_frequent(),
        )
        for kind, count in counts.most_common()
    )
