"""How far a run is, on stderr: bars with rates on a terminal, a line now and then elsewhere, nothing if silenced."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol, TextIO

from ingest.controls import visible
from ingest.report import Tally, duration
from ingest.types import Failure

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

_FIRST_LINE_SECONDS = 2.0
_LINE_SECONDS = 5.0
_DRAW_SECONDS = 0.2


class Progress(Protocol):
    """Watches a run."""

    def show(self, tally: Tally) -> None:
        """Called several times a second; decides itself whether there is something to show."""
        ...

    def failed(self, failure: Failure) -> None:
        """A file could not be had."""
        ...

    def close(self) -> None:
        """The run is over: leave the terminal as it was."""
        ...


class Silent:
    """Shows nothing."""

    def show(self, tally: Tally) -> None:
        """Nothing."""

    def failed(self, failure: Failure) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class LogLines:
    """A line every few seconds, for logs; with `verbose` also one for each file that fails."""

    def __init__(self, stream: TextIO, *, verbose: bool = False) -> None:
        self._stream = stream
        self._verbose = verbose
        self._next = time.monotonic() + _FIRST_LINE_SECONDS

    def show(self, tally: Tally) -> None:
        """Write a line if the last one is old enough."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _LINE_SECONDS
        self._write(line(tally))

    def failed(self, failure: Failure) -> None:
        """Name the file, if asked to."""
        if self._verbose:
            self._write(failure_line(failure))

    def close(self) -> None:
        """Nothing to undo."""

    def _write(self, text: str) -> None:
        self._stream.write(text + "\n")
        self._stream.flush()


class Bars:
    """Two bars: files, and chunks embedded, with rates, failures so far and the time that is left."""

    def __init__(self, stream: TextIO, *, verbose: bool = False, colour: bool = True) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        console = Console(file=stream, no_color=not colour, highlight=False)
        self._bars: RichProgress = Progress(
            TextColumn("{task.description:<8}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            refresh_per_second=5,
        )
        self._verbose = verbose
        self._files = self._bars.add_task("files", total=None, note="")
        self._vectors = self._bars.add_task("vectors", total=None, note="", visible=False)
        self._next = 0.0
        self._bars.start()

    def show(self, tally: Tally) -> None:
        """Draw, at most five times a second."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _DRAW_SECONDS
        text_seconds = tally.text_seconds or tally.seconds
        failed = f", {tally.failed:,} failed" if tally.failed else ""
        self._bars.update(
            self._files,
            completed=tally.files_done,
            total=tally.found if tally.text_seconds else tally.expected,
            note=f"{tally.pages:,} pages, {tally.pages / max(text_seconds, 0.1):,.0f}/s{failed}",
        )
        if tally.vectors_expected:
            self._bars.update(
                self._vectors,
                visible=True,
                completed=tally.vectors,
                total=tally.vectors_expected,
                note=f"chunks, {tally.vectors / max(tally.embedder_seconds, 0.1):,.0f}/s",
            )

    def failed(self, failure: Failure) -> None:
        """Name the file above the bars, if asked to."""
        if self._verbose:
            self._bars.console.print(failure_line(failure), markup=False)

    def close(self) -> None:
        """Remove the bars."""
        self._bars.stop()


def failure_line(failure: Failure) -> str:
    """A file that could not be had, in one line."""
    return visible(f"{failure.kind}: {failure.source}: {failure.message}")


def line(tally: Tally) -> str:
    """The counts in one line."""
    parts = [f"{duration(tally.seconds)}: {tally.files_done:,} files"]
    if tally.pages:
        seconds = max(tally.text_seconds or tally.seconds, 0.1)
        parts.append(f"{tally.pages:,} pages ({tally.pages / seconds:,.0f}/s)")
    if tally.vectors_expected:
        rate = tally.vectors / max(tally.embedder_seconds, 0.1)
        parts.append(f"{tally.vectors:,} of {tally.vectors_expected:,} chunks embedded ({rate:,.0f}/s)")
    if tally.failed:
        parts.append(f"{tally.failed:,} failed")
    if tally.waiting:
        parts.append(f"{tally.waiting:,} waiting to be written")
    from ingest.snapshot import snapshot

    left = snapshot(tally).eta_seconds
    if left:
        parts.append(f"about {duration(left)} left")
    return ", ".join(parts)
