"""Make `Hit`s and documents of whatever a custom retriever returns: the border where foreign results come in.

A retriever of four methods may answer with `Hit`s, with mappings (as those written for pyrlm-runtime do) or with
objects that have the attributes. What is missing gets a harmless value; what cannot be a result is an error that
names it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from retrievers.errors import EngineRejected
from retrievers.snippets import LENGTH, folded_whitespace
from retrievers.types import Hit, Metadata, RetrievedDocument

_ID_NAMES: Final = ("doc_id", "id", "_id", "document_id")
_TEXT_NAMES: Final = ("preview", "snippet", "passage", "text", "content")
_CONTENT_NAMES: Final = ("content", "text", "body")


def as_hits(results: Iterable[Any] | None) -> list[Hit]:
    """Results of a search as hits, in their order; None is no results.

    Raises:
        EngineRejected: a result without a document id.
    """
    return [as_hit(result) for result in results or ()]


def as_hit(result: Any) -> Hit:
    """One result as a hit: itself where it is one.

    Raises:
        EngineRejected: it has no document id.
    """
    if isinstance(result, Hit):
        return result
    values = _Values(result)
    doc_id = values.text(_ID_NAMES)
    if not doc_id:
        raise EngineRejected(f"a search result of the retriever has no `doc_id`: {_shown(result)}")
    preview = folded_whitespace(values.text(_TEXT_NAMES))
    start = values.number("start")
    return Hit(
        doc_id=doc_id,
        chunk_id=values.text(("chunk_id",)) or doc_id,
        preview=preview if len(preview) <= 2 * LENGTH else f"{preview[:LENGTH]} …",
        score=values.fraction("score"),
        start=start,
        end=max(values.number("end"), start),
        pages=values.pages(),
        title=values.text(("title",)),
        source=values.text(("source",)),
        metadata=values.metadata(),
    )


def as_document(result: Any, doc_id: str) -> RetrievedDocument:
    """What `get` returned as a document: itself where it is one; a bare string is its content.

    Raises:
        EngineRejected: it has no content.
    """
    if isinstance(result, RetrievedDocument):
        return result
    if isinstance(result, str):
        return RetrievedDocument(doc_id=doc_id, content=result)
    values = _Values(result)
    content = next((found for name in _CONTENT_NAMES if isinstance(found := values.get(name), str)), None)
    if content is None:
        raise EngineRejected(f"the document `{doc_id}` came without `content`: {_shown(result)}")
    return RetrievedDocument(
        doc_id=values.text(_ID_NAMES) or doc_id,
        content=content,
        title=values.text(("title",)),
        source=values.text(("source",)),
        pages=values.pages(),
        language=values.text(("language",)),
        media_type=values.text(("media_type",)),
        metadata=values.metadata(),
    )


class _Values:
    """The values of a foreign result by name, with the type that is wanted or none."""

    def __init__(self, result: Any) -> None:
        self._result = result

    def get(self, name: str) -> Any:
        if isinstance(self._result, Mapping):
            return self._result.get(name)
        return getattr(self._result, name, None)

    def text(self, names: Sequence[str]) -> str:
        for name in names:
            value = self.get(name)
            if isinstance(value, str | int) and not isinstance(value, bool) and value != "":
                return str(value)
        return ""

    def number(self, name: str) -> int:
        value = self.get(name)
        return value if isinstance(value, int) and value >= 0 else 0

    def fraction(self, name: str) -> float:
        try:
            return float(self.get(name) or 0.0)
        except (TypeError, ValueError):
            return 0.0

    def pages(self) -> tuple[int, ...]:
        value = self.get("pages")
        if isinstance(value, list | tuple) and all(isinstance(page, int) for page in value):
            return tuple(value)
        return ()

    def metadata(self) -> Metadata:
        value = self.get("metadata")
        return {str(name): item for name, item in value.items()} if isinstance(value, Mapping) else {}


def _shown(result: Any) -> str:
    text = repr(result)
    return text if len(text) <= 80 else f"{text[:77]}..."
