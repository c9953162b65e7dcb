"""Which sandbox this machine gives: a confined process where the kernel knows how, else monty where it is installed."""

from __future__ import annotations

import importlib.util
import logging
import platform
import sys
from typing import Literal

_LOG = logging.getLogger(__name__)
_MACHINES = ("x86_64", "aarch64")


def chosen() -> Literal["confined", "monty"]:
    """What `auto` stands for here. Where there is neither, it is `confined`, which refuses and says what to do."""
    if can_confine() or importlib.util.find_spec("pydantic_monty") is None:
        return "confined"
    _LOG.info("this system cannot confine a process: monty runs the model's code, which is a part of Python")
    return "monty"


def can_confine() -> bool:
    """Whether the kernel knows the filter that the confined process needs; that it holds is proven at each start."""
    if sys.platform != "linux" or platform.machine() not in _MACHINES:
        return False
    try:
        with open("/proc/self/status", encoding="utf-8", errors="replace") as status:
            return any(line.startswith("Seccomp:") for line in status)
    except OSError:
        return True  # it is tried
