"""What can go wrong with an index, as a tree.

RetrieverError
  x ConfigError          a setting, a credential or an extra is missing or wrong
      x IndexMissing     there is no index where one was named
  x IndexMismatch        the index was built with something else: embedder, format version
  x IndexLocked          another process writes to it
  x DocumentNotFound
  x FilterError          an unknown field, operator or type in a filter
  x EngineUnavailable    transient: trying again may help
  x EngineRejected       the engine said no: trying again does not help
      x ServerRefused    a server did; what it says names it, and is for the user alone
  x RetrieverFailed      a retriever of one's own raised something that is none of these
"""

from __future__ import annotations


class RetrieverError(Exception):
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


def _rebuild(kind: type[RetrieverError], message: str, hint: str) -> RetrieverError:
    return kind(message, hint=hint)


class ConfigError(RetrieverError):
    """A setting, a credential or an extra is missing or wrong."""

    exit_code = 5


class IndexMissing(ConfigError):
    """There is no index where one was named."""


class IndexMismatch(RetrieverError):
    """The index was built with something else than what is asked of it: another embedder, a newer format."""

    exit_code = 5


class IndexLocked(RetrieverError):
    """Another process is writing to the index."""

    exit_code = 5


class DocumentNotFound(RetrieverError):
    """No document with this id is in the index (or none that the mandatory filters let through)."""

    exit_code = 3


class FilterError(RetrieverError):
    """A filter names an unknown field or operator, or compares with a value of the wrong type."""

    exit_code = 2


class EngineUnavailable(RetrieverError):
    """The engine, or the service behind an embedder, does not answer now; trying again may help."""

    exit_code = 6
    transient = True


class EngineRejected(RetrieverError):
    """The engine refused the request; the same request will be refused again."""

    exit_code = 6


class ServerRefused(EngineRejected):
    """A server refused the request. Its message names host and index, and is for the user, never for a model."""


class RetrieverFailed(RetrieverError):
    """A retriever of one's own raised something else than these errors; `kind` is the name of its class.

    The message of what it raised is left out, since it may name hosts and credentials. It is the `__cause__`.
    """

    exit_code = 6

    def __init__(self, message: str, *, hint: str = "", kind: str = "") -> None:
        super().__init__(message, hint=hint)
        self.kind = kind
