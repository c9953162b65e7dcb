"""Replies of sub-calls, kept on disk."""

from __future__ import annotations

from pathlib import Path

from rlm_search.models.cached import CachedModel
from rlm_search.types import Model


class FileCache:
    """A folder of replies, keyed by all that shapes one: model, messages with the system prompt, token limit."""

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)
        self.root.mkdir(parents=True, exist_ok=True)

    def around(self, model: Model) -> Model:
        """The model, asked only for what is not there."""
        return CachedModel(model, self.root)
