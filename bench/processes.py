"""What the kernel says of processes: who came of whom, their CPU time and their memory."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def below(pid: int) -> list[int]:
    """The processes that came of this one."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in map(int, (task / "children").read_text().split()):
                found += [child, *below(child)]
    return found


def anonymous(pid: int) -> int:
    """Bytes of memory that no file backs; 0 for a process that is gone."""
    return _kilobytes(f"/proc/{pid}/status", "RssAnon:") * 1024


def peak(pid: int) -> int:
    """Bytes of memory at its highest."""
    return _kilobytes(f"/proc/{pid}/status", "VmHWM:") * 1024


def proportional(pid: int) -> int:
    """Bytes of memory; pages that several processes share are divided among them."""
    return _kilobytes(f"/proc/{pid}/smaps_rollup", "Pss:") * 1024


def cpu_seconds(pid: int) -> float:
    """Of all its threads, in ticks of the kernel; 0 for a process that is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _kilobytes(file: str, name: str) -> int:
    try:
        lines = Path(file).read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(name)), 0)
