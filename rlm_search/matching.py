"""Regular expressions of a model's making, matched in a process of their own: one that never ends is killed.

The process is plain Python without our packages (15 ms to start), with limits of time and memory; it gets texts by a
pipe and gives spans back. Python's `re` cannot be stopped from inside: `(a+)+b` on a line of a would hold the host.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Sequence
from types import TracebackType

MAX_PATTERN_CHARACTERS = 1_000
MEMORY_MB = 1_024

_PROGRAM = """
import json, re, struct, sys
try:
    import resource
    limit = MEMORY << 20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
except (ImportError, ValueError, OSError):
    pass
read, write = sys.stdin.buffer.read, sys.stdout.buffer.write
def say(value):
    write(json.dumps(value).encode() + b"\\n"); sys.stdout.buffer.flush()
def take():
    head = read(8)
    return None if len(head) < 8 else read(struct.unpack("<Q", head)[0]).decode("utf-8", "surrogatepass")
asked = json.loads(take())
try:
    patterns = [re.compile(p, asked["flags"]) for p in asked["patterns"]]
    say("")
except Exception as error:
    say(f"{type(error).__name__}: {error}"[:300]); sys.exit()
while True:
    text = take()
    if text is None:
        break
    found = []
    for pattern in patterns:
        spans = []
        for match in pattern.finditer(text):
            spans.append(match.span())
            if len(spans) >= asked["most"]:
                break
        found.append(spans)
    say(found)
"""


class BadPattern(ValueError):
    """A pattern that is none; the message says why."""


class TooSlow(TimeoutError):
    """Matching took longer than it may, or more memory: the process was ended."""


Spans = list[tuple[int, int]]


class Matcher:
    """Matches patterns in texts; use as a context manager.

    Args:
        patterns: Python's regular expressions.
        flags: of `re`.
        most: matches of one pattern in one text, at most.
        seconds: wall clock of compiling, and of each text; long texts get a second more for each million characters.

    Raises:
        BadPattern: a pattern cannot be compiled, or is too long.
        TooSlow: compiling takes too long.
    """

    def __init__(self, patterns: Sequence[str], *, flags: int = 0, most: int = 1_000, seconds: float = 5.0) -> None:
        if any(len(pattern) > MAX_PATTERN_CHARACTERS for pattern in patterns):
            raise BadPattern(f"a pattern has at most {MAX_PATTERN_CHARACTERS:,} characters")
        self._seconds = seconds
        program = _PROGRAM.replace("MEMORY", str(MEMORY_MB)).replace("SECONDS", "3600")
        self._process = subprocess.Popen(  # noqa: S603 -- our own program; what the model gives travels by the pipe
            [sys.executable, "-I", "-S", "-E", "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={},
        )
        try:
            wrong = self._exchange(json.dumps({"patterns": list(patterns), "flags": int(flags), "most": most}))
            if wrong:
                raise BadPattern(wrong)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Matcher:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def spans(self, text: str) -> list[Spans]:
        """Where each pattern matches, in order, not overlapping.

        Raises:
            TooSlow: it did not end in time; this matcher is of no use any more.
        """
        return [[(start, end) for start, end in spans] for spans in self._exchange(text)]

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:
                    continue
        self._process.wait()

    def _exchange(self, text: str) -> list[list[tuple[int, int]]]:
        pipes = self._process.stdin, self._process.stdout
        assert pipes[0] is not None
        assert pipes[1] is not None
        data = text.encode("utf-8", "surrogatepass")
        try:
            pipes[0].write(len(data).to_bytes(8, "little") + data)
            pipes[0].flush()
            line = self._line(pipes[1].fileno(), self._seconds + len(data) / 1_000_000)
        except BrokenPipeError:
            line = b""
        if not line:
            raise TooSlow("the matching took too much memory")
        found: list[list[tuple[int, int]]] = json.loads(line)
        return found

    def _line(self, number: int, seconds: float) -> bytes:
        """One line of the process's, waited for no longer than may be."""
        ends, parts, waiting = time.monotonic() + seconds, b"", select.poll()
        waiting.register(number, select.POLLIN)
        while not parts.endswith(b"\n"):
            if not waiting.poll(max(ends - time.monotonic(), 0) * 1000):
                raise TooSlow(f"the matching took more than {seconds:.0f} seconds")
            if not (more := os.read(number, 1 << 20)):
                return b""
            parts += more
        return parts
