"""What a process may still do, as data; taking everything else away; and the proof that it is gone."""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeAlias

from confinement import landlock, seccomp
from confinement.places import interpreters

Mechanism: TypeAlias = Literal["landlock", "seccomp"]

HELD = "held"
_PR_SET_NO_NEW_PRIVS = 38


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What is left to a process.

    Attributes:
        read: files, and folders with all below them, that it may read. A link is followed when the policy is applied.
        write: folders in which it may make, read, change and remove files.
        execute: programs that it may start; they are confined as it is. Without any it cannot fork either.
        without: mechanisms that are not used, as on a system that lacks them.
    """

    read: tuple[str, ...] = ()
    write: tuple[str, ...] = ()
    execute: tuple[str, ...] = ()
    without: tuple[Mechanism, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """What holds, as tried out after it was done.

    Attributes:
        claims: `reading`, `writing`, `programs`, `signals`, `network` and `system calls`, each "held" or why not.
    """

    claims: Mapping[str, str]

    @property
    def lacking(self) -> dict[str, str]:
        """The claims that do not hold, and why."""
        return {claim: found for claim, found in self.claims.items() if found != HELD}

    @property
    def holds(self) -> bool:
        """Every claim does."""
        return not self.lacking


def confine(policy: Policy) -> Report:
    """Take from this process, and all that it will fork, what the policy does not leave it. There is no way back.

    Nothing is raised: what this system cannot do is in the report, and the rest is done. The process must have one
    thread, and what it has open stays open.
    """
    if sys.platform != "linux":
        return Report(dict.fromkeys(_PROOFS, f"{sys.platform} has neither Landlock nor seccomp"))
    _forbid_new_privileges()
    failed: dict[str, str] = {}
    for name, step in (("landlock", _confine_files), ("seccomp", _confine_calls)):
        try:
            if name in policy.without:
                raise OSError(f"{name} is not to be used")
            step(policy)
        except (OSError, AttributeError) as error:  # a C library without `syscall` or `prctl`
            failed[name] = str(error)
    return Report({claim: _proven(claim, policy, failed) for claim in _PROOFS})


def _forbid_new_privileges() -> None:
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)  # else both steps below say so


def _confine_files(policy: Policy) -> None:
    loaders = interpreters(policy.execute)
    landlock.restrict((*policy.read, f"/proc/{os.getpid()}"), (*policy.write, "/dev/null"), (*policy.execute, *loaders))


def _confine_calls(policy: Policy) -> None:
    keeps_signals = landlock.version() >= landlock.SIGNALS_SINCE and "landlock" not in policy.without
    seccomp.refuse(fork=bool(policy.execute), signal_others=keeps_signals)


def _proven(claim: str, policy: Policy, failed: Mapping[str, str]) -> str:
    mechanisms, is_refused = _PROOFS[claim]
    if is_refused(policy, failed):
        return HELD
    return "; ".join(failed[name] for name in mechanisms if name in failed) or "it was tried, and was not refused"


def _no_reading(policy: Policy, failed: Mapping[str, str]) -> bool:
    return "/" in policy.read or _is_denied(lambda: os.listdir("/"))


def _no_writing(policy: Policy, failed: Mapping[str, str]) -> bool:
    """Tried beside the folders that are allowed; that no file can be emptied is of the rules or of the filter."""
    keeps_contents = landlock.version() >= landlock.TRUNCATION_SINCE or "seccomp" not in failed
    parents = {os.path.dirname(os.path.realpath(folder)) for folder in policy.write}
    beside = [os.path.join(parent, f".tried-{os.getpid()}") for parent in parents if not _lies_in(parent, policy.write)]
    are_refused = all(_is_denied(partial(_make, path)) for path in beside)
    return "landlock" not in failed and keeps_contents and are_refused


def _lies_in(path: str, folders: tuple[str, ...]) -> bool:
    return any(os.path.commonpath([path, folder]) == folder for folder in map(os.path.realpath, folders))


def _make(path: str) -> None:
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    os.unlink(path)


def _no_programs(policy: Policy, failed: Mapping[str, str]) -> bool:
    """Of the same rules as reading, or of the filter: to try it would be to become that program."""
    return "landlock" not in failed or (not policy.execute and "seccomp" not in failed)


def _no_signals(policy: Policy, failed: Mapping[str, str]) -> bool:
    return _is_denied(lambda: os.kill(os.getppid(), 0))


def _no_network(policy: Policy, failed: Mapping[str, str]) -> bool:
    families = (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX)
    return all(_is_denied(lambda family=family: socket.socket(family).close()) for family in families)  # type: ignore[misc]


def _no_system_calls(policy: Policy, failed: Mapping[str, str]) -> bool:
    """Asks for no new namespace at all, which everybody may."""
    return bool(ctypes.CDLL(None).unshare(0) != 0)


def _is_denied(deed: Callable[[], object]) -> bool:
    with contextlib.suppress(OSError):
        try:
            deed()
        except PermissionError:
            return True
    return False


_PROOFS: Mapping[str, tuple[tuple[Mechanism, ...], Callable[[Policy, Mapping[str, str]], bool]]] = {
    "reading": (("landlock",), _no_reading),
    "writing": (("landlock", "seccomp"), _no_writing),
    "programs": (("landlock",), _no_programs),
    "signals": (("landlock", "seccomp"), _no_signals),
    "network": (("seccomp",), _no_network),
    "system calls": (("seccomp",), _no_system_calls),
}
