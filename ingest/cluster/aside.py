"""An iterator that is driven in a thread of its own, so that whoever asks it can leave without waiting for it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

_AHEAD = 2
_TICK_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class _End(Generic[T]):
    """There is nothing more, or nothing more but this error."""

    error: BaseException | None = None


def aside(make: Callable[[], Generator[T]], stopped: threading.Event) -> Iterator[T]:
    """What `make` gives, at most two ahead; ends within a tenth of a second when `stopped` is set.

    Raises:
        BaseException: what the iterator raised.
    """
    made: queue.Queue[T | _End[T]] = queue.Queue(_AHEAD)

    def put(item: T | _End[T]) -> None:
        while not stopped.is_set():
            with suppress(queue.Full):
                made.put(item, timeout=_TICK_SECONDS)
                return

    def drive() -> None:
        try:
            items = make()
            for item in items:
                put(item)
                if stopped.is_set():
                    items.close()
                    return
            put(_End())
        except BaseException as error:  # noqa: BLE001 - fate: raised again where the items are asked for
            put(_End(error))

    threading.Thread(target=drive, name="aside", daemon=True).start()
    while not stopped.is_set():
        with suppress(queue.Empty):
            item = made.get(timeout=_TICK_SECONDS)
            if not isinstance(item, _End):
                yield item
            elif item.error is not None:
                raise item.error
            else:
                return
