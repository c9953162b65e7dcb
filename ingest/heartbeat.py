"""How a parser says that it is at work: between two pages that cost seconds each, its limits of time begin anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeAlias

Beat: TypeAlias = Callable[[float], None]


def _unheard(seconds: float) -> None:
    """Outside a worker process nobody waits."""


_BEAT: ContextVar[Beat] = ContextVar("beat", default=_unheard)


def beat(seconds: float) -> None:
    """A part of the file is done, and the next may cost so many seconds of CPU time, or what any file may cost."""
    _BEAT.get()(seconds)


@contextmanager
def hearing(listener: Beat) -> Iterator[None]:
    """Within the block `beat` calls this."""
    token = _BEAT.set(listener)
    try:
        yield
    finally:
        _BEAT.reset(token)
