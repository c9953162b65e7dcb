"""Resource limits that a process sets on itself, and the tie to its parent."""

from __future__ import annotations

import ctypes
import resource
import signal
import sys

_PR_SET_PDEATHSIG = 1


def lower(what: int, most: int) -> None:
    """Lower a limit (`resource.RLIMIT_…`) for good, soft and hard alike; one that is lower already stays."""
    _, hard = resource.getrlimit(what)
    limit = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(what, (limit, limit))


def address_space() -> int:
    """Bytes of address space that this process has (Linux)."""
    with open("/proc/self/statm", "rb") as statm:
        return int(statm.read().split()[0]) * resource.getpagesize()


def die_with_parent() -> None:
    """Have the kernel kill this process when the thread that forked it ends (Linux; elsewhere nothing happens)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
