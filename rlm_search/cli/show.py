"""`rlm-search show`: the text of a document, whole or some of its pages."""

from __future__ import annotations

import re
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rlm_search.cli import printing
from rlm_search.cli.options import index_options, json_option, open_index, read_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrievers.protocols import RetrieverProtocol
    from retrievers.types import Page, RetrievedDocument

_NEIGHBOURS = 200


def _read_ranges(_: click.Context, __: click.Parameter, value: str | None) -> tuple[tuple[int, int], ...] | None:
    """`3`, `3-5` or `1,3-5` as pairs of first and last page."""
    if value is None:
        return None
    ranges = []
    for part in value.split(","):
        match = re.fullmatch(r"\s*(\d{1,9})\s*(?:-\s*(\d{1,9})\s*)?", part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not 1 <= first <= last:
            raise click.BadParameter(f"{value!r} names no pages: write 3, 3-5 or 1,3-5 (the first page is 1)")
        ranges.append((first, last))
    return tuple(ranges)


@click.command()
@click.argument("doc_id")
@index_options
@click.option("--pages", callback=_read_ranges, metavar="PAGES", help="Only these pages, such as 3-5 or 1,7.")
@json_option
def show(
    doc_id: str, index: str | None, config: Path | None, pages: tuple[tuple[int, int], ...] | None, as_json: bool
) -> None:
    """Print the text of the document DOC_ID, page by page where it has pages.

    DOC_ID stands in the results of a search.

    \b
    Examples:
      rlm-search show 3M_2018_10K-4f2a9c1e --pages 60
      rlm-search show 3M_2018_10K-4f2a9c1e --json
    """  # noqa: D301 - click reads the backspace character
    from retrievers.errors import DocumentNotFound
    from rlm_search.documents import Documents

    retriever = open_index(read_settings(index, config))
    documents = Documents(retriever)
    try:
        wanted = [page for first, last in pages or () for page in documents.pages(doc_id, first, last)]
        whole = None if wanted else documents.whole(doc_id)
    except DocumentNotFound as error:
        raise DocumentNotFound(error.message, hint=_suggestion(retriever, doc_id) or error.hint) from None
    if whole is None:
        _put({"doc_id": doc_id, "pages": [_page(page) for page in wanted]}, wanted, "", as_json)
        return
    if pages:
        raise _no_such_pages(whole)
    every = documents.pages(doc_id, 1, len(whole.pages))
    _put({**_about(whole), **_text(whole, every)}, every, whole.content, as_json)


def _put(value: dict[str, Any], pages: Sequence[Page], text: str, as_json: bool) -> None:
    if as_json:
        printing.put_json(value)
        return
    if not pages:
        printing.put(printing.printable(text.rstrip("\n\f")))
    for page in pages:
        label = f" ({page.label})" if page.label and page.label != str(page.number) else ""
        printing.put(printing.bold(f"── page {page.number}{printing.printable(label)} ──"))
        printing.put(printing.printable(page.text.strip("\n\f")))


def _about(document: RetrievedDocument) -> dict[str, Any]:
    return {name: document[name] for name in document if name not in ("content", "pages", "page_labels", "headings")}


def _text(document: RetrievedDocument, pages: Sequence[Page]) -> dict[str, Any]:
    """Page by page where there are pages: the text is not there twice."""
    return {"pages": [_page(page) for page in pages]} if pages else {"content": document.content}


def _page(page: Page) -> dict[str, Any]:
    return {name: value for name, value in page.items() if name != "doc_id"}


def _no_such_pages(document: RetrievedDocument) -> Exception:
    from retrievers.errors import DocumentNotFound

    if not document.pages:
        return DocumentNotFound(f"{document.doc_id} has no pages", hint="leave out --pages to see all of it")
    return DocumentNotFound(f"{document.doc_id} has only the pages 1 to {len(document.pages)}")


def _suggestion(retriever: RetrieverProtocol, doc_id: str) -> str:
    """Ids that look like an unknown one, where the index can list its neighbours."""
    from retrievers.foreign import guarded
    from retrievers.protocols import Scans

    if not isinstance(retriever, Scans):
        return ""
    before = doc_id[: max(3, len(doc_id) // 2)]
    with guarded(retriever):
        near = [document.doc_id for document in islice(retriever.scan(after=before, limit=_NEIGHBOURS), _NEIGHBOURS)]
    close = [name for name in near if name.startswith(doc_id)] or get_close_matches(doc_id, near, n=3)
    return f"did you mean {' or '.join(close[:3])}?" if close else ""
