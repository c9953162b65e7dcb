"""What can go wrong in a run, as a tree.

RlmError
  x ConfigError                 a setting, a credential or an extra is missing or wrong
  x ModelError
      x ModelUnavailable        transient: no answer, 429, 5xx
      x ModelRejected           refused: key, unknown model, bad request
      x ContextTooLong          more than the model reads
  x SandboxError                the sandbox does not start, or broke: never an answer
  x BudgetExceeded              .kind: steps subcalls depth tokens cost time searches
  x RunCancelled                ended from outside
  x AnswerNotFound              --json aside, `ask` ends so when the corpus does not hold the answer
"""

from __future__ import annotations

from typing import Literal, TypeAlias

BudgetKind: TypeAlias = Literal["steps", "subcalls", "depth", "tokens", "cost", "time", "searches"]


class RlmError(Exception):
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


class ConfigError(RlmError):
    """A setting, a credential or an extra is missing or wrong."""

    exit_code = 5


class ModelError(RlmError):
    """A model did not do what was asked of it."""

    exit_code = 6


class ModelUnavailable(ModelError):
    """The model does not answer now; trying again may help.

    `retry_after_seconds` is what the server asked for. `doubtful`: it may be a wrong address as well as a passing
    trouble, so that trying for long makes sense only where the model has answered before.
    """

    transient = True

    def __init__(
        self, message: str, *, hint: str = "", retry_after_seconds: float | None = None, doubtful: bool = False
    ) -> None:
        super().__init__(message, hint=hint)
        self.retry_after_seconds = retry_after_seconds
        self.doubtful = doubtful


class ModelRejected(ModelError):
    """The model's server refused: a wrong key, an unknown model, a malformed request."""

    exit_code = 5


class ContextTooLong(ModelError):
    """The prompt is longer than the model reads."""

    exit_code = 1


class SandboxError(RlmError):
    """The sandbox cannot be started, or broke in a way that is no fault of the model's code."""


class BudgetExceeded(RlmError):
    """A limit of the run is spent. `kind` says which; it is raised again on the host after the cell returns."""

    exit_code = 7

    def __init__(self, message: str, *, kind: BudgetKind, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.kind = kind


class RunCancelled(RlmError):
    """Somebody ended the run: it has no answer, and nothing of it is left."""

    exit_code = 130


class ToldToModel(Exception):
    """Something the model's code did wrong in a host function; its message is raised in the model's code."""
