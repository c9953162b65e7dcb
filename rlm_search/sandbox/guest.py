"""What the model holds in its hands: hit lists that print as tables, documents with a short repr, falsy failures.

These classes live in the worker only (pure standard library). The host sends them as tagged values,
`{"__type__": "Hits", "items": […]}`; as an argument to a host function each goes back as plain data.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from reprlib import Repr
from textwrap import indent
from typing import Any, SupportsIndex, overload

from rlm_search.sandbox.context import Context

TAG = "__type__"

_ROWS_SHOWN = 40
_TABLE_CHARACTERS = 3_800
_PASSAGE = 200
_HIDDEN = ("content", "text")
_LONG = dict.fromkeys(("answer", "reason", "snippet", "text"), 240)
"""What is shown at some length in the row of a table."""


class Record(dict[str, Any]):
    """A dict whose keys can be read as attributes too: `hit["doc_id"]` and `hit.doc_id`."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            known = ", ".join(map(str, self))
            raise AttributeError(f"{type(self).__name__} has no {name!r}; it has: {known}") from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __repr__(self) -> str:
        tables = {key: value for key, value in self.items() if isinstance(value, Table)}
        inside = ", ".join(f"{key}={short(value)}" for key, value in self.items() if key not in tables)
        blocks = [f"\n{key}:\n{indent(repr(table), '  ')}" for key, table in tables.items()]
        return "".join([f"{type(self).__name__}({inside})", *blocks])

    def copy(self) -> Record:
        """A shallow copy of the same kind."""
        return type(self)(self)

    def sendable(self) -> dict[str, Any]:
        """What is sent when this is an argument of a host function."""
        return self


class Hit(Record):
    """One search result: doc_id, chunk_id, preview, score, start, end, pages, title, source, metadata."""

    def __repr__(self) -> str:
        return f"{self.headline()}\n    {fold(str(self.get('preview', '')), _PASSAGE)}"

    def __str__(self) -> str:
        lines = [self.headline(), f"  {fold(str(self.get('preview', '')), 1_500)}"]
        if metadata := self.get("metadata"):
            lines.append(f"  metadata: {short(metadata, 300)}")
        return "\n".join(lines)

    def headline(self) -> str:
        """Which document, which pages, how good: the first of two lines."""
        parts = [str(self.get("doc_id", "?")), page_words(self.get("pages")), _score(self.get("score"))]
        names = " | ".join(filter(None, (fold(str(self.get("title") or ""), 60), tail(self.get("source"), 50))))
        return "  ".join(filter(None, [*parts, names]))

    def lines(self, rank: int, passage: int) -> str:
        """The hit as two lines of a table, its passage cut to `passage` characters."""
        return f"{rank:>2}. {self.headline()}\n    {fold(str(self.get('preview', '')), passage)}"


class Document(Record):
    """A document, or some of its pages: doc_id, title, source, pages, metadata, and the text as `content`."""

    @overload
    def __getitem__(self, key: str) -> Any: ...
    @overload
    def __getitem__(self, key: slice) -> str: ...
    def __getitem__(self, key: str | slice) -> Any:
        if isinstance(key, slice):  # doc[:500] is what one tries first
            return _text_of(self)[key]
        return super().__getitem__(key)

    def __repr__(self) -> str:
        return self._shown(200)

    def __str__(self) -> str:
        return self._shown(600)

    def _shown(self, head: int) -> str:
        text = _text_of(self)
        rest = {key: value for key, value in self.items() if key not in _HIDDEN and value not in ("", None, [], {})}
        about = ", ".join(f"{key}={short(value, 120)}" for key, value in rest.items())
        where = "content" if "content" in self else "text"
        return f"{type(self).__name__}({about}, .{where} of {len(text):,} characters: {fold(text, head)!r})"

    @property
    def text(self) -> str:
        """The text, whatever it is called."""
        return _text_of(self)

    def sendable(self) -> dict[str, Any]:
        """Everything but the text, which the host has."""
        return {key: value for key, value in self.items() if key not in _HIDDEN}


class Page(Document):
    """A page, or a span of a document: doc_id, number, label, start, end, and the text as `text`."""


class Table(list[Any]):
    """A list of records that prints as a table, a record a line. Slices keep the type.

    What is known of it as a whole (`note`, `coverage`, `failed` …) are attributes; they are printed below it.
    """

    about: dict[str, Any]

    def __getattr__(self, name: str) -> Any:
        about = vars(self).get("about", {})
        if name in about:
            return about[name]
        raise AttributeError(f"{type(self).__name__} has no {name!r}; {_has(about)}")

    @overload
    def __getitem__(self, index: SupportsIndex) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> Table: ...
    def __getitem__(self, index: SupportsIndex | slice) -> Any:
        item = super().__getitem__(index)
        return type(self)(item) if isinstance(index, slice) else item

    def __add__(self, other: list[Any]) -> Table:
        return type(self)([*self, *other])

    def copy(self) -> Table:
        """A shallow copy of the same kind."""
        return type(self)(self)

    def __repr__(self) -> str:
        shown = self[:_ROWS_SHOWN]
        rest = len(self) - len(shown)
        more = [f"… and {rest} more; print a slice such as [{_ROWS_SHOWN}:{2 * _ROWS_SHOWN}]"] if rest else []
        about = vars(self).get("about", {})
        told = [f"{name}: {_of_all(value)}" for name, value in about.items() if value not in ("", None, [], {})]
        return "\n".join([*(shown.rows() or [f"no {type(self).__name__.lower()}"]), *more, *told])

    def rows(self) -> list[str]:
        """The lines of the table."""
        return [_row(item) for item in self]


class Hits(Table):
    """Search results, best first. Prints as a table of two lines a hit: where it is, and its best passage."""

    def rows(self) -> list[str]:
        """Two lines a hit; passages are cut shorter where there are many, so that all can be seen."""
        hits = [item if isinstance(item, Hit) else None for item in self]
        room = _TABLE_CHARACTERS - sum(len(hit.headline()) + 10 for hit in hits if hit is not None)
        passage = max(60, min(_PASSAGE, room // max(len(self), 1)))
        return [
            hit.lines(rank, passage) if hit is not None else _row(item)
            for rank, (hit, item) in enumerate(zip(hits, self, strict=True), 1)
        ]


class Pages(Table):
    """Pages of a document, in order."""

    @property
    def text(self) -> str:
        """The text of all pages, joined."""
        return "\n".join(_text_of(item) for item in self)


class Failed:
    """What stands in place of a result that could not be had. It is falsy; `reason` says why."""

    __slots__ = ("reason",)

    def __init__(self, reason: str = "") -> None:
        self.reason = reason

    def __bool__(self) -> bool:
        return False

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Failed) and other.reason == self.reason

    def __hash__(self) -> int:
        return hash(self.reason)

    def __repr__(self) -> str:
        return f"Failed({self.reason!r})"

    def __str__(self) -> str:
        return f"Failed: {self.reason}"

    def sendable(self) -> dict[str, Any]:
        """What is sent when this is an argument of a host function."""
        return {"failed": True, "reason": self.reason}


_RECORDS: Mapping[str, type[Record]] = {kind.__name__: kind for kind in (Record, Hit, Document, Page)}
_LISTS: Mapping[str, type[Table]] = {kind.__name__: kind for kind in (Table, Hits, Pages)}
_ITEMS: Mapping[str, type[Record]] = {"Table": Record, "Hits": Hit, "Pages": Page}


def revive(value: dict[str, Any]) -> Any:
    """The object hook of the worker's decoder: a tagged dict becomes what its tag names, any other stays a dict."""
    kind = value.get(TAG)
    if not isinstance(kind, str):
        return value
    if kind == "Failed":
        return Failed(str(value.get("reason", "")))
    if kind in _LISTS:
        return _table(kind, value)
    if kind in _RECORDS:
        del value[TAG]
        return _RECORDS[kind](value)
    if kind == "Context":
        return _context(value)
    return value  # a tag we do not know, perhaps from the corpus: just data


def _table(kind: str, value: dict[str, Any]) -> Table:
    table = _LISTS[kind](_item(kind, item) for item in value.get("items", ()))
    if len(value) > 2:
        table.about = {name: item for name, item in value.items() if name not in (TAG, "items")}
    return table


def _context(value: dict[str, Any]) -> Context:
    return Context(
        tuple(map(str, value.get("documents", ()))),
        names=tuple(map(str, value.get("names", ()))),
        separator=str(value.get("separator", "")),
        kind=value.get("kind", "document_list"),
    )


def _item(kind: str, item: Any) -> Any:
    return _ITEMS[kind](item) if type(item) is dict else item


_CONTAINERS = (list, dict, set, frozenset, tuple, deque)
_REPR = Repr()
"""Writes containers without writing out the long texts in them."""
_REPR.maxlist = _REPR.maxtuple = _REPR.maxset = _REPR.maxfrozenset = _REPR.maxdeque = _REPR.maxdict = 200
_REPR.maxstring = _REPR.maxother = 1_000


def short(value: Any, limit: int = 200) -> str:
    """The repr of a value, cut, with its true length told."""
    if isinstance(value, str) and len(value) > limit:
        return f"{value[:limit]!r}… ({len(value):,} characters)"
    if isinstance(value, list | dict | set | tuple) and len(value) > limit:
        return f"<{type(value).__name__} of {len(value):,}>"
    text = _REPR.repr(value) if type(value) in _CONTAINERS else repr(value)
    return text if len(text) <= limit else f"{text[:limit]}…"


def fold(text: str, limit: int) -> str:
    """The text on one line, cut to `limit` characters."""
    line = " ".join(text[: 4 * limit].split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def tail(text: Any, limit: int) -> str:
    """The end of a path, which tells more than its beginning."""
    line = str(text or "")
    return line if len(line) <= limit else "…" + line[1 - limit :]


def page_words(pages: Any) -> str:
    """`p.12` or `p.12-14`; nothing for a document without pages."""
    if not isinstance(pages, list | tuple) or not pages:
        return ""
    return f"p.{pages[0]}" if len(pages) == 1 else f"p.{pages[0]}-{pages[-1]}"


def _has(about: Mapping[str, Any]) -> str:
    return f"it is a list, and has: {', '.join(about)}" if about else "it is a list of records"


def _of_all(value: Any) -> str:
    """Something known of a table as a whole, on a line; a table in it by its length and its first record."""
    if isinstance(value, Table):
        return f"{len(value)}, the first: {_row(value[0])}" if value else "none"
    return short(value, 400) if not isinstance(value, str) else fold(value, 400)


def _score(score: Any) -> str:
    return f"{score:.3f}" if isinstance(score, int | float) else ""


def _row(item: Any) -> str:
    if not isinstance(item, dict) or isinstance(item, Document):
        return repr(item)
    shown = {key: value for key, value in item.items() if value not in ("", None, [], {})}
    return "  ".join(f"{key}={short(value, _LONG.get(key, 80))}" for key, value in shown.items())


def _text_of(item: Mapping[str, Any]) -> str:
    return str(item.get("content", item.get("text", "")) or "")
