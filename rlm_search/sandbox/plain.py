"""Any Python value as plain data, or a sentence that says why not: what leaves the worker has passed through here."""

from __future__ import annotations

import datetime
import enum
import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from itertools import islice
from typing import Any

from rlm_search.sandbox.context import Context
from rlm_search.sandbox.guest import Failed, Record
from rlm_search.sandbox.wire import text_bytes

MAX_DEPTH = 50
"""How deep a value may nest to cross; below the wire's own cap, which counts the message around it too."""
MAX_ITEMS = 2_000_000
"""How many items of an iterator are taken: an endless one must end somewhere."""
MAX_INTEGER_BITS = 1_024
"""Longer integers are refused by readers of JSON."""


class NotPlain(TypeError):
    """A value that cannot leave the sandbox, because it is not made of str, int, float, bool, None, list and dict."""


def plain(value: Any, *, whole: bool = True) -> Any:
    """The value as plain data: tuples, sets and iterators become lists, dates ISO strings, dataclasses dicts.

    Args:
        value: anything.
        whole: False for an argument of a host function, where a document goes without its text.

    Raises:
        NotPlain: something in it is none of these; the message says what, and where.
    """
    return _plain(value, whole, "", MAX_DEPTH)


def _plain(value: Any, whole: bool, path: str, depth: int) -> Any:
    kind = type(value)
    if kind is str:
        return _whole_text(value)
    if value is None or kind is bool:
        return value
    if kind is int:
        return _short_integer(value, path)
    if depth == 0:
        raise NotPlain(f"{path[:80] or 'the value'}… nests more than {MAX_DEPTH} deep (or holds itself)")
    if isinstance(value, float):
        return _finite(float(value), path)
    if not whole and isinstance(value, Record | Failed | Context):
        value = value.sendable()
    for kinds, convert in _CONVERSIONS:
        if isinstance(value, kinds):
            return convert(value, whole, path, depth - 1)
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name), whole, f"{path}.{f.name}", depth - 1) for f in fields(value)}
    raise NotPlain(
        f"{path or 'it'} is of type {kind.__name__}, which is not plain data (str, int, float, list, dict …)"
    )


def _from_mapping(value: Mapping[Any, Any], whole: bool, path: str, depth: int) -> dict[str, Any]:
    result = {}
    for key, item in value.items():
        if not isinstance(key, str | int | float | bool | datetime.date | None):
            raise NotPlain(f"{path or 'it'} has a key of type {type(key).__name__}; keys must be strings")
        name = key.isoformat() if isinstance(key, datetime.date) else str(key)
        result[_whole_text(name)] = _plain(item, whole, f"{path}[{name[:40]!r}]", depth)
    return result


def _from_iterable(value: Iterable[Any], whole: bool, path: str, depth: int) -> list[Any]:
    items = islice(value, MAX_ITEMS + 1)
    result = [_plain(item, whole, f"{path}[{n}]", depth) for n, item in enumerate(items)]
    if len(result) > MAX_ITEMS:
        raise NotPlain(f"{path or 'it'} has more than {MAX_ITEMS:,} items")
    return result


def _from_set(value: Iterable[Any], whole: bool, path: str, depth: int) -> list[Any]:
    try:
        value = sorted(value)
    except TypeError:
        value = list(value)
    return _from_iterable(value, whole, path, depth)


_LAZY: tuple[type, ...] = (range, Iterator, type({}.keys()), type({}.values()), type({}.items()))
_CONVERSIONS: tuple[tuple[Any, Callable[[Any, bool, str, int], Any]], ...] = (
    (enum.Enum, lambda value, whole, path, depth: _plain(value.value, whole, path, depth)),
    (str, lambda value, *_: _whole_text(str.__str__(value))),
    (int, lambda value, whole, path, depth: _short_integer(int(value), path)),
    (Mapping, _from_mapping),
    ((list, tuple, deque), _from_iterable),
    ((set, frozenset), _from_set),
    ((datetime.date, datetime.time), lambda value, *_: value.isoformat()),
    (Failed, lambda value, *_: value.sendable()),
    (Context, lambda value, *_: value.metadata()),
    (_LAZY, _from_iterable),
)


def _short_integer(value: int, path: str) -> int:
    if value.bit_length() <= MAX_INTEGER_BITS:
        return value
    raise NotPlain(f"{path or 'it'} is an integer of {value.bit_length():,} bits, too long to cross; use a string")


def _finite(value: float, path: str) -> float:
    if math.isfinite(value):
        return value
    raise NotPlain(f"{path or 'it'} is {value}, which is not plain data; use None or a string")


def _whole_text(text: str) -> str:
    """The text with halves of surrogate pairs joined, and lone ones replaced: they are no text and cannot travel."""
    return text[:] if text.isascii() else text_bytes(text).decode()
