"""What a search is called with: checked at the border of an engine, so that a mistake is one clear sentence."""

from __future__ import annotations

import re
from operator import index
from typing import Any, Final

from retrievers.errors import EngineRejected

_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def whole(text: str) -> str:
    """The text with every lone surrogate, which no index can hold, replaced; its length stays."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def text_argument(name: str, value: Any) -> str:
    """A query or an id.

    Raises:
        EngineRejected: it is no string.
    """
    if not isinstance(value, str):
        raise EngineRejected(f"{name} must be a string, not {_shown(value)}")
    return whole(value)


def count_argument(name: str, value: Any) -> int:
    """A number of results.

    Raises:
        EngineRejected: it is no whole number.
    """
    try:
        if not isinstance(value, bool):
            return index(value)
    except TypeError:
        pass
    raise EngineRejected(f"{name} must be a whole number, not {_shown(value)}")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
