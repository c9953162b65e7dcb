"""Completions kept on disk, and given again when exactly the same is asked."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from rlm_search.models.facts import facts_of
from rlm_search.types import CallOptions, Completion, Message, Model, Usage

_FORMAT = 2
_MEGABYTE = 1_000_000
_SPARED = 0.8
"""Share of the cap that is left when room is made, so that it is not made with every completion."""


class CachedModel:
    """Answer from a folder where it can, at no usage.

    The key holds everything that shapes an answer: model, server, messages with their roles (the system prompt among
    them), token limit, temperature, stop sequences, tools, and the sampling that the settings ask for. Processes may
    share a folder. A file that cannot be read counts as not there; a folder that cannot be written costs the cache,
    not the run.

    Args:
        inner: answers what is not there.
        folder: made on first use.
        server: where the model is.
        sampling: what else shapes its answers, in any order.
        megabytes: that the folder may hold; beyond, what was used longest ago goes. Several processes that write at
            once may exceed it for a while. 0 is no limit.
    """

    def __init__(
        self, inner: Model, folder: Path, *, server: str = "", sampling: str = "", megabytes: float = 0
    ) -> None:
        self.name = inner.name
        self.facts = facts_of(inner)
        self._inner = inner
        self._folder = folder
        self._server = server
        self._sampling = sampling
        self._most = int(megabytes * _MEGABYTE)
        self._size: int | None = None
        self._lock = threading.Lock()

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
            self._keep(path, completion)
        return completion

    def _keep(self, path: Path, completion: Completion) -> None:
        written = _write(path, completion)
        if not self._most:
            return
        with self._lock:
            self._size = self._measured() if self._size is None else self._size + written
            if self._size > self._most:
                self._size = self._make_room()

    def _measured(self) -> int:
        return sum(size for _, size, _ in self._files())

    def _make_room(self) -> int:
        """Remove what was used longest ago; the size of the rest is returned."""
        files = sorted(self._files())
        size = sum(bytes_ for _, bytes_, _ in files)
        for _, bytes_, file in files:
            if size <= self._most * _SPARED:
                break
            with contextlib.suppress(OSError):
                file.unlink()
            size -= bytes_
        return size

    def _files(self) -> Iterator[tuple[float, int, Path]]:
        """When each was last used, how large it is, and where."""
        for file in self._folder.glob("??/*.json"):
            with contextlib.suppress(OSError):  # another process has removed it
                about = file.stat()
                yield about.st_mtime, about.st_size, file

    def _path(self, messages: Sequence[Message], options: CallOptions) -> Path:
        asked = (
            _FORMAT,
            self._server,
            self.name,
            [(message.role, message.content) for message in messages],
            options.max_tokens,
            options.temperature,
            options.stop,
            options.may_run_code,
            self._sampling,
        )
        digest = hashlib.sha256(msgspec.json.encode(asked)).hexdigest()
        return self._folder / digest[:2] / f"{digest}.json"


def _read(path: Path) -> Completion | None:
    try:
        completion = msgspec.json.decode(path.read_bytes(), type=Completion)
    except (OSError, msgspec.MsgspecError):
        return None
    with contextlib.suppress(OSError):
        os.utime(path)  # used now: it goes last
    return completion


def _write(path: Path, completion: Completion) -> int:
    """Write it whole or not at all; how many bytes were written is returned."""
    content = msgspec.json.encode(completion)
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
            Path(temporary).replace(path)  # atomic: a reader sees all of it or nothing
        except OSError:
            Path(temporary).unlink(missing_ok=True)
            raise
        return len(content)
    return 0
