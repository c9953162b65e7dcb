"""A run as a file: one event a line, written as it happens, readable after a crash."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from rlm_search.errors import ConfigError
from rlm_search.trace.events import AnyEvent

_SHORTEST_SECRET = 8
"""Shorter values are no keys, and would blot out ordinary words."""

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(AnyEvent)


class JsonlWriter:
    """A listener that appends each event to a file with one write: what a killed run leaves ends with a whole line.

    Args:
        path: a new file, readable by its owner only; its folder is made.
        secrets: values that must not get into the file; `[secret]` takes their place.

    Attributes:
        failure: why it stopped writing, or "". A full disk costs the rest of the trace, not the run.

    Raises:
        ConfigError: the file cannot be made.
    """

    def __init__(self, path: Path, *, secrets: Iterable[str] = ()) -> None:
        self.path = path
        self.failure = ""
        self._secrets = [_as_in_json(secret) for secret in secrets if len(secret) >= _SHORTEST_SECRET]
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        except OSError as error:
            raise ConfigError(f"cannot write the trace {path}: {error.strerror}") from None

    def __call__(self, event: AnyEvent) -> None:
        """Write one event."""
        if self.failure or self._descriptor < 0:
            return
        line = _encoded(event)
        for secret in self._secrets:
            line = line.replace(secret, b"[secret]")
        line += b"\n"
        try:
            written = os.write(self._descriptor, line)
        except OSError as error:
            self.failure = error.strerror or str(error)
            return
        if written < len(line):
            self.failure = "only a part of an event could be written"

    def close(self) -> None:
        """Close the file; later events are dropped."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def read_events(path: Path) -> Iterator[AnyEvent]:
    """The events of a file; a last line that was cut off is left out.

    Raises:
        ConfigError: it cannot be read, or holds something else.
    """
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                try:
                    yield _decoder.decode(line)
                except (msgspec.MsgspecError, UnicodeDecodeError):
                    if not line.endswith(b"\n"):
                        return
                    raise _no_event(path, number, line) from None
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None


def _encoded(event: AnyEvent) -> bytes:
    try:
        return _encoder.encode(event)
    except (UnicodeEncodeError, TypeError):  # half a surrogate pair, or a value that JSON does not have
        text = json.dumps(msgspec.to_builtins(event, enc_hook=str), ensure_ascii=False, default=str)
        return text.encode("utf-8", "replace")


def _no_event(path: Path, number: int, line: bytes) -> ConfigError:
    try:
        kind = json.loads(line).get("type", "")
    except (ValueError, AttributeError):
        kind = ""
    if kind and number > 1:
        return ConfigError(f"{path}, line {number}: an event `{kind}` that this version does not know")
    return ConfigError(
        f"{path} is no recorded run: line {number} is no event", hint="runs are kept as .jsonl files beside the index"
    )


def _as_in_json(secret: str) -> bytes:
    return _encoder.encode(secret)[1:-1]
