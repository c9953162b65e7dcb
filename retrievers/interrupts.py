"""Ctrl-C for commands: heard from the first moment on, held back while modules are imported.

A module that is interrupted in the middle of its import fails in ways nobody foresees: native ones turn the exception
into an `ImportError` that looks like a broken installation, or lose it. So what a signal is to raise waits until the
import in progress has ended, some hundredths of a second. Imports nothing that is slow.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from types import FrameType
from typing import Any, TypeAlias

Handler: TypeAlias = Callable[[int, FrameType | None], Any]

_LOOK_AGAIN_SECONDS = 0.005
_IMPORTING = "<frozen importlib."


def outside_imports(handler: Handler) -> Handler:
    """The handler, called when no import is in progress; a second signal meanwhile ends the process on the spot.

    It waits by the alarm timer of the process (`SIGALRM`).
    """
    is_waiting = False

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal is_waiting
        if is_waiting:
            os._exit(128 + number)
        is_waiting = True
        look(number, frame)

    def look(number: int, frame: FrameType | None) -> None:
        nonlocal is_waiting
        if _is_importing(frame):
            signal.signal(signal.SIGALRM, lambda _, frame: look(number, frame))
            signal.setitimer(signal.ITIMER_REAL, _LOOK_AGAIN_SECONDS)
            return
        is_waiting = False
        handler(number, frame)

    return handle


def stop_listening(*numbers: int) -> None:
    """From here on these signals are ignored, and so is one that waits: an alarm would end Python while it ends."""
    for number in numbers:
        signal.signal(number, signal.SIG_IGN)
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, signal.SIG_IGN)


def leave_when_interrupted(words: str) -> None:
    """Until another handler is set, Ctrl-C says so and ends the process: nothing was begun that had to be tidied up."""

    def leave(number: int, frame: FrameType | None) -> None:
        os.write(2, f"{words}\n".encode())
        os._exit(128 + number)

    signal.signal(signal.SIGINT, leave)


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith(_IMPORTING):
            return True
        frame = frame.f_back
    return False
