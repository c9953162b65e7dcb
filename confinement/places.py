"""What a confined Python process and the programs that it starts need to read and to execute."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from glob import glob

_SYSTEM = (
    "/lib",
    "/lib32",
    "/lib64",
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/libexec",
    "/usr/share",
    "/usr/local/lib",
    "/usr/local/share",
    "/nix/store",
    "/etc/ld.so.cache",
    "/etc/alternatives",
    "/etc/localtime",
    "/etc/mime.types",
    "/etc/fonts",
    "/dev/null",
    "/dev/zero",
    "/dev/random",
    "/dev/urandom",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/sys/devices/system/cpu",
)
_LOADER = re.compile(rb"/[!-~]{1,200}/ld-[!-~]{1,60}\.so[.0-9]*\0")
_HEAD = 4096
_OURS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def libraries() -> tuple[str, ...]:
    """Where modules, shared libraries, time zones and fonts are read from, also by what is imported later.

    But not all below the folder in which the program was started (`python -m`) or its script lies, which Python puts
    first: that is a user's, and may hold anything.
    """
    given = sys.path if sys.flags.safe_path else sys.path[1:]
    modules = (entry for entry in (*given, _OURS) if os.path.isabs(entry) and os.path.basename(entry) != "bin")
    prefixes = {sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix}
    own = (os.path.join(prefix, folder) for prefix in sorted(prefixes) for folder in ("lib", "lib64", "share"))
    return (*_SYSTEM, *dict.fromkeys((*modules, *own)))


def interpreters(programs: Iterable[str]) -> tuple[str, ...]:
    """What the kernel executes for these programs besides themselves: their loader, or what their first line names."""
    found: dict[str, None] = {}
    for program in programs:
        found |= dict.fromkeys(_interpreters(program))
    return tuple(found)


def _interpreters(program: str, depth: int = 3) -> list[str]:
    try:
        with open(program, "rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return []
    if head[:2] == b"#!" and depth:
        words = head[2:].split(b"\n")[0].split()
        shell = os.fsdecode(words[0]) if words else ""
        return [shell, *_interpreters(shell, depth - 1)]
    loader = _LOADER.search(head)
    return [os.fsdecode(loader[0][:-1])] if loader else glob("/lib*/ld-*.so*")
