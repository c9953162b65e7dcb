"""What the host sees of a worker from outside, in `/proc`: that it is confined, whatever it says itself."""

from __future__ import annotations

from collections.abc import Mapping

HELD = "held"
ELSEWHERE = "it runs elsewhere"
WRONG = "not as it says: "
_NO_CAPABILITIES = "0" * 16
_STATUS = {"Seccomp": "2", "NoNewPrivs": "1", "Threads": "1", "CapEff": _NO_CAPABILITIES, "CapPrm": _NO_CAPABILITIES}
_NONE_ALLOWED = ("Max processes", "Max open files", "Max file size", "Max core file size")


def seen(pid: int) -> str:
    """Look at a process: `HELD`, `WRONG` and what is not as it must be, or why it cannot be seen (Linux)."""
    try:
        status = _fields(f"/proc/{pid}/status", ":")
        limits = _limits(pid)
    except OSError as error:
        return f"/proc/{pid} cannot be read: {error.strerror}"
    wrong = [f"{name} is {status.get(name)}" for name, wanted in _STATUS.items() if status.get(name) != wanted]
    wrong += [f"{name} is {limits.get(name)}" for name in _NONE_ALLOWED if limits.get(name) != "0"]
    return WRONG + ", ".join(wrong) if wrong else HELD


def _fields(path: str, separator: str) -> Mapping[str, str]:
    with open(path, encoding="utf-8", errors="replace") as file:
        pairs = (line.partition(separator) for line in file)
        return {name: value.strip() for name, _, value in pairs}


def _limits(pid: int) -> Mapping[str, str]:
    with open(f"/proc/{pid}/limits", encoding="utf-8") as file:
        lines = file.read().splitlines()[1:]
    return {line[:26].strip(): line[26:47].strip() for line in lines}
