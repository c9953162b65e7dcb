"""Threads, pools and event loops for a process that can have no second thread and no descriptor: all run inline.

`ThreadPoolExecutor().map(f, items)`, `Thread(target=f).start()` and `asyncio.gather(…)` are what models write. Here
they give the same results, one after the other. What is fast in parallel is a batch function of the host.
"""

from __future__ import annotations

import _thread
import asyncio
import concurrent.futures.thread
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NoReturn


class InlineExecutor(concurrent.futures.Executor):
    """An executor that has run the function when `submit` returns."""

    def __init__(self, max_workers: int | None = None, *_: Any, **__: Any) -> None:
        self._max_workers = max_workers or 1

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> concurrent.futures.Future[Any]:
        """Call it now; the future holds its result or what it raised."""
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        future.set_running_or_notify_cancel()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001  # told to the model, by the future
            future.set_exception(error)
        return future

    def map(
        self, fn: Callable[..., Any], *iterables: Iterable[Any], timeout: float | None = None, chunksize: int = 1
    ) -> Iterator[Any]:
        """Results in order."""
        futures = [self.submit(fn, *args) for args in zip(*iterables, strict=False)]
        return (future.result() for future in futures)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Nothing is running."""


def _start(self: threading.Thread) -> None:
    state = vars(self)
    if state.get("_ran"):
        raise RuntimeError("threads can only be started once")
    state["_ran"] = True
    try:
        self.run()
    except SystemExit:
        return
    except Exception as error:  # noqa: BLE001  # told to the model, as a thread would
        traceback.print_exception(error)


def _join(self: threading.Thread, timeout: float | None = None) -> None:
    if not vars(self).get("_ran"):
        raise RuntimeError("cannot join thread before it is started")


def _refuse(*_: Any, **__: Any) -> NoReturn:
    raise RuntimeError("no second thread can run in this sandbox")


class _Sleeps:
    """What an event loop asks for input; there is none, so it only waits."""

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("the event loop waits for something that nothing here can bring about")
        if timeout > 0:
            time.sleep(timeout)
        return []

    def close(self) -> None:
        """Nothing to close."""


class InlineLoop(asyncio.BaseEventLoop):
    """An event loop without descriptors: timers and tasks only; functions for an executor run inline."""

    def __init__(self) -> None:
        super().__init__()
        self._selector = _Sleeps()
        self._default_executor = InlineExecutor()

    def _process_events(self, event_list: list[Any]) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """No other thread could have called."""

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """It has nothing running."""


class InlinePolicy(asyncio.DefaultEventLoopPolicy):
    """Makes `InlineLoop`s."""

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        """One of ours."""
        return InlineLoop()


def install() -> None:
    """Put the shims in place, for this whole process."""
    for name in ("ThreadPoolExecutor", "ProcessPoolExecutor"):
        setattr(concurrent.futures, name, InlineExecutor)
    concurrent.futures.thread.ThreadPoolExecutor = InlineExecutor  # type: ignore[misc,assignment]  # the point of a shim
    thread: Any = threading.Thread
    thread.start, thread.join, thread.is_alive = _start, _join, lambda self: False
    for module, name in ((_thread, "start_new_thread"), (_thread, "start_joinable_thread")):
        if hasattr(module, name):
            setattr(module, name, _refuse)
    for name in ("_start_new_thread", "_start_joinable_thread"):
        if hasattr(threading, name):
            setattr(threading, name, _refuse)
    asyncio.set_event_loop_policy(InlinePolicy())
