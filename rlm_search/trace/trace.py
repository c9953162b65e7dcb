"""Collects the events of a run, stamps them with their place and time, and passes them on to listeners."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Sequence
from typing import TypeAlias

import msgspec

from rlm_search.trace.events import AnyEvent

Listener: TypeAlias = Callable[[AnyEvent], None]
"""Is given every event, stamped, in order and one at a time. It must be quick and must not raise."""


def new_run_id(clock: Callable[[], float] = time.time) -> str:
    """A readable id that sorts by time: `20261121-063105-4f2a9c`."""
    return f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime(clock()))}-{uuid.uuid4().hex[:6]}"


class _Sink:
    """What a run and its sub-runs write to together: one order, one list, one set of listeners."""

    def __init__(self, listeners: Sequence[Listener], clock: Callable[[], float]) -> None:
        self.listeners = tuple(listeners)
        self.clock = clock
        self.events: list[AnyEvent] = []
        self.lock = threading.RLock()  # re-entrant: a listener may emit


class Trace:
    """The events of one run. Safe to use from several threads; sub-runs write to the same sink through `child`.

    Attributes:
        run_id: the run that events are stamped with.
        parent: the run that this is a sub-run of, or "".
        depth: 0 for the run that was asked for, 1 for its sub-runs, and so on.
        step: stamped on events that name no step of their own; the loop sets it.
    """

    def __init__(
        self, run_id: str = "", *, listeners: Sequence[Listener] = (), clock: Callable[[], float] = time.time
    ) -> None:
        self.run_id = run_id or new_run_id(clock)
        self.parent = ""
        self.depth = 0
        self.step = 0
        self._sink = _Sink(listeners, clock)

    @property
    def events(self) -> tuple[AnyEvent, ...]:
        """Everything recorded so far, sub-runs included, in order."""
        with self._sink.lock:
            return tuple(self._sink.events)

    def emit(self, event: AnyEvent) -> AnyEvent:
        """Stamp an event, keep it, and pass it to the listeners; the stamped one is returned."""
        sink = self._sink
        with sink.lock:
            stamped = msgspec.structs.replace(
                event,
                run_id=self.run_id,
                parent=self.parent,
                depth=self.depth,
                step=event.step or self.step,
                seq=len(sink.events) + 1,
                at=sink.clock(),
            )
            sink.events.append(stamped)
            for listener in sink.listeners:
                listener(stamped)
        return stamped

    def child(self, run_id: str = "") -> Trace:
        """The trace of a sub-run: one deeper, same sink."""
        child = Trace.__new__(Trace)
        child.run_id = run_id or new_run_id(self._sink.clock)
        child.parent, child.depth, child.step = self.run_id, self.depth + 1, 0
        child._sink = self._sink
        return child
