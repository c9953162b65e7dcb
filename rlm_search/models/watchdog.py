"""A limit on how long a blocking read from a socket may take, that can be moved while it waits."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import Self


class Watchdog:
    """Shut a socket down when its time is up, so that whoever reads from it stops at once.

    The time-outs of an HTTP library hold between two reads; a server that sends a byte now and then outlasts them,
    and so does a pause that begins just before the end. Use as a context manager around the reading.

    Attributes:
        expired: whether it had to act: the read has then failed, or seems to have come to its end.
    """

    def __init__(self, connection: socket.socket | None, seconds: float) -> None:
        self.expired = False
        self._connection = connection
        self._due = time.monotonic() + seconds
        self._done = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._watch, name="model-watchdog", daemon=True)

    def allow(self, seconds: float) -> None:
        """From now on, this much time."""
        with self._changed:
            due = time.monotonic() + seconds
            sooner = due < self._due
            self._due = due
            if sooner:
                self._changed.notify()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        with self._changed:
            self._done = True
            self._changed.notify()
        self._thread.join()

    def _watch(self) -> None:
        with self._changed:
            while not self._done:
                left = self._due - time.monotonic()
                if left <= 0:
                    self.expired = True
                    self._shut()
                    return
                self._changed.wait(left)

    def _shut(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(OSError):
                # below TLS: its own shutdown would race with the thread that reads
                socket.socket.shutdown(self._connection, socket.SHUT_RDWR)
