"""Resource limits that a process sets on itself, and its ties to parent and children."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


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


def outlive_parent() -> None:
    """Take `die_with_parent` back: the thread that forked this process may end, and its own process go on."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, 0, 0, 0, 0)


def adopt_orphans() -> None:
    """Have what the children of this process leave behind become its children, not init's (Linux, if it lists them)."""
    if os.path.exists(_children_file()):
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def children() -> list[int]:
    """The processes that are children of this one's main thread (Linux).

    One may be left out while another ends; to be asked again whenever one has ended.
    """
    try:
        with open(_children_file(), "rb") as listed:
            return list(map(int, listed.read().split()))
    except OSError:  # a kernel that does not list them, or another system
        return []


def _children_file() -> str:
    return f"/proc/self/task/{os.getpid()}/children"
