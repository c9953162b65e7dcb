"""What the journal says: of a file that was found, of one that was read or has failed, and of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from ingest.types import SourceFile

FileState: TypeAlias = Literal["claimed", "queued", "text", "vectors", "empty", "unsupported", "failed"]
"""`claimed`: in flight; `queued`: failed, and to be tried again; `text`: searchable; `vectors`: by meaning, too."""

DONE: frozenset[FileState] = frozenset({"text", "vectors", "empty", "unsupported"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What the journal says about a file that was found: read it, or why not.

    Attributes:
        file: to be read; its `source` is the one under which the journal knows it.
        known: the state of an unchanged file that is left alone; "" for one to be read.
        again: the same path came up before in this run.
    """

    file: SourceFile
    known: FileState | Literal[""] = ""
    again: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEnd:
    """A file that was read to its end, with what it held."""

    file: SourceFile
    empty: bool
    documents: int
    pages: int
    warnings: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedFile:
    """A failure that stands."""

    path: str
    source: str
    kind: str
    stage: str
    message: str
    hint: str
    attempts: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """A run as the journal knows it; times are seconds since the epoch, `ended` None for one that was killed."""

    id: int
    pid: int
    started: float
    seen: float
    ended: float | None
    embedder: str
    progress: str
