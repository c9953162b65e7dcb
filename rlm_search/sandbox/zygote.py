"""A process that has loaded what workers need, and becomes one by forking: what takes 100 ms once takes 5 then.

It never runs a line of the model's code, has one thread, no environment, and one socket, over which the host hands it
the descriptors of each new worker. It ends with the host, and its workers with it.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
from collections.abc import Callable
from typing import NoReturn


def attend(control: int, serve: Callable[[int, int, int], NoReturn]) -> NoReturn:  # pragma: no cover
    """Fork a worker for each pair of descriptors (stream, lifeline) that comes, until the host has gone."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody has to wait for workers that have ended
    own = os.getpid()
    gc.collect()
    gc.freeze()  # what is loaded stays as it is, and its pages shared
    with socket.socket(fileno=control) as requests:
        while True:
            word, descriptors, _, _ = socket.recv_fds(requests, 1, 2)
            if not word:
                os._exit(0)
            try:
                if len(descriptors) == 2 and os.fork() == 0:
                    requests.close()
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    serve(descriptors[0], descriptors[1], own)
            except OSError:  # no more processes: the host sees the stream end
                pass
            for descriptor in descriptors:
                os.close(descriptor)
