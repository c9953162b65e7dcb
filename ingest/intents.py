"""What a flush is about to change, written down before it: the one gap between an index and its journal.

The index is flushed first and the journal told after. A process that is killed between the two leaves documents that
the journal does not know; were their files changed before the next run, nobody would ever remove them. So the ids that
a flush touches are kept in a small file until the journal has caught up, and the next run puts them right.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path


class Intents:
    """The ids of the documents that the flush in progress writes or removes."""

    def __init__(self, journal: Path) -> None:
        self._path = journal.with_suffix(".intents")

    def note(self, ids: Iterable[str]) -> None:
        """The index is about to change these."""
        self._path.write_text(json.dumps(list(ids)), encoding="ascii")

    def left(self) -> list[str]:
        """Ids that a killed process was about to change."""
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return []
        try:
            return [str(id_) for id_ in json.loads(content or b"[]")]
        except ValueError:  # killed while it wrote this very file, so before it touched the index
            return []

    def clear(self) -> None:
        """The journal knows what the index holds."""
        if self._path.exists():
            self._path.write_bytes(b"")
