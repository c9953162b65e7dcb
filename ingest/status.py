"""What `ingest status` and `ingest failures` show: read from the journal, at any moment, beside a run that goes on."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

import msgspec

from ingest.journal import FailedFile, Journal, RunRecord
from ingest.report import IndexCounts, duration
from ingest.state import is_locked, journal_path, recorded_embedder
from retrievers.settings import Settings


class RunningRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run that goes on. `progress` is as of `seen_seconds_ago`."""

    pid: int
    seconds: float
    seen_seconds_ago: float
    progress: dict[str, int | bool]


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
    path = journal_path(url)
    if not path.exists():
        return Status(index=url, embedder=embedder, holds=IndexCounts(), files={}, failures={})
    with Journal(path) as journal:
        documents, chunks, vectors = journal.holdings.totals()
        last = journal.last_run()
        return Status(
            index=url,
            embedder=embedder,
            holds=IndexCounts(documents=documents, chunks=chunks, vectors=vectors),
            files=journal.files_by_state(),
            failures=journal.failures_by_kind(),
            running=_running(last) if last and last.ended is None and is_locked(path) else None,
        )


def _running(run: RunRecord) -> RunningRun:
    now = time.time()
    return RunningRun(
        pid=run.pid,
        seconds=round(now - run.started, 1),
        seen_seconds_ago=round(now - run.seen, 1),
        progress=msgspec.json.decode(run.progress, type=dict[str, int | bool]) if run.progress else {},
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
    done = ", ".join(f"{run.progress[key]:,} {key}" for key in ("files", "chunks", "vectors") if key in run.progress)
    return f"process {run.pid} for {duration(run.seconds)}" + (f": {done}" if done else "")


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items())
