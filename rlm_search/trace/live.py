"""The steps of a run as they happen: a live view on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self, TextIO

from rlm_search.rendering.words import number_of
from rlm_search.trace.events import AnyEvent, CellFinished, CellStarted, Cited, ModelCalled, RunStarted, Searched
from rlm_search.trace.lines import line_of

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

_LINES_SHOWN = 8


class PlainProgress:
    """A listener that writes each event as a line: for logs, and for terminals that cannot move their cursor.

    `label` stands before each line, where several runs share a stream.
    """

    def __init__(self, stream: TextIO, *, label: str = "") -> None:
        self._stream = stream
        self._label = label
        self._began = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._stream.flush()

    def __call__(self, event: AnyEvent) -> None:
        """Write one event."""
        self._began = self._began or event.at
        step = f"step {event.step}  " if event.step else ""
        clock = f"{event.at - self._began:6.1f} s"
        self._stream.write(f"{self._label}{clock}  {'  ' * event.depth}{step}{line_of(event)}\n")


class LiveView:
    """A listener that keeps a few lines on a terminal up to date and takes them away when the run is over.

    Use as a context manager. The newest events, and one line of totals: step, searches, model calls, citations,
    tokens, seconds.
    """

    def __init__(self, console: Console, *, clock: Callable[[], float] = time.monotonic) -> None:
        from rich.live import Live

        self._clock = clock
        self._began = clock()
        self._recent: deque[str] = deque(maxlen=_LINES_SHOWN)
        self._steps = 0
        self._limit = 0
        self._doing = "starting"
        self._counts = {"searches": 0, "calls": 0, "citations": 0, "tokens": 0}
        self._live = Live(
            console=console, transient=True, refresh_per_second=8, get_renderable=self.render, redirect_stdout=False
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._live.stop()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leave the terminal to somebody else."""
        self._live.stop()
        try:
            yield
        finally:
            self._live.start()

    def __call__(self, event: AnyEvent) -> None:
        """Take in one event."""
        self._recent.append(f"{'  ' * event.depth}{line_of(event)}")
        if event.depth == 0:
            self._steps = max(self._steps, event.step)
        self._count(event)

    def render(self) -> RenderableType:
        """The view as it stands; drawn several times a second."""
        from rich.text import Text

        lines = [Text(line, style="dim", no_wrap=True, overflow="ellipsis") for line in list(self._recent)]
        lines.append(Text(self.totals(), style="bold", no_wrap=True, overflow="ellipsis"))
        return Text("\n", no_wrap=True, overflow="ellipsis").join(lines)

    def totals(self) -> str:
        """The last line: how far the run has come."""
        counts = self._counts
        step = f"step {self._steps}" + (f"/{self._limit}" if self._limit else "") if self._steps else self._doing
        parts = [
            step,
            self._doing if self._steps else "",
            number_of(counts["searches"], "search", "searches"),
            number_of(counts["calls"], "model call") if counts["calls"] else "",
            number_of(counts["citations"], "citation"),
            f"{counts['tokens']:,} tokens" if counts["tokens"] else "",
            f"{self._clock() - self._began:.0f} s",
        ]
        return " · ".join(part for part in parts if part)

    def _count(self, event: AnyEvent) -> None:
        match event:
            case RunStarted() if event.depth == 0:
                self._limit = int(event.limits.get("steps") or 0)
                self._doing = "thinking"
            case ModelCalled() if event.input_tokens:  # what is read from the cache, or by no model, is none
                self._counts["calls"] += 1
                self._counts["tokens"] += event.input_tokens + event.output_tokens
            case CellStarted():
                self._doing = "running code"
            case CellFinished():
                self._doing = "thinking"
            case Searched():
                self._counts["searches"] += 1
            case Cited() if event.marker:
                self._counts["citations"] += 1
            case _:
                pass
