"""The filter of the allow-list, run by a small interpreter of BPF, for both architectures."""

from __future__ import annotations

import ctypes
import platform
import struct
import sys
from typing import Any

import pytest

from confinement import allowed, seccomp, syscalls

KILL, EPERM, ENOSYS, ALLOW = 0x80000000, 0x00050001, 0x00050026, 0x7FFF0000


class Captured:
    """Stands for the C library, and keeps the program that is handed to the kernel."""

    def __init__(self) -> None:
        self.steps: list[tuple[int, int, int, int]] = []

    def prctl(self, option: int, mode: int, program: Any, *_: int) -> int:
        assert (option, mode) == (22, 2)  # PR_SET_SECCOMP, SECCOMP_MODE_FILTER
        given = program._obj
        raw = ctypes.string_at(
            ctypes.cast(ctypes.addressof(given) + 8, ctypes.POINTER(ctypes.c_void_p))[0], given.length * 8
        )
        self.steps = [struct.unpack_from("=HBBI", raw, 8 * n) for n in range(given.length)]
        return 0

    def verdict(self, architecture: int, number: int, *arguments: int) -> int:
        data = struct.pack("=IIQ6Q", number, architecture, 0, *(*arguments, 0, 0, 0, 0, 0, 0)[:6])
        value, at = 0, 0
        while True:
            code, true, false, operand = self.steps[at]
            at += 1
            if code == 0x20:
                (value,) = struct.unpack_from("=I", data, operand)
            elif code == 0x06:
                return operand
            else:
                holds = {0x15: value == operand, 0x35: value >= operand, 0x45: bool(value & operand)}[code]
                at += true if holds else false


@pytest.fixture(params=["x86_64", "aarch64"])
def machine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def program(machine: str, monkeypatch: pytest.MonkeyPatch) -> Captured:
    captured = Captured()
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: captured)
    seccomp.allow_only(allowed.ALLOWED)
    return captured


def numbers(machine: str) -> dict[str, int]:
    column = list(syscalls.ARCHITECTURES).index(machine)
    return {name: n for name, call in allowed.ALLOWED.items() if (n := call.numbers[column]) is not None}


def test_what_is_listed_is_allowed_and_every_other_number_is_refused(program: Captured, machine: str) -> None:
    ours = syscalls.ARCHITECTURES[machine]
    listed = numbers(machine)
    assert len(set(listed.values())) == len(listed) >= 35
    for number in range(1_000):
        wanted = ALLOW if number in listed.values() else EPERM
        assert program.verdict(ours, number, 0, 0, 4) == (
            EPERM if number in (listed["mmap"], listed["mprotect"]) else wanted
        )


def test_memory_may_be_had_but_never_executed(program: Captured, machine: str) -> None:
    ours, listed = syscalls.ARCHITECTURES[machine], numbers(machine)
    for name in ("mmap", "mprotect"):
        for protection in range(8):
            wanted = EPERM if protection & 4 else ALLOW
            assert program.verdict(ours, listed[name], 0, 4096, protection) == wanted
    for advice, wanted in ((4, ALLOW), (8, ALLOW), (12, EPERM), (100, EPERM), (0, EPERM)):
        assert program.verdict(ours, listed["madvise"], 0, 4096, advice) == wanted


def test_other_architectures_kill_and_other_tables_of_numbers_do_not_exist(program: Captured, machine: str) -> None:
    assert program.verdict(0x40000003, 3) == KILL  # i386
    assert program.verdict(syscalls.ARCHITECTURES[machine], 0x40000000) == ENOSYS


def test_nothing_that_opens_starts_signals_or_connects_is_listed(machine: str) -> None:
    refused = {*syscalls.REFUSED, *syscalls.MISSING, *syscalls.PROCESSES, *syscalls.OPENING, "clone", "prlimit64"}
    assert not refused & set(allowed.ALLOWED)
    known = {name: n for name, n in syscalls.numbers(machine).items() if name in refused}
    assert not set(known.values()) & set(numbers(machine).values())
