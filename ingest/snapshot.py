"""How far a run is, as one value: what `ingest status`, events, metrics and lines of progress tell."""

from __future__ import annotations

import msgspec

from ingest.report import Tally


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A moment of a run.

    Attributes:
        stage: `text` while files are read, `vectors` while only chunks are embedded.
        files: that need no more reading, of those `found` so far and those `expected` in all (None: not counted yet).
        failed_by_kind: of this run.
        waiting: outcomes of workers that wait to be written.
        eta_seconds: until the end, None where nothing can be said.
    """

    seconds: float = 0.0
    stage: str = "text"
    files: int = 0
    found: int = 0
    expected: int | None = None
    failed: int = 0
    failed_by_kind: dict[str, int] = {}
    documents: int = 0
    pages: int = 0
    chunks: int = 0
    vectors: int = 0
    vectors_expected: int = 0
    bytes: int = 0
    waiting: int = 0
    files_per_second: float = 0.0
    pages_per_second: float = 0.0
    vectors_per_second: float = 0.0
    eta_seconds: float | None = None


def snapshot(tally: Tally) -> Snapshot:
    """The counts of a run as they are now, with rates and the time that is left."""
    seconds = tally.seconds
    text_seconds = max(tally.text_seconds or seconds, 0.1)
    embedded = tally.vectors / max(tally.embedder_seconds, 0.1)
    return Snapshot(
        seconds=round(seconds, 1),
        stage="text" if tally.text_seconds is None else "vectors",
        files=tally.files_done,
        found=tally.found,
        expected=tally.expected,
        failed=tally.failed,
        failed_by_kind=dict(tally.failed_by_kind),
        documents=tally.documents,
        pages=tally.pages,
        chunks=tally.chunks,
        vectors=tally.vectors,
        vectors_expected=tally.vectors_expected,
        bytes=tally.bytes,
        waiting=tally.waiting,
        files_per_second=round(tally.files_done / text_seconds, 2),
        pages_per_second=round(tally.pages / text_seconds, 2),
        vectors_per_second=round(embedded, 2),
        eta_seconds=_eta(tally, tally.files_done / text_seconds, tally.vectors / max(seconds, 0.1)),
    )


def _eta(tally: Tally, files_per_second: float, vectors_per_second: float) -> float | None:
    """Reading and embedding go on beside each other: the slower of them tells."""
    is_text_done = tally.text_seconds is not None
    if not is_text_done and (not tally.expected or not files_per_second):
        return None
    share = 1.0 if is_text_done or not tally.expected else max(tally.files_done / tally.expected, 1e-9)
    text = (
        0.0 if is_text_done else max(tally.expected or 0, tally.files_done) / files_per_second * (1 - min(share, 1.0))
    )
    left = tally.vectors_expected / min(share, 1.0) - tally.vectors
    if left <= 0:
        return round(text, 1)
    return round(max(text, left / vectors_per_second), 1) if vectors_per_second else None
