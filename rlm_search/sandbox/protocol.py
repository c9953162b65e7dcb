"""What host and worker say to each other: the frames that a worker may send, and the limits of a session."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import msgspec

from rlm_search.errors import ToldToModel
from rlm_search.sandbox import wire

__all__ = ["BadCall", "Call", "Done", "Frame", "Missing", "NotPlain", "Ready", "SandboxLimits", "Value", "decode"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxLimits:
    """What one session may use.

    Attributes:
        memory_bytes: address space of the worker above what it has before the first cell (Linux).
        cpu_seconds: of the whole session, as a backstop; the kernel kills the worker when they are spent.
        output_characters: of stdout and stderr that are kept of a cell: half from its beginning, half from its end.
        calls: host calls in one cell.
        call_bytes: all arguments of the host calls in one cell, as JSON.
        session_calls: host calls while a worker lives.
        message_bytes: the longest message either way: a variable, a result, the arguments of a call.
        session_bytes: everything that the worker sends while it lives.
        grace_seconds: from the soft stop, which keeps the variables, to the hard one.
        start_seconds: until the worker must be ready.
        journal_bytes: code and answers that are kept for replaying the cells of a session whose worker was lost.
        replay_seconds: wall clock of such a replay.
    """

    memory_bytes: int = 512 * 1024 * 1024
    cpu_seconds: int = 3_600
    output_characters: int = 400_000
    calls: int = 1_000
    call_bytes: int = 64 * 1024 * 1024
    session_calls: int = 100_000
    message_bytes: int = 128 * 1024 * 1024
    session_bytes: int = 1024 * 1024 * 1024
    grace_seconds: float = 1.5
    start_seconds: float = 30.0
    journal_bytes: int = 64 * 1024 * 1024
    replay_seconds: float = 30.0


class BadCall(ToldToModel, TypeError):
    """A host function was called with arguments that it does not take."""


class _Frame(msgspec.Struct, frozen=True, tag_field="t", forbid_unknown_fields=True, kw_only=True):
    step: int


class Ready(_Frame, frozen=True, tag="ready"):
    """The worker has limited itself; `report` has a word for each step: "held", or why not."""

    report: dict[str, str]
    pid: int
    uid: int


class Call(_Frame, frozen=True, tag="call"):
    """A cell calls a host function."""

    name: str
    args: list[Any]
    kwargs: dict[str, Any]


class Done(_Frame, frozen=True, tag="done"):
    """A cell has ended. `threads` still run after it."""

    stdout: str
    stdout_length: int
    error: str
    ended: Literal["ok", "raised", "timeout"]
    threads: int


class Value(_Frame, frozen=True, tag="value"):
    """The answer to a request. Where `raw`, the value is a text that comes as the next message, as it is."""

    value: Any
    raw: bool = False


class Missing(_Frame, frozen=True, tag="missing"):
    """There is no variable of that name."""


class NotPlain(_Frame, frozen=True, tag="not_plain"):
    """There is one, and it is not plain data."""

    why: str


Frame: TypeAlias = Ready | Call | Done | Value | Missing | NotPlain

_decoder: msgspec.json.Decoder[Frame] = msgspec.json.Decoder(Frame)
_MAX_ITEMS = 5_000_000
"""Items in one message: `[[],[],…` of 100 MB would fill gigabytes of the host."""


def decode(message: bytes) -> Frame:
    """Read what a worker sent, trusting nothing.

    Raises:
        WireError: it is not JSON, no frame that we know, too deep, or of too many items.
    """
    if len(message) > _MAX_ITEMS and message.count(b",") + message.count(b"[") + message.count(b"{") > _MAX_ITEMS:
        raise wire.WireError(f"a message of more than {_MAX_ITEMS:,} items")
    try:
        frame = _decoder.decode(message)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise wire.WireError(f"a frame that cannot be read: {str(error)[:200]}") from None
    for value in _free_parts(frame):
        wire.check_depth(value)
    return frame


def _free_parts(frame: Frame) -> tuple[Any, ...]:
    match frame:
        case Call(args=args, kwargs=kwargs):
            return args, kwargs
        case Value(value=value):
            return (value,)
        case _:
            return ()


def encode(fields: Mapping[str, Any]) -> bytes:
    """Write what the host sends: dataclasses and mappings as objects, tuples as arrays, numpy scalars as numbers.

    Raises:
        TypeError: something in it is not data.
    """
    try:
        return msgspec.json.encode(fields, enc_hook=_as_data)
    except (UnicodeEncodeError, OverflowError):  # a lone surrogate in a document, an integer of more than 64 bits
        import json

        return json.dumps(msgspec.to_builtins(fields, enc_hook=_as_data, str_keys=True)).encode()


def _as_data(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if hasattr(value, "item"):  # a scalar of numpy
        return value.item()
    if hasattr(value, "__iter__"):
        return list(value)
    raise TypeError(f"a {type(value).__name__} is not data that a sandbox can be given")
