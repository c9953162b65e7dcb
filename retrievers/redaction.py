"""Take what looks like a secret out of a text that people, logs or files are going to see."""

from __future__ import annotations

import re
from collections.abc import Iterable

from retrievers.settings import secret_values

MARK = "[secret]"

_NAMES = r"(?:api[_-]?key|access[_-]?key|secret|token(?!s)|passw(?:or)?d|pwd|credential|authorization|signature)"
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?<=://)[^/\s@'\"]+@"), f"{MARK}@"),
    (re.compile(r"\b(Bearer|Basic|ApiKey)\s+[\w.~+/=-]{6,}", re.IGNORECASE), rf"\1 {MARK}"),
    (re.compile(rf"({_NAMES}[\w-]*=['\"]?)[^\s'\"&,;)}}]{{3,}}", re.IGNORECASE), rf"\1{MARK}"),
    (re.compile(rf"({_NAMES}[\w-]*['\"]\s*:\s*['\"])[^'\"]{{3,}}", re.IGNORECASE), rf"\1{MARK}"),
    (re.compile(r"((?:passw(?:or)?d|pwd|api[_-]?key)\s*:\s*)[^\s'\"&,;)}]{3,}", re.IGNORECASE), rf"\1{MARK}"),
    (re.compile(r"\b(?:sk|pk|ghp|gho|xox[bp]|hf|AKIA|ASIA)[-_]?[A-Za-z0-9_-]{16,}"), MARK),
)
"""Credentials in a URL, headers, `name=value`, `"name": "value"`, `password: value`, and keys by their look."""


def redacted(text: str, secrets: Iterable[str] | None = None) -> str:
    """The text without secrets of the environment, credentials in URLs, and values named as passwords, keys, tokens.

    Args:
        text: of any length.
        secrets: values to take out; by default those of the variables of the environment with such names.
    """
    for value in sorted(secret_values() if secrets is None else secrets, key=len, reverse=True):
        text = text.replace(value, MARK)
    for pattern, put in _PATTERNS:
        text = pattern.sub(put, text)
    return text


_PLACE: re.Pattern[str] = re.compile(r"[^\s/,;@]+:\d{1,5}/[a-z0-9][a-z0-9._\-]*")


def without_hosts(text: str) -> str:
    """The text with `…` in place of where an index lies on a server: host, port and name."""
    return _PLACE.sub("…", text)
