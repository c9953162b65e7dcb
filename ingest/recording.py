"""A run told to machines: JSON lines as it goes on, a log file, and metrics for Prometheus."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import msgspec

from ingest.progress import Progress, failure_line, line
from ingest.report import Tally
from ingest.snapshot import Snapshot, snapshot
from ingest.types import Failure

_EVENT_SECONDS = 1.0
_LOG_SECONDS = 10.0
_METRICS_SECONDS = 5.0
_METRICS: Sequence[tuple[str, str, str]] = (
    ("files", "files that need no more reading in this run", "gauge"),
    ("found", "files found so far", "gauge"),
    ("documents", "documents read in this run", "gauge"),
    ("pages", "pages read in this run", "gauge"),
    ("chunks", "chunks made in this run", "gauge"),
    ("vectors", "chunks embedded in this run", "gauge"),
    ("vectors_expected", "chunks to be embedded in this run", "gauge"),
    ("bytes", "bytes of the files read in this run", "gauge"),
    ("waiting", "outcomes of workers that wait to be written", "gauge"),
    ("seconds", "seconds since the run began", "gauge"),
    ("eta_seconds", "seconds until the end of the run, as far as can be told", "gauge"),
)


class Several:
    """Shows a run in several ways."""

    def __init__(self, *watchers: Progress) -> None:
        self._watchers = watchers

    def show(self, tally: Tally) -> None:
        """To all of them."""
        for watcher in self._watchers:
            watcher.show(tally)

    def failed(self, failure: Failure) -> None:
        """To all of them."""
        for watcher in self._watchers:
            watcher.failed(failure)

    def close(self) -> None:
        """All of them."""
        for watcher in self._watchers:
            watcher.close()


class _Lines:
    """Lines that are written out at once. An error names the file, which the system's does not, and is raised once."""

    def __init__(self, path: Path | None, mode: str = "w") -> None:
        self._name = str(path or "stdout")
        self._is_own = path is not None
        self._stream: IO[str] | None = path.open(mode, encoding="utf-8") if path else sys.stdout

    def write(self, text: str) -> None:
        if self._stream is None:
            return
        try:
            with naming(self._name):
                self._stream.write(text + "\n")
                self._stream.flush()
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        if self._is_own and self._stream is not None:
            with suppress(OSError):  # all was written, or cannot be
                self._stream.close()
        self._stream = None


class Events:
    """JSON lines: `started`, `progress` every second, `failed` for each file, `ended`; each with the time, `at`.

    Args:
        path: a file that is written anew; None is stdout.
    """

    def __init__(self, path: Path | None) -> None:
        self._lines = _Lines(path)
        self._next = time.monotonic() + _EVENT_SECONDS
        self._last: Tally | None = None
        self._write("started", {})

    def show(self, tally: Tally) -> None:
        """Write an event if the last one is old enough."""
        self._last = tally
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + _EVENT_SECONDS
            self._write("progress", msgspec.to_builtins(snapshot(tally)))

    def failed(self, failure: Failure) -> None:
        """Name the file."""
        about = {"source": failure.source, "kind": failure.kind, "stage": failure.stage, "message": failure.message}
        self._write("failed", about)

    def close(self) -> None:
        """Say how it was when it ended."""
        self._write("ended", msgspec.to_builtins(snapshot(self._last)) if self._last else {})
        self._lines.close()

    def _write(self, event: str, about: Mapping[str, object]) -> None:
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._lines.write(msgspec.json.encode({"event": event, "at": at, **about}).decode())


class Log:
    """A log file: a line with the time when the run begins and ends, every ten seconds, and for each failure."""

    def __init__(self, path: Path) -> None:
        self._lines = _Lines(path, "a")
        self._next = time.monotonic() + _LOG_SECONDS
        self._last: Tally | None = None
        self._write(f"ingest begins, process {os.getpid()}")

    def show(self, tally: Tally) -> None:
        """Write a line if the last one is old enough."""
        self._last = tally
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + _LOG_SECONDS
            self._write(line(tally))

    def failed(self, failure: Failure) -> None:
        """Name the file."""
        self._write(failure_line(failure))

    def close(self) -> None:
        """Say how it was when it ended."""
        self._write(f"ingest ends, {line(self._last)}" if self._last else "ingest ends")
        self._lines.close()

    def _write(self, text: str) -> None:
        self._lines.write(f"{datetime.now(UTC).isoformat(timespec='seconds')} {text}")


class Metrics:
    """A text file for the textfile collector of Prometheus' node exporter, written whole or not at all."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._next = 0.0
        self._last: Tally | None = None

    def show(self, tally: Tally) -> None:
        """Write if the last one is old enough."""
        self._last = tally
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + _METRICS_SECONDS
            self._write(snapshot(tally), is_running=True)

    def failed(self, failure: Failure) -> None:
        """Counted with the next writing."""

    def close(self) -> None:
        """Write how it was when it ended."""
        self._write(snapshot(self._last) if self._last else Snapshot(), is_running=False)

    def _write(self, now: Snapshot, *, is_running: bool) -> None:
        new = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        with suppress(OSError):  # a full disk costs metrics, and not the run
            new.write_text(prometheus(now, is_running=is_running), encoding="utf-8")
            new.replace(self._path)


@contextmanager
def naming(name: Path | str) -> Iterator[None]:
    """Within it, an error of the system says which file it concerns; that of a write does not."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(name)) from error


def prometheus(now: Snapshot, *, is_running: bool) -> str:
    """A moment of a run in the text format of Prometheus."""
    lines = [
        "# HELP rlm_search_ingest_running whether a run goes on",
        "# TYPE rlm_search_ingest_running gauge",
        f"rlm_search_ingest_running {int(is_running)}",
        "# HELP rlm_search_ingest_failed files that failed in this run, by kind",
        "# TYPE rlm_search_ingest_failed gauge",
        *(f'rlm_search_ingest_failed{{kind="{kind}"}} {count}' for kind, count in sorted(now.failed_by_kind.items())),
    ]
    for name, help_, type_ in _METRICS:
        value = getattr(now, name)
        if value is not None:
            metric = f"rlm_search_ingest_{name}"
            lines += [f"# HELP {metric} {help_}", f"# TYPE {metric} {type_}", f"{metric} {value}"]
    return "\n".join(lines) + "\n"
