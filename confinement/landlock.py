"""Landlock: from now on this process, and all that come from it, reach only the named files.

What is open already stays open. The kernel's header is `linux/landlock.h`; the numbers of the three system calls are
the same on every architecture.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from collections.abc import Iterable

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_ASK_VERSION = 1
_PATH_BENEATH = 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = (1 << bit for bit in range(4))
_CHANGE = sum(1 << bit for bit in range(4, 13))  # make and remove whatever has a name
_REFER, _TRUNCATE, _IOCTL_DEVICE = 1 << 13, 1 << 14, 1 << 15
_NETWORK = 0b11  # bind and connect TCP
_SCOPES = 0b11  # abstract unix sockets, signals

_READ = _READ_FILE | _READ_DIR
_WRITE = _READ | _WRITE_FILE | _CHANGE | _REFER | _TRUNCATE
_OF_A_FILE = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEVICE

TRUNCATION_SINCE = 3
"""The version that keeps files that may not be written from being emptied; `seccomp` does it before."""
SIGNALS_SINCE = 6
"""The version that keeps signals inside; `seccomp` does it before."""


def version() -> int:
    """What the kernel offers; 0 is none."""
    offered: int = _libc().syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _ASK_VERSION)
    return max(offered, 0)


def restrict(read: Iterable[str], write: Iterable[str], execute: Iterable[str]) -> None:
    """Leave this process only these files, and what lies below these folders. A path that is missing is left out.

    Raises:
        OSError: the kernel has no Landlock, or `no_new_privs` is not set.
    """
    offered = version()
    if not offered:
        raise OSError("the kernel offers no Landlock")
    handled = _handled(offered)
    attributes = struct.pack("=QQQ", handled, _NETWORK if offered >= 4 else 0, _SCOPES if offered >= 6 else 0)
    size = 24 if offered >= 6 else 16 if offered >= 4 else 8  # longer ones are refused by older kernels
    ruleset = _call(_CREATE_RULESET, attributes, ctypes.c_size_t(size), 0)
    try:
        for paths, rights in ((read, _READ), (write, _WRITE), (execute, _EXECUTE | _READ_FILE)):
            for path in paths:
                _allow(ruleset, path, rights & handled)
        _call(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _handled(offered: int) -> int:
    rights = _EXECUTE | _WRITE_FILE | _READ | _CHANGE
    rights |= _REFER if offered >= 2 else 0
    rights |= _TRUNCATE if offered >= 3 else 0
    return rights | (_IOCTL_DEVICE if offered >= 5 else 0)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(place).st_mode):
            rights &= _OF_A_FILE
        _call(_ADD_RULE, ruleset, _PATH_BENEATH, struct.pack("=Qi", rights, place), 0)
    finally:
        os.close(place)


def _call(number: int, *arguments: object) -> int:
    result: int = _libc().syscall(number, *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), f"landlock: {os.strerror(ctypes.get_errno())}")
    return result


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
