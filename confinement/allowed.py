"""The system calls of a process that only computes and talks over the streams that it has: about forty.

Everything else is refused, also what no kernel has yet: opening, sockets, processes, threads, signals, mounts,
`fcntl`, `ioctl`, `prctl`, changed limits. Memory is never executable. Numbers are (x86-64, aarch64).
"""

from __future__ import annotations

from dataclasses import dataclass

EXECUTABLE = 0x4
"""`PROT_EXEC`."""
GIVE_BACK = (4, 8)
"""`MADV_DONTNEED`, `MADV_FREE`: what allocators ask for. Others merge, poison or pin pages."""


@dataclass(frozen=True, slots=True)
class Call:
    """A system call that stays.

    Attributes:
        numbers: its number on x86-64 and on aarch64; None where it does not exist.
        argument: which argument is looked at, if any.
        without: bits that the argument must not have.
        one_of: values that the argument must have one of; empty for any.
    """

    numbers: tuple[int | None, int | None]
    argument: int = 0
    without: int = 0
    one_of: tuple[int, ...] = ()


ALLOWED = {
    "sendto": Call((44, 206)),
    "recvfrom": Call((45, 207)),
    "read": Call((0, 63)),
    "write": Call((1, 64)),
    "readv": Call((19, 65)),
    "writev": Call((20, 66)),
    "setitimer": Call((38, 103)),
    "getitimer": Call((36, 102)),
    "rt_sigreturn": Call((15, 139)),
    "restart_syscall": Call((219, 128)),
    "brk": Call((12, 214)),
    "mmap": Call((9, 222), argument=2, without=EXECUTABLE),
    "mprotect": Call((10, 226), argument=2, without=EXECUTABLE),
    "munmap": Call((11, 215)),
    "mremap": Call((25, 216)),
    "madvise": Call((28, 233), argument=2, one_of=GIVE_BACK),
    "futex": Call((202, 98)),  # a lock that waits for its time-out, or for the alarm
    "clock_gettime": Call((228, 113)),
    "clock_getres": Call((229, 114)),
    "gettimeofday": Call((96, 169)),
    "time": Call((201, None)),
    "getcpu": Call((309, 168)),
    "nanosleep": Call((35, 101)),
    "clock_nanosleep": Call((230, 115)),
    "select": Call((23, None)),  # how older Pythons sleep
    "pselect6": Call((270, 72)),
    "poll": Call((7, None)),
    "ppoll": Call((271, 73)),
    "sched_yield": Call((24, 124)),
    "sched_getaffinity": Call((204, 123)),
    "getrandom": Call((318, 278)),
    "getrusage": Call((98, 165)),
    "times": Call((100, 153)),
    "getpid": Call((39, 172)),
    "gettid": Call((186, 178)),
    "getppid": Call((110, 173)),
    "getuid": Call((102, 174)),
    "geteuid": Call((107, 175)),
    "getgid": Call((104, 176)),
    "getegid": Call((108, 177)),
    "exit": Call((60, 93)),
    "exit_group": Call((231, 94)),
}
"""In the order in which the filter looks for them: the commonest first."""
