"""Completions kept on disk, and given again when exactly the same is asked."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from rlm_search.types import CallOptions, Completion, Message, Model, Usage

_FORMAT = 1


class CachedModel:
    """Answer from a folder where it can, at no usage.

    The key holds everything that shapes an answer: model, server, messages with their roles, token limit,
    temperature, stop sequences. Processes may share a folder. A file that cannot be read counts as not there; a
    folder that cannot be written costs the cache, not the run.
    """

    def __init__(self, inner: Model, folder: Path, *, server: str = "") -> None:
        self.name = inner.name
        self._inner = inner
        self._folder = folder
        self._server = server

    def complete(self, messages: Sequence[Message], options: CallOptions) -> Completion:
        """The kept completion with zero usage, or a new one, which is kept if it has text."""
        path = self._path(messages, options)
        kept = _read(path)
        if kept is not None:
            if options.on_text is not None:
                options.on_text(kept.text)
            return replace(kept, usage=Usage())
        completion = self._inner.complete(messages, options)
        if completion.text:
            _write(path, completion)
        return completion

    def _path(self, messages: Sequence[Message], options: CallOptions) -> Path:
        asked = (
            _FORMAT,
            self._server,
            self.name,
            [(message.role, message.content) for message in messages],
            options.max_tokens,
            options.temperature,
            options.stop,
        )
        digest = hashlib.sha256(msgspec.json.encode(asked)).hexdigest()
        return self._folder / digest[:2] / f"{digest}.json"


def _read(path: Path) -> Completion | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Completion)
    except (OSError, msgspec.MsgspecError):
        return None


def _write(path: Path, completion: Completion) -> None:
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(msgspec.json.encode(completion))
            Path(temporary).replace(path)  # atomic: a reader sees all of it or nothing
        except OSError:
            Path(temporary).unlink(missing_ok=True)
            raise
