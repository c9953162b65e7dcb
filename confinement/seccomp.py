"""seccomp: a filter in the kernel refuses the system calls that a process does not need.

For readers of files a list of what is refused (`refuse`): native libraries differ in what they call, and files are kept
by Landlock. For a process that only computes a list of what is allowed (`allow_only`). The program is classic BPF, made
here: it is a table, two jumps and three words of return.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from confinement import allowed, syscalls

_PR_SET_SECCOMP, _FILTER = 22, 2
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _AND, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_NUMBER, _ARCHITECTURE, _ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data; an argument has 8 bytes
_KILL, _REFUSE, _ALLOW = 0x80000000, 0x00050000, 0x7FFF0000
_X32 = 0x40000000  # numbers from here on are the same calls once more, on x86-64
_NAMESPACES = 0x7E020000  # the flags of clone
_THREAD = 0x00010000


@dataclass(frozen=True, slots=True)
class _Instruction:
    code: int
    value: int
    if_true: int = 0
    if_false: int = 0

    def pack(self) -> bytes:
        return struct.pack("=HBBI", self.code, self.if_true, self.if_false, self.value)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def refuse(*, fork: bool, signal_others: bool) -> None:
    """Refuse from now on, in this process and all that come from it, what `syscalls` lists.

    Args:
        fork: processes may be forked and programs executed; threads always may.
        signal_others: signals may be sent to other processes than this one.

    Raises:
        OSError: this system or this architecture has no seccomp, or `no_new_privs` is not set.
    """
    _apply(_filter(_machine(), fork=fork, signal_others=signal_others))


def allow_only(calls: Mapping[str, allowed.Call]) -> None:
    """Refuse from now on, in this process, every system call but these.

    Raises:
        OSError: this system or this architecture has no seccomp, or `no_new_privs` is not set.
    """
    column = list(syscalls.ARCHITECTURES).index(_machine())
    steps = _start(_machine())
    for call in calls.values():
        number = call.numbers[column]
        if number is not None:
            steps += _if_it_is(number, _allowed(call))
    _apply([*steps, _Instruction(_RETURN, _REFUSE | errno.EPERM)])


def _machine() -> str:
    machine = platform.machine()
    if sys.platform != "linux" or machine not in syscalls.ARCHITECTURES:
        raise OSError(f"no filter of system calls is known for {sys.platform} on {machine}")
    return machine


def _apply(steps: list[_Instruction]) -> None:
    packed = b"".join(step.pack() for step in steps)
    program = _Program(len(packed) // 8, packed)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_SECCOMP, _FILTER, ctypes.byref(program), 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"seccomp: {os.strerror(ctypes.get_errno())}")


def _start(machine: str) -> list[_Instruction]:
    return [
        _Instruction(_LOAD, _ARCHITECTURE),
        _Instruction(_EQUAL, syscalls.ARCHITECTURES[machine], 1, 0),
        _Instruction(_RETURN, _KILL),  # another architecture's numbers would mean other calls
        _Instruction(_LOAD, _NUMBER),
        _Instruction(_AT_LEAST, _X32, 0, 1),
        _Instruction(_RETURN, _REFUSE | errno.ENOSYS),
    ]


def _allowed(call: allowed.Call) -> list[_Instruction]:
    """Allow it, or look at its argument first, of which the kernel reads the lower 32 bits alone."""
    verdict = [_Instruction(_RETURN, _ALLOW)]
    if not call.without and not call.one_of:
        return verdict
    steps = [_Instruction(_LOAD, _ARGUMENT + 8 * call.argument)]
    if call.without:
        steps.append(_Instruction(_ANY_BIT, call.without, 0, 1))
    left = len(call.one_of)
    for position, value in enumerate(call.one_of):
        steps.append(_Instruction(_EQUAL, value, left - position, 0))
    return [*steps, _Instruction(_RETURN, _REFUSE | errno.EPERM), *verdict]


def _filter(machine: str, *, fork: bool, signal_others: bool) -> list[_Instruction]:
    numbers = syscalls.numbers(machine)
    refused = [numbers[name] for name in syscalls.REFUSED if name in numbers]
    if not fork:
        refused += [numbers[name] for name in syscalls.PROCESSES if name in numbers]
    steps = _start(machine)
    for number in refused:
        steps += _if_it_is(number, [_Instruction(_RETURN, _REFUSE | errno.EPERM)])
    for name in syscalls.MISSING:  # who is told that a call does not exist falls back to an older one
        steps += _if_it_is(numbers[name], [_Instruction(_RETURN, _REFUSE | errno.ENOSYS)])
    steps += _if_it_is(numbers["clone"], _clone(fork=fork))
    steps += _if_it_is(numbers["prlimit64"], _only_for(0))
    for name, flags in syscalls.OPENING.items():
        if name in numbers:
            steps += _if_it_is(numbers[name], _emptied_only_to_write(flags))
    if not signal_others:
        for name in ("kill", "tkill", "tgkill"):
            steps += _if_it_is(numbers[name], _only_for(os.getpid()))
    return [*steps, _Instruction(_RETURN, _ALLOW)]


def _if_it_is(number: int, then: list[_Instruction]) -> list[_Instruction]:
    return [_Instruction(_EQUAL, number, 0, len(then)), *then]


def _clone(*, fork: bool) -> list[_Instruction]:
    return [
        _Instruction(_LOAD, _ARGUMENT),
        _Instruction(_ANY_BIT, _NAMESPACES, 2, 0),
        _Instruction(_ANY_BIT, _THREAD, 0, 0 if fork else 1),
        _Instruction(_RETURN, _ALLOW),
        _Instruction(_RETURN, _REFUSE | errno.EPERM),
    ]


def _only_for(pid: int) -> list[_Instruction]:
    return [
        _Instruction(_LOAD, _ARGUMENT),
        _Instruction(_EQUAL, pid, 1, 0),
        _Instruction(_RETURN, _REFUSE | errno.EPERM),
        _Instruction(_RETURN, _ALLOW),
    ]


def _emptied_only_to_write(argument: int) -> list[_Instruction]:
    """O_TRUNC empties a file that is not opened to write, too, which Landlock allows before its version 3."""
    return [
        _Instruction(_LOAD, _ARGUMENT + 8 * argument),
        _Instruction(_ANY_BIT, os.O_TRUNC, 0, 4),
        _Instruction(_AND, os.O_ACCMODE),
        _Instruction(_EQUAL, os.O_WRONLY, 2, 0),
        _Instruction(_EQUAL, os.O_RDWR, 1, 0),
        _Instruction(_RETURN, _REFUSE | errno.EPERM),
        _Instruction(_RETURN, _ALLOW),
    ]
