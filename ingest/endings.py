"""How a command ends: one readable line with a hint and an exit code, whatever went wrong, and never a traceback."""

from __future__ import annotations

import errno
import os
import signal
import sys
import time

from ingest.errors import IngestError
from ingest.signals import STOPPED, Stopped, say
from retrievers.errors import RetrieverError


def explain(error: BaseException) -> int:
    """Say on stderr what ended the command; returns its exit code."""
    match error:
        case SystemExit():
            return error.code if isinstance(error.code, int) else 1
        case Stopped():
            say(STOPPED)
            return error.exit_code
        case KeyboardInterrupt():
            say(STOPPED)
            return 128 + signal.SIGINT
        case IngestError() | RetrieverError():
            say(f"error: {error.message}", error.hint)
            return error.exit_code
        case BrokenPipeError():
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nobody reads the rest, nor its flush
            return 128 + signal.SIGPIPE
        case OSError() if error.errno is not None:
            return _system_error(error)
        case _:
            return _unexpected(error)


def _system_error(error: OSError) -> int:
    where = f" ({error.filename})" if error.filename else ""
    hints = {
        errno.ENOSPC: "free some space and run the same command again: nothing that was written is lost",
        errno.EDQUOT: "free some space and run the same command again: nothing that was written is lost",
        errno.EACCES: "check the permissions",
        errno.EROFS: "name a place that can be written to",
    }
    say(f"error: {error.strerror or error}{where}", hints.get(error.errno or 0, ""))
    return 5


def _unexpected(error: BaseException) -> int:
    import traceback

    from ingest.settings import state_folder
    from retrievers.redaction import redacted

    kept = ""
    try:
        folder = state_folder()
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"error-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
        path.write_text(
            redacted("".join(traceback.format_exception(error))), encoding="utf-8", errors="backslashreplace"
        )
        kept = f"; traceback in {path}"
    except OSError:
        pass
    say(f"unexpected error {type(error).__name__}: {redacted(str(error))}; please report it{kept}")
    return 1
