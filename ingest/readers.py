"""What files are read with. Where a version has changed that concerns a file, and no other, it is read again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

ALL: Final = "*"
"""In place of formats: any may concern the file, as one that no parser could read."""

_BETWEEN: Final = ","


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """The versions of all that files go through.

    Attributes:
        common: of what every file goes through.
        formats: of the parser of each format, with the settings that concern it.
    """

    common: str
    formats: Mapping[str, str] = field(default_factory=dict)

    def stamp(self, formats: str) -> str:
        """Names how a file is read that is of these formats, as `joined` gives them."""
        if formats == ALL:
            versions = sorted(self.formats.items())
            return f"{self.common} all-{hashlib.sha256(repr(versions).encode()).hexdigest()[:8]}"
        named = (f"{name}-{self.formats.get(name, '')}" for name in formats.split(_BETWEEN) if name)
        return " ".join([self.common, *named])


def joined(formats: Iterable[str]) -> str:
    """Formats as a stamp takes them."""
    return _BETWEEN.join(sorted(set(formats)))
