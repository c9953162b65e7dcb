"""The pool's end of the nursery: starts it, asks it for workers, and hears how they ended."""

from __future__ import annotations

import json
import resource
import socket
import subprocess
import sys
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO

from ingest import wire
from ingest.errors import IngestError
from ingest.nursery import BORN, FORK, KILL, News, Plan, receive_news, send_order, send_plan
from ingest.settings import worker_environment
from ingest.types import FailureKind, SourceFile

_BOOT = (
    "import sys, json; sys.path[:] = json.loads(sys.argv[2]); "
    "from confinement import die_with_parent; die_with_parent(); "  # first: on a busy machine the rest takes a while
    "from ingest.nursery import main; main(int(sys.argv[1]))"
)
_BUFFER_BYTES = 1 << 20
_GRACE_SECONDS = 5.0


@dataclass(slots=True, kw_only=True, eq=False)
class Worker:
    """A worker as the pool sees it.

    Attributes:
        orders: the file in hand and those waiting behind it.
        taken: how many files it has been given.
        deadline: on the pool's clock, for the file in hand.
        baseline_bytes: resident memory that it was born with.
        doom: why the pool has killed it.
        place: the file inside the file in hand that it reads.
        has_begun: part of what the file in hand holds was handed out.
        excused: it said what failed and ends by itself, so the next file is not to blame.
    """

    pid: int
    connection: socket.socket
    receiver: wire.Receiver
    baseline_bytes: int
    orders: deque[SourceFile] = field(default_factory=deque)
    taken: int = 0
    deadline: float = 0.0
    doom: FailureKind | None = None
    has_begun: bool = False
    excused: bool = False
    place: wire.Place | None = None

    def ordered_bytes(self) -> int:
        """Size of the files that it holds."""
        return sum(file.size for file in self.orders)

    def resident_bytes(self) -> int:
        """Resident memory now; 0 where the system does not tell."""
        try:
            with open(f"/proc/{self.pid}/statm", "rb") as statm:
                return int(statm.read().split()[1]) * resource.getpagesize()
        except (OSError, IndexError):
            return 0


class Forker:
    """Starts the nursery with the first worker, and ends it."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._process: subprocess.Popen[bytes] | None = None
        self._unheard: deque[News] = deque()
        self._alive: set[int] = set()
        self.control: socket.socket | None = None

    def fork(self) -> Worker:
        """A new worker.

        Raises:
            IngestError: this machine starts none.
        """
        if self.control is None:
            self.control = self._start()
        ours, theirs = socket.socketpair()
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
        with theirs, suppress(OSError):  # a nursery that died is heard of below
            send_order(self.control, FORK, fds=(theirs.fileno(),))
        while (news := receive_news(self.control)) is not None and news.what != BORN:
            self._unheard.append(news)
        if news is None:
            ours.close()
            raise self._stillborn()
        self._alive.add(news.pid)
        ours.setblocking(False)
        worker = Worker(pid=news.pid, connection=ours, receiver=wire.Receiver(ours), baseline_bytes=0)
        worker.baseline_bytes = worker.resident_bytes()
        return worker

    def kill(self, worker: Worker) -> None:
        """End a worker at once, if it has not ended."""
        with suppress(OSError):
            if self.control is not None:
                send_order(self.control, KILL, worker.pid)

    def hear(self) -> News | None:
        """The next worker that has ended, waiting for it; None when the nursery is gone."""
        news = self._unheard.popleft() if self._unheard else None
        if news is None and self.control is not None:
            news = receive_news(self.control)
        if news is not None:
            self._alive.discard(news.pid)
        return news

    def has_news(self) -> bool:
        """Whether news came in while another answer was waited for."""
        return bool(self._unheard)

    def close(self) -> None:
        """End the nursery, and with it every worker that has not ended after a moment of grace."""
        if self.control is not None:
            self.control.settimeout(_GRACE_SECONDS)
            with suppress(TimeoutError):
                while self._alive and self.hear() is not None:
                    pass
            self.control.close()
            self.control = None
        if self._process is not None:
            self._process.wait()
            _stderr_of(self._process).close()
            self._process = None
        self._unheard.clear()
        self._alive.clear()

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        safe = ["-P"] if sys.flags.safe_path else []  # then the first folder of modules is one like the others
        command = [sys.executable, *safe, "-c", _BOOT, str(theirs.fileno()), json.dumps(sys.path)]
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter, with our own code
                command,
                env=worker_environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=(theirs.fileno(),),
                process_group=0,  # Ctrl-C in the terminal is for the parent alone
            )
        with suppress(OSError):  # a nursery that died is heard of when it is asked for a worker
            send_plan(ours, self._plan)
        return ours

    def _stillborn(self) -> IngestError:
        said = ""
        if self._process is not None:
            self._process.kill()
            said = _stderr_of(self._process).read().decode(errors="replace").strip()
        self.close()
        cause = said.splitlines()[-1] if said else "it ended without a word"
        hint = "" if said else "check memory and process limits"
        return IngestError(f"the worker processes do not start: {cause}", hint=hint)


def _stderr_of(process: subprocess.Popen[bytes]) -> IO[bytes]:
    assert process.stderr is not None
    return process.stderr
