"""`rlm-search search`: the passages that match, without a model."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rlm_search.cli import printing
from rlm_search.cli.conditions import read_conditions
from rlm_search.cli.options import index_options, json_option, open_index, read_settings

if TYPE_CHECKING:
    from retrievers.types import Hit

NOTHING_FOUND = 3
_METHODS = {"hybrid": "hybrid_search", "lexical": "search", "semantic": "vector_search"}


@click.command()
@click.argument("query")
@index_options
@click.option("--mode", type=click.Choice(tuple(_METHODS)), help="By words and meaning, words, or meaning.  [hybrid]")
@click.option("--filter", "conditions", multiple=True, metavar="CONDITION", help="Such as 'year>=2019'; repeatable.")
@click.option("-k", "--top-k", type=click.IntRange(1, 10_000), metavar="N", help="How many results.  [default: 10]")
@json_option
def search(
    query: str,
    index: str | None,
    config: Path | None,
    mode: str | None,
    conditions: tuple[str, ...],
    top_k: int | None,
    as_json: bool,
) -> int:
    """List the passages of an index that match QUERY, best first.

    Conditions: 'year>=2019', 'company=3M', 'year in 2018,2019', 'title^=Annual', 'draft!=true', 'exists:year',
    or JSON such as '{"or": [{"year": 2019}, {"form": "10-K"}]}'. Several must all hold.

    Exit code 3 if nothing matches.

    \b
    Examples:
      rlm-search search "capital expenditure 2018"
      rlm-search search '"free cash flow"' --mode lexical --filter 'year>=2019' --json
    """  # noqa: D301 - click reads the backspace character
    from retrievers.foreign import guarded
    from retrievers.normalise import as_hits
    from retrievers.settings import SearchSettings

    filters = read_conditions(conditions)
    settings = read_settings(index, config, {"search": {"mode": mode, "top_k": top_k}})
    wanted = settings.table("search", SearchSettings)
    if wanted.mode not in _METHODS:
        raise click.UsageError(f"search.mode is {wanted.mode!r}: there are {', '.join(_METHODS)}")
    retriever = open_index(settings)
    started = time.perf_counter()
    with guarded(retriever):
        hits = as_hits(getattr(retriever, _METHODS[wanted.mode])(query, top_k=wanted.top_k, filters=filters))
    seconds = time.perf_counter() - started
    if as_json:
        printing.put_json(_as_json(query, wanted.mode, filters, hits, seconds))
    else:
        _print(query, hits)
    return 0 if hits else NOTHING_FOUND


def _as_json(
    query: str, mode: str, filters: Mapping[str, Any] | None, hits: Sequence[Hit], seconds: float
) -> dict[str, Any]:
    return {
        "query": query,
        "mode": mode,
        "filters": filters,
        "seconds": round(seconds, 4),
        "hits": [{"rank": rank, **hit} for rank, hit in enumerate(hits, 1)],
    }


def _print(query: str, hits: Sequence[Hit]) -> None:
    if not hits:
        printing.tell(f"nothing in the index matches {query!r}")
        return
    for rank, hit in enumerate(hits, 1):
        title = printing.one_line(hit.title or hit.doc_id)
        printing.put(f"{rank:>2}. {printing.bold(title)}{_pages(hit.pages)}  {printing.dim(f'{hit.score:.3f}')}")
        place = f"{printing.one_line(hit.doc_id)}  {printing.one_line(hit.source)}".rstrip()
        printing.put(f"    {printing.dim(place)}")
        printing.put(printing.marked(printing.wrapped(hit.preview, "    "), query))
        printing.put()


def _pages(pages: Sequence[int]) -> str:
    from rlm_search.rendering.words import page_text

    return page_text(pages)
