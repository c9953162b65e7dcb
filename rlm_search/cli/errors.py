"""The border where every command ends: errors become a line with a hint and an exit code, never a traceback."""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

import click

from retrievers.interrupts import outside_imports
from rlm_search.cli.printing import one_line, stop_writing, tell

if TYPE_CHECKING:
    from retrievers.errors import RetrieverError
    from rlm_search.errors import RlmError

INTERRUPTED = 128 + signal.SIGINT
CLOSED_OUTPUT = 128 + signal.SIGPIPE
DISK_FULL = 5
UNEXPECTED = 1
USAGE = 2


class Terminated(BaseException):
    """The process was asked to end (SIGTERM, SIGHUP): raised in the main thread, so that everything is closed."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number


def run(command: click.Command, arguments: Sequence[str]) -> int:
    """Run a command line; what it comes to is the exit code."""
    _occupy_standard_descriptors()
    with _signals_handled():
        code = _guarded(command, arguments)
    _leave_if_threads_wait(code)
    return code


def _guarded(command: click.Command, arguments: Sequence[str]) -> int:
    try:
        return _invoked(command, arguments)
    except KeyboardInterrupt:
        tell("interrupted")
        return INTERRUPTED
    except Terminated as error:
        tell("terminated")
        return error.exit_code
    except BrokenPipeError:  # whoever read our output has had enough
        stop_writing()
        return CLOSED_OUTPUT
    except OSError as error:
        return _system_error(error)
    except Exception as error:  # noqa: BLE001 - ends the run with one line: the last border
        return _known_or_unexpected(error)
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        return _unexpected(error)  # a fault in a library written in Rust, which is no `Exception`


def _invoked(command: click.Command, arguments: Sequence[str]) -> int:
    try:
        with command.make_context("rlm-search", list(arguments)) as context:
            code = command.invoke(context)
        sys.stdout.flush()
        return int(code or 0)
    except click.exceptions.Exit as exit_:
        sys.stdout.flush()
        return exit_.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        tell(error.format_message())
        return error.exit_code
    except click.ClickException as error:
        context_of = getattr(error, "ctx", None)
        path = context_of.command_path if context_of else "rlm-search"
        _say(one_line(error.format_message()).rstrip("."), f"{path} --help")
        return error.exit_code


def _known_or_unexpected(error: Exception) -> int:
    """Errors of our packages carry `message`, `hint` and `exit_code`; everything else is a fault of ours."""
    code = getattr(error, "exit_code", None)
    if isinstance(code, int) and hasattr(error, "hint"):
        _say(one_line(str(error)), one_line(str(error.hint)))
        return code
    return _unexpected(error)


def _system_error(error: OSError) -> int:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        stop_writing()
        _say(f"no space is left{_where(error)}", "make room and run the command again")
        return DISK_FULL
    if error.errno == errno.EBADF:
        stop_writing()
        _say("standard output is closed", "")
        return UNEXPECTED
    return _unexpected(error)


def _where(error: OSError) -> str:
    return f" on the disk of {error.filename}" if error.filename else " for what is written"


def _unexpected(error: BaseException) -> int:
    import tempfile
    import traceback

    from retrievers.redaction import redacted

    name = f"{type(error).__name__}: {one_line(str(error))}" if str(error) else type(error).__name__
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="rlm-search-", suffix=".txt", delete=False, encoding="utf-8", errors="replace"
        ) as file:
            file.write(redacted("".join(traceback.format_exception(error))))
    except OSError:
        _say(f"unexpected {name}", "")
        return UNEXPECTED
    _say(f"unexpected {name}", f"this is a fault of rlm-search; traceback written to {file.name}")
    return UNEXPECTED


def sentence(error: RlmError | RetrieverError) -> str:
    """What an error says and what to do about it, on one line, without secrets: for one that ends no command."""
    from retrievers.redaction import redacted

    return redacted(one_line(f"{error}{f' ({error.hint})' if error.hint else ''}"))


def _say(message: str, hint: str) -> None:
    from retrievers.redaction import redacted

    tell(f"error: {redacted(message)}")
    if hint:
        tell(f"hint: {redacted(hint)}")


def _occupy_standard_descriptors() -> None:
    """Put /dev/null where a standard descriptor is closed: else the next file opened would be written to as output."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free one, which is this


@contextmanager
def _signals_handled() -> Iterator[None]:
    """Our handlers while a command runs; what was there before comes back."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers = {signal.SIGTERM: _terminate, signal.SIGHUP: _terminate, signal.SIGINT: _interrupt}
    before = {number: signal.signal(number, outside_imports(handler)) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _terminate(number: int, frame: FrameType | None) -> None:
    raise Terminated(number)


def _interrupt(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGINT, _interrupt_again)
    raise KeyboardInterrupt


def _interrupt_again(number: int, frame: FrameType | None) -> None:
    """Whoever presses Ctrl-C twice does not want to wait for tidiness; workers end when our sockets close."""
    os._exit(INTERRUPTED)


def _leave_if_threads_wait(code: int) -> None:
    """After an interrupt, do not wait for threads that still wait for a server."""
    alive = [t for t in threading.enumerate() if t is not threading.main_thread() and not t.daemon]
    if alive and code >= 128:
        stop_writing()
        os._exit(code)
