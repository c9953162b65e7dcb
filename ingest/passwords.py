"""Passwords for encrypted files: gathered from where they were given, and kept out of the list of processes."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ingest.errors import ConfigError
from retrievers.settings import secret

VARIABLE = "RLM_SEARCH_PASSWORD"
_MOST = 1_000
_COMMAND_LINE = slice(45, 47)  # of /proc/self/stat behind the name: where it begins and ends in memory


def gathered(given: Iterable[str], file: str, environment: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """The passwords to try, in order: given on the command line, in the environment, in a file with one a line.

    Raises:
        ConfigError: the file cannot be read, or holds too many to try on each file.
    """
    found = [*given, secret(VARIABLE, environment), *(_lines_of(Path(file)) if file else ())]
    passwords = tuple(dict.fromkeys(filter(None, found)))
    if len(passwords) > _MOST:
        raise ConfigError(f"{len(passwords):,} passwords are too many to try on each file", hint=f"give {_MOST:,}")
    return passwords


def _lines_of(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ConfigError(f"cannot read the passwords file {file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"the passwords file {file} is no UTF-8", hint="save it as UTF-8") from None


def hide_arguments(secrets: Sequence[str]) -> None:
    """Blot these out of the command line that `ps` shows for this process; where that is not possible, do nothing."""
    if not secrets or sys.platform != "linux":
        return
    try:
        stat = Path("/proc/self/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    start, end = map(int, stat.rpartition(")")[2].split()[_COMMAND_LINE])
    if not 0 < start < end:
        return
    arguments = ctypes.string_at(start, end - start)
    for word in secrets:
        arguments = _blotted(arguments, word.encode(errors="surrogateescape"))
    ctypes.memmove(start, arguments, end - start)


def _blotted(arguments: bytes, word: bytes) -> bytes:
    """The same, at the same length, without this word where it is an argument or the value of one."""
    stars = b"*" * len(word)
    return arguments.replace(b"\0" + word + b"\0", b"\0" + stars + b"\0").replace(
        b"=" + word + b"\0", b"=" + stars + b"\0"
    )
