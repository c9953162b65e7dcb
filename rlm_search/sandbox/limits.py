"""What the worker gives up before it runs a line of the model's code: descriptors, memory, processes, privileges.

Runs inside the worker, once, after the last import. A later change adds seccomp and Landlock here, as one more step
of `confine`; the host sees in the worker's first message which steps held.
Tested from outside (`tests/integration/sandbox`): a process that has done this can write no coverage data.
"""

from __future__ import annotations

import fcntl
import os
import resource
import signal
import sys
from collections.abc import Callable
from itertools import pairwise

_F_SETSIG = 10  # fcntl.h; the fcntl module does not name it
_PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 4, 38  # prctl.h
_OWN_UIDS = 0x60000000
"""Where user ids for workers begin: far above any account, one a process, so that workers cannot signal each other."""
_NOBODY = 65_534
_HIGHEST = 65_536
"""No descriptor is looked for above."""


def settle(*descriptors: int) -> list[int]:
    """Close all descriptors above stderr but these, and move these down to the lowest numbers."""
    for low, high in pairwise([2, *sorted(descriptors), _HIGHEST]):
        os.closerange(low + 1, high)
    settled = {descriptor: _lowered(descriptor) for descriptor in sorted(descriptors)}
    return [settled[descriptor] for descriptor in descriptors]


def _lowered(descriptor: int) -> int:
    free = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3)
    worse = max(free, descriptor)
    os.close(worse)
    return min(free, descriptor)


def confine(*, lifeline: int, memory_bytes: int, cpu_seconds: int) -> dict[str, str]:  # pragma: no cover
    """Take every step that this system offers; returns a word for each: "held", or why not."""
    steps: dict[str, Callable[[], None]] = {
        "no_new_privs": lambda: _prctl(_PR_SET_NO_NEW_PRIVS, 1),
        "lifeline": lambda: _die_with(lifeline),  # before the user changes: the kernel checks who asked
        "memory": lambda: _limit_memory(memory_bytes),  # while /proc can be read
        "root_directory": _enter_nowhere,
        "user": _leave_root,
        "processes": lambda: _limit("RLIMIT_NPROC", 0),
        "cpu": lambda: _limit("RLIMIT_CPU", cpu_seconds),
        "core": lambda: _limit("RLIMIT_CORE", 0),
        "files": lambda: _limit("RLIMIT_FSIZE", 0),
        "descriptors": lambda: _limit("RLIMIT_NOFILE", 0),  # those that are open stay; no other can be, ever
        "not_dumpable": lambda: _prctl(_PR_SET_DUMPABLE, 0),
    }
    report = {name: _try(step) for name, step in steps.items()}
    for name in [name for name in sys.modules if name.partition(".")[0] in ("ctypes", "_ctypes")]:
        del sys.modules[name]
    return report


def _try(step: Callable[[], None]) -> str:  # pragma: no cover
    try:
        step()
    except (OSError, ValueError, AttributeError, ImportError) as error:
        return f"{type(error).__name__}: {error}"
    return "held"


def _limit(name: str, value: int) -> None:  # pragma: no cover
    """Set soft and hard alike, never above what is set already."""
    which = getattr(resource, name)
    _, hard = resource.getrlimit(which)
    least = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(which, (least, least))


def _limit_memory(extra_bytes: int) -> None:  # pragma: no cover
    with open("/proc/self/statm") as statm:  # absent outside Linux, where RLIMIT_AS does not hold either
        baseline = int(statm.read().split()[0]) * resource.getpagesize()
    _limit("RLIMIT_AS", baseline + extra_bytes)


def _enter_nowhere() -> None:  # pragma: no cover
    """As root, make a directory that nobody can write to, and that holds only our own descriptors, the whole world."""
    if os.geteuid() != 0:
        raise PermissionError("only root can change its root directory")
    os.chroot("/proc/self/fdinfo")
    os.chdir("/")


def _leave_root() -> None:  # pragma: no cover
    """As root, become a user that owns nothing, one of its own where the system lets us. Others stay who they are."""
    if os.geteuid() != 0:
        return
    os.setgroups([])
    try:
        _become(_OWN_UIDS + os.getpid())
    except OSError:  # a user namespace maps few ids
        _become(_NOBODY)


def _become(uid: int) -> None:  # pragma: no cover
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def _die_with(lifeline: int) -> None:  # pragma: no cover
    """Have the kernel kill this process when the host's end of the pipe closes: when it ends, however it ends.

    Not the parent-death signal of prctl: that one comes when the *thread* that started us ends.
    """
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(lifeline, _F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)


def _prctl(option: int, argument: int) -> None:  # pragma: no cover
    import ctypes  # here, since it is thrown out again right after

    if ctypes.CDLL(None, use_errno=True).prctl(option, argument, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
