"""What can go wrong while reading files into an index, as a tree.

IngestError
  x ConfigError              a setting or an extra is missing or wrong
  x SourceError              a path is missing or cannot be read at all
  x JournalError             the journal of earlier runs cannot be read or written
  x DocumentFailed           one file cannot be had; it is recorded and the run goes on
      x UnsupportedFormat    no parser reads this format
      x ParseError           the file is broken, encrypted, too large, or its parser died
      x EmbedError           its chunks could not be embedded
"""

from __future__ import annotations

from ingest.types import FailureKind


class IngestError(Exception):
    """Base of all errors of this package.

    `hint` says what to do about it, `exit_code` is what a command ends with (README, "Exit codes"), `transient`
    is the one thing that retrying code looks at.
    """

    exit_code: int = 1
    transient: bool = False

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.message, self.hint))


def _rebuild(error: type[IngestError], message: str, hint: str) -> IngestError:
    return error(message, hint=hint)


class ConfigError(IngestError):
    """A setting or an extra is missing or wrong."""

    exit_code = 5


class SourceError(IngestError):
    """A path that was given does not exist or cannot be read."""

    exit_code = 2


class JournalError(IngestError):
    """The journal of earlier runs cannot be read or written."""

    exit_code = 5


class DocumentFailed(IngestError):
    """One file cannot be had: recorded against that file, and the run goes on.

    `kind` is a short keyword that failures are counted by (`ingest.types.FailureKind`).
    """

    exit_code = 4
    kind: FailureKind = "broken"

    def __init__(self, message: str, *, kind: FailureKind | None = None, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.kind = kind or type(self).kind

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild_failed, (type(self), self.message, self.kind, self.hint))


def _rebuild_failed(error: type[DocumentFailed], message: str, kind: FailureKind, hint: str) -> DocumentFailed:
    return error(message, kind=kind, hint=hint)


class UnsupportedFormat(DocumentFailed):
    """No parser reads this format; alone it is a warning, not a failed run."""

    exit_code = 0
    kind: FailureKind = "unsupported"


class ParseError(DocumentFailed):
    """The file is broken, encrypted or too large, or its parser was stopped or died."""


class EmbedError(DocumentFailed):
    """The chunks of a document could not be embedded."""

    kind: FailureKind = "embed"
    transient = True
