"""`map_documents` and `map_hits` with a function of the model's own: documents come to it, as it cannot leave."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from rlm_search.sandbox.guest import Record, Table

Call: TypeAlias = Callable[[str, tuple[Any, ...], dict[str, Any]], Any]
"""A host function by its name."""


def taking_functions(name: str, call: Call) -> Callable[..., Any]:
    """The call of a host function; of the two that map, one that takes a function for its first argument, too."""
    own = _MAPS.get(name)

    def asked(*args: Any, **kwargs: Any) -> Any:
        function = args[0] if args else kwargs.get("question_or_function")
        if own is None or not callable(function):
            return call(name, args, kwargs)
        rest = {key: value for key, value in kwargs.items() if key != "question_or_function"}
        return own(call, function, *args[1:], **rest)

    return asked


def _documents(
    call: Call,
    function: Callable[[Any], Any],
    filters: Any = None,
    schema: Any = None,
    query: str = "",
    model: Any = None,
) -> Table:
    """What the function makes of each matching document."""
    mapped, after = _Mapped(function), ""
    while True:
        batch = call("documents_to_map", (filters, query, after), {})
        mapped.take(batch)
        after = batch.next
        if not after:
            return mapped.table("documents")


def _hits(
    call: Call,
    function: Callable[[Any], Any],
    hits: Any,
    filters: Any = None,
    schema: Any = None,
    top_k: int = 200,
    model: Any = None,
) -> Table:
    """What the function makes of each hit."""
    given = call("es_hybrid_search", (hits, top_k, filters), {}) if isinstance(hits, str) else hits
    mapped = _Mapped(function)
    mapped.take(given)
    return mapped.table("hits")


class _Mapped:
    """The rows so far, and what the function raised."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self._function = function
        self._rows, self._failed = Table(), Table()
        self._last: Exception | None = None

    def take(self, items: Iterable[Any]) -> None:
        """Give each to the function; one that it fails at costs no other."""
        for item in items:
            try:
                value = self._function(item)
            except Exception as error:  # noqa: BLE001  # told to the model: its own function raised it
                self._last = error
                self._failed.append(Record(doc_id=item["doc_id"], reason=f"{type(error).__name__}: {error}"[:300]))
                continue
            fields = value if isinstance(value, Mapping) else {"answer": value}
            about = {key: item[key] for key in ("title", "source", "pages", "start", "end") if key in item}
            self._rows.append(Record({**about, **fields, "doc_id": item["doc_id"]}))

    def table(self, what: str) -> Table:
        """All rows; where the function failed at everything, what it raised last."""
        if self._last is not None and not self._rows:
            raise self._last
        seen = len(self._rows) + len(self._failed)
        failed = f", {len(self._failed):,} failed" if self._failed else ""
        self._rows.about = {"coverage": f"{seen:,} of {seen:,} {what}{failed}", "failed": self._failed}
        return self._rows


_MAPS: Mapping[str, Callable[..., Table]] = {"map_documents": _documents, "map_hits": _hits}
