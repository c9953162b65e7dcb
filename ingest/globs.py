"""Paths with wildcards, matched by the walk itself: quoted, or on a shell that does not expand them."""

from __future__ import annotations

import re

_WILD = re.compile(r"[*?\[]")
_PIECES = re.compile(r"\*|\?|\[!?\]?[^\]]*\]|.", re.DOTALL)


def is_glob(path: str) -> bool:
    """Whether a path holds wildcards."""
    return _WILD.search(path) is not None


class Glob:
    """A pattern such as `docs/**/*.pdf`: `*`, `?` and `[…]` within a name, `**` for any number of folders.

    Attributes:
        base: the folders before the first wildcard, "" for the current one: where the walk begins.
    """

    def __init__(self, pattern: str) -> None:
        parts = pattern.split("/")
        first = next(number for number, part in enumerate(parts) if is_glob(part))
        self.base = "/".join(parts[:first]) or ("/" if pattern.startswith("/") else "")
        wild = [part for part in parts[first:] if part]
        self._heads = [
            re.compile(f"{_name(part)}\\Z", re.DOTALL) for part in wild[: wild.index("**") if "**" in wild else None]
        ]
        self._is_deep = "**" in wild
        self._whole = re.compile("".join(_folders(wild[:-1])) + _name(wild[-1]) + r"(?:/.*)?", re.DOTALL)

    def matches(self, path: str) -> bool:
        """Whether a path below the base, or a folder that it lies in, is meant."""
        return self._whole.fullmatch(path) is not None

    def leads(self, folder: str) -> bool:
        """Whether something in this folder below the base may be meant, or the folder itself."""
        parts = folder.split("/")
        fits = all(head.match(part) for head, part in zip(self._heads, parts, strict=False))
        return fits and (self._is_deep or len(parts) < len(self._heads) or self.matches(folder))


def _folders(parts: list[str]) -> list[str]:
    return ["(?:[^/]+/)*" if part == "**" else f"{_name(part)}/" for part in parts]


def _name(part: str) -> str:
    if part == "**":
        return ".+"
    return "".join(_piece(piece) for piece in _PIECES.findall(part))


def _piece(piece: str) -> str:
    if piece in ("*", "?"):
        return "[^/]*" if piece == "*" else "[^/]"
    if len(piece) > 2 and piece.startswith("["):
        inner = piece[1:-1].replace("\\", "\\\\")
        kept = "^" + inner[1:] if inner.startswith("!") else inner.replace("^", r"\^")
        return f"(?!/)[{kept}]"
    return re.escape(piece)
