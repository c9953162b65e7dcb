"""What the worker gives up before it runs a line of the model's code: everything but computing and its stream.

Runs inside the worker, once, after the last import. Every step is told to the host in the worker's first message,
"held" or why not; then what was given up is tried (`try_out`), and the host looks from outside (`inspect.py`).
Tested from outside (`tests/integration/sandbox`): a process that has done this can write no coverage data.
"""

from __future__ import annotations

import ctypes
import fcntl
import mmap
import os
import resource
import signal
import socket
import struct
import sys
from collections.abc import Callable
from itertools import pairwise

from confinement import allowed, landlock, seccomp

_F_SETSIG = 10  # fcntl.h; the fcntl module does not name it
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38  # prctl.h
_OWN_UIDS = 0x60000000
"""Where user ids for workers begin: far above any account, one a process, so that workers cannot signal each other."""
_NOBODY = 65_534
_HIGHEST = 65_536
"""No descriptor is looked for above."""
_OUR_MODULES = ("ctypes", "_ctypes", "confinement")
"""Thrown out once they have done their work."""


def settle(*descriptors: int) -> list[int]:
    """Close all descriptors above stderr but these, and move these down to the lowest numbers."""
    for low, high in pairwise([2, *sorted(descriptors), _HIGHEST]):
        os.closerange(low + 1, high)
    settled = {descriptor: _lowered(descriptor) for descriptor in sorted(descriptors)}
    return [settled[descriptor] for descriptor in descriptors]


def moved_away() -> tuple[int, int]:  # pragma: no cover
    """Stdin and stdout under other numbers, and nothing in their place."""
    source, sink = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(nothing, standard)
    os.close(nothing)
    return source, sink


def _lowered(descriptor: int) -> int:
    free = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3)
    worse = max(free, descriptor)
    os.close(worse)
    return min(free, descriptor)


def confine(*, lifeline: int, parent: int, memory_bytes: int, cpu_seconds: int) -> dict[str, str]:  # pragma: no cover
    """Take every step that this system offers; returns a word for each: "held", or why not.

    Args:
        lifeline: a pipe whose other end the host holds; -1 where there is none.
        parent: the process whose death is this one's; 0 where that is nobody's business.
        memory_bytes: address space above what there is now.
        cpu_seconds: of the whole session.
    """
    steps: dict[str, Callable[[], None]] = {
        "no_new_privs": lambda: _prctl(_PR_SET_NO_NEW_PRIVS, 1),
        "lifeline": lambda: _die_with(lifeline),  # before the user changes: the kernel checks who asked
        "memory": lambda: _limit_memory(memory_bytes),  # while /proc can be read
        "root_directory": _enter_nowhere,
        "user": _leave_root,
        "parent": lambda: _die_after(parent),  # after the user has changed, which would undo it
        "capabilities": _drop_capabilities,
        "landlock": _close_paths,  # while its ruleset can have a descriptor
        "processes": lambda: _limit("RLIMIT_NPROC", 0),
        "cpu": lambda: _limit("RLIMIT_CPU", cpu_seconds),
        "core": lambda: _limit("RLIMIT_CORE", 0),
        "files": lambda: _limit("RLIMIT_FSIZE", 0),
        "locked_memory": lambda: _limit("RLIMIT_MEMLOCK", 0),
        "descriptors": lambda: _limit("RLIMIT_NOFILE", 0),  # those that are open stay; no other can be, ever
        "not_dumpable": lambda: _prctl(_PR_SET_DUMPABLE, 0),
        "seccomp": _filter_calls,  # last: the steps above are what it refuses
        "tried": _try_out,
    }
    report = {name: _try(step) for name, step in steps.items()}
    for name in [name for name in sys.modules if name.partition(".")[0] in _OUR_MODULES]:
        del sys.modules[name]
    return report


def _try(step: Callable[[], None]) -> str:  # pragma: no cover
    try:
        step()
    except (OSError, ValueError, AttributeError, ImportError, KeyError) as error:
        return f"{type(error).__name__}: {error}"
    return "held"


def _close_paths() -> None:  # pragma: no cover
    """Landlock without a rule: no path can be opened, made or removed, whatever the filter below lets through."""
    landlock.restrict((), (), ())
    for path in ("/", "/proc/self", "/dev/null"):
        if not _is_refused(lambda path=path: os.close(os.open(path, os.O_RDONLY))):  # type: ignore[misc]  # used now
            raise OSError(f"{path} can still be opened")


def _filter_calls() -> None:  # pragma: no cover
    seccomp.allow_only(allowed.ALLOWED)


def _try_out() -> None:  # pragma: no cover
    """Attack what was just given up.

    Raises:
        OSError: something of it works.
    """
    deeds: dict[str, Callable[[], object]] = {
        "open": lambda: os.open("/dev/null", os.O_RDONLY),
        "list": lambda: os.listdir("/"),
        "look": lambda: os.stat("/"),
        "remove": lambda: os.unlink("/nothing"),
        "inet": lambda: socket.socket(socket.AF_INET),
        "unix": lambda: socket.socket(socket.AF_UNIX),
        "pipe": os.pipe,
        "fork": _fork,
        "signal": lambda: os.kill(os.getppid(), 0),
        "signal itself": lambda: os.kill(os.getpid(), 0),
        "limit": lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0)),
        "privileges": lambda: _prctl(_PR_SET_DUMPABLE, 1),
        "executable memory": _map_executable,
    }
    worked = [name for name, deed in deeds.items() if not _is_refused(deed)]
    if worked:
        raise OSError(f"what was given up still works: {', '.join(worked)}")


def _is_refused(deed: Callable[[], object]) -> bool:  # pragma: no cover
    try:
        deed()
    except (OSError, ValueError):  # the second is how `setrlimit` says it
        return True
    return False


def _fork() -> None:  # pragma: no cover
    if os.fork() == 0:
        os._exit(0)


def _map_executable() -> None:  # pragma: no cover
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close()


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


def _drop_capabilities() -> None:  # pragma: no cover
    """Leave none, also where root could not become somebody else."""
    number = {"x86_64": 126, "aarch64": 91}[os.uname().machine]  # capset
    header, nothing = struct.pack("=Ii", 0x20080522, 0), bytes(24)
    if ctypes.CDLL(None, use_errno=True).syscall(number, header, nothing) != 0:
        raise OSError(ctypes.get_errno(), "capset")


def _become(uid: int) -> None:  # pragma: no cover
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def _die_with(lifeline: int) -> None:  # pragma: no cover
    """Have the kernel kill this process when the host's end of the pipe closes: when it ends, however it ends."""
    if lifeline < 0:
        raise OSError("there is no pipe from the host")
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(lifeline, _F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)


def _die_after(parent: int) -> None:  # pragma: no cover
    """Have the kernel kill this process when its parent ends, whose one thread forked it."""
    if not parent:
        raise OSError("the host's threads come and go, and the signal comes when the one that started us ends")
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it has ended already
        os._exit(0)


def _prctl(option: int, argument: int) -> None:  # pragma: no cover
    if ctypes.CDLL(None, use_errno=True).prctl(option, argument, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
