"""What all tools that look into the index share: a call charged, traced and told; hits and tables as data."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

from retrievers.types import Hit
from rlm_search.run import Run, ToolError, plain_filters, telling
from rlm_search.trace.events import Searched

Hits: TypeAlias = dict[str, Any]
"""A list of hits in the REPL: `doc_id chunk_id preview score start end pages title source metadata` each."""
Table: TypeAlias = dict[str, Any]
"""A list of records in the REPL."""
Record: TypeAlias = dict[str, Any]

MAX_TOP_K = 200
MAX_QUERY_CHARACTERS = 2_000


@dataclass(slots=True)
class Found:
    """What a search has come to, filled in while it is recorded."""

    number: int = 0
    hits: Sequence[Hit] = ()

    def take(self, hits: Sequence[Hit]) -> None:
        """These are the results."""
        self.hits, self.number = hits, len(hits)


@contextmanager
def recorded(
    run: Run, function: str, query: str, filters: dict[str, Any] | None, top_k: int = 0, *, found: str = ""
) -> Iterator[Found]:
    """One search from its charge to its event, failed ones too; `found` is the document that it looks into."""
    if len(query) > MAX_QUERY_CHARACTERS:
        raise ToolError(f"{function}: the query has {len(query):,} characters; at most {MAX_QUERY_CHARACTERS:,}")
    filters = plain_filters(filters)
    run.budget.search()
    result, error, started = Found(), "", time.monotonic()
    try:
        with telling(function, found=found):
            yield result
    except Exception as failure:
        error = type(failure).__name__
        raise
    finally:
        event = Searched(
            function=function,
            query=query,
            filters=filters,
            top_k=top_k,
            hits=[_event_row(hit) for hit in result.hits],
            seconds=time.monotonic() - started,
            error=error,
        )
        run.searched(event, result.number)


def _event_row(hit: Hit) -> dict[str, Any]:
    return {"doc_id": hit.doc_id, "pages": list(hit.pages), "score": hit.score, "start": hit.start, "end": hit.end}


def as_row(hit: Hit) -> dict[str, Any]:
    """A hit as data for the REPL."""
    return {
        "doc_id": hit.doc_id,
        "chunk_id": hit.chunk_id,
        "preview": hit.preview,
        "score": hit.score,
        "start": hit.start,
        "end": hit.end,
        "pages": list(hit.pages),
        "title": hit.title,
        "source": hit.source,
        "metadata": dict(hit.metadata),
    }


def table(rows: list[dict[str, Any]], **about: Any) -> Table:
    """Rows as a table; what is known of it as a whole is printed below it."""
    return {"__type__": "Table", "items": rows, **about}


def checked_top_k(top_k: int) -> int:
    """`top_k`, or what is wrong with it."""
    if not 1 <= top_k <= MAX_TOP_K:
        raise ToolError(f"top_k must lie between 1 and {MAX_TOP_K}, not {top_k}")
    return top_k
