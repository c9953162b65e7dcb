"""What `ingest status` and `ingest failures` show: read from the journal, at any moment, beside a run that goes on."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

import msgspec

from ingest.entries import FailedFile, RunRecord
from ingest.looking import counts_of, look
from ingest.report import IndexCounts, duration
from ingest.snapshot import Snapshot
from ingest.state import is_locked, recorded_embedder
from retrievers.settings import Settings


class RunningRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run that goes on. `progress` is as of `seen_seconds_ago`."""

    pid: int
    seconds: float
    seen_seconds_ago: float
    progress: Snapshot


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """What an index holds and what became of the files that were found for it."""

    index: str
    embedder: str
    holds: IndexCounts
    files: dict[str, int]
    failures: dict[str, int]
    running: RunningRun | None = None


def read_status(url: str, settings: Settings | None = None) -> Status:
    """Look at the journal of an index.

    Raises:
        ConfigError: there is no index.
        JournalError: the journal cannot be read.
    """
    recorded = recorded_embedder(url, settings)
    embedder = recorded.name if recorded else ""
    with look(url, settings) as journal:
        last = journal.last_run()
        return Status(
            index=url,
            embedder=embedder,
            holds=counts_of(url, journal, settings),
            files=journal.files_by_state(),
            failures=journal.failures_by_kind(),
            running=_running(last) if last and last.ended is None and is_locked(journal.path) else None,
        )


def _running(run: RunRecord) -> RunningRun:
    now = time.time()
    return RunningRun(
        pid=run.pid,
        seconds=max(0.0, round(now - run.started, 1)),  # the clock may have been set back
        seen_seconds_ago=max(0.0, round(now - run.seen, 1)),
        progress=msgspec.json.decode(run.progress, type=Snapshot) if run.progress else Snapshot(),
    )


def lines(status: Status) -> Iterator[str]:
    """The status for people."""
    holds = status.holds
    yield f"index      {status.index}" + (f" (embedder {status.embedder})" if status.embedder else "")
    yield f"documents  {holds.documents:,}"
    yield f"chunks     {holds.chunks:,}, of which {holds.vectors:,} have vectors"
    yield "files      " + (_listed(status.files) or "none")
    if status.failures:
        yield f"failures   {_listed(status.failures)} (list them: ingest failures)"
    if status.running:
        yield f"running    {_progress(status.running)}"


def failure_lines(failures: Iterable[FailedFile]) -> Iterator[str]:
    """The failures for people, a line each."""
    none = True
    for failure in failures:
        none = False
        hint = f" — {failure.hint}" if failure.hint else ""
        yield f"{failure.kind:<10} {failure.path}: {failure.message}{hint}"
    if none:
        yield "no failures"


def _progress(run: RunningRun) -> str:
    now = run.progress
    of = f" of {now.expected:,}" if now.expected else ""
    parts = [
        f"{now.files:,}{of} files ({now.files_per_second:,.0f}/s)",
        f"{now.pages:,} pages ({now.pages_per_second:,.0f}/s)",
    ]
    if now.vectors_expected:
        parts.append(f"{now.vectors:,} of {now.vectors_expected:,} chunks embedded ({now.vectors_per_second:,.0f}/s)")
    if now.failed:
        parts.append(f"{now.failed:,} failed")
    if now.eta_seconds is not None:
        parts.append(f"about {duration(now.eta_seconds)} left")
    doing = "reading files" if now.stage == "text" else "embedding"
    return f"process {run.pid} for {duration(run.seconds)}, {doing}: {', '.join(parts)}"


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items())
