"""Calls made at once in threads: so many under way, their results in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any


def in_threads(most: int, calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """The results of calls, in order, at most so many under way at once; what one raises is raised."""
    if not calls:
        return []
    threads = ThreadPoolExecutor(min(len(calls), most), thread_name_prefix="delegate")
    is_interrupted = False
    try:
        return [future.result() for future in [threads.submit(call) for call in calls]]
    except BaseException as error:  # Ctrl-C does not wait for servers; a spent budget waits for what is under way
        is_interrupted = not isinstance(error, Exception)
        raise
    finally:
        threads.shutdown(wait=not is_interrupted, cancel_futures=True)
