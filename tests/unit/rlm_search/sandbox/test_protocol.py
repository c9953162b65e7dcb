from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrievers.types import Hit
from rlm_search.sandbox import protocol, wire
from rlm_search.sandbox.protocol import Call, Done, Missing, NotPlain, Ready, SandboxLimits, Value, decode, encode


@pytest.mark.parametrize(
    ("fields", "frame"),
    [
        ({"t": "ready", "step": 0, "report": {"user": "held"}, "pid": 1, "uid": 2}, Ready),
        ({"t": "call", "step": 1, "name": "f", "args": [1], "kwargs": {}}, Call),
        ({"t": "done", "step": 1, "stdout": "", "stdout_length": 0, "error": "", "ended": "ok", "threads": 0}, Done),
        ({"t": "value", "step": 1, "value": [{"a": None}]}, Value),
        ({"t": "missing", "step": 1}, Missing),
        ({"t": "not_plain", "step": 1, "why": "x"}, NotPlain),
    ],
)
def test_frames_are_read_by_their_tag(fields: dict[str, Any], frame: type) -> None:
    assert isinstance(decode(json.dumps(fields).encode()), frame)


def deep(depth: int) -> str:
    return '{"t":"value","step":1,"value":' + "[" * depth + "]" * depth + "}"


NONSENSE = {
    "nothing": b"",
    "no json": b"hello",
    "a list": b"[]",
    "no tag": b'{"step":1}',
    "an unknown tag": b'{"t":"exec","step":1}',
    "no step": b'{"t":"missing"}',
    "a wrong type": b'{"t":"missing","step":"1"}',
    "more fields": b'{"t":"missing","step":1,"x":2}',
    "another end": b'{"t":"done","step":1,"stdout":"","stdout_length":0,"error":"","ended":"won","threads":0}',
    "not a number": b'{"t":"value","step":1,"value":NaN}',
    "a number out of range": b'{"t":"value","step":1,"value":1e999}',
    "a lone surrogate": b'{"t":"value","step":1,"value":"\\ud800"}',
    "broken utf-8": b'{"t":"value","step":1,"value":"\xff"}',
    "too deep": deep(70).encode(),
    "far too deep": deep(100_000).encode(),
    "deep arguments": b'{"t":"call","step":1,"name":"f","args":' + b"[" * 70 + b"]" * 70 + b',"kwargs":{}}',
    "a pickle": b"\x80\x04\x95\x1a\x00",
}


@pytest.mark.parametrize("what", NONSENSE)
def test_nonsense_is_a_wire_error(what: str) -> None:
    with pytest.raises(wire.WireError):
        decode(NONSENSE[what])


@given(st.binary(max_size=200))
def test_random_bytes_are_a_wire_error_or_a_frame(message: bytes) -> None:
    try:
        frame = decode(message)
    except wire.WireError:
        return
    assert frame.step is not None


def test_a_message_of_too_many_items_is_refused_before_it_is_read() -> None:
    with pytest.raises(wire.WireError, match="5,000,000 items"):
        decode(b'{"t":"value","step":1,"value":[' + b"[]," * 2_600_000 + b"[]]}")


def test_nesting_below_the_limit_is_read() -> None:
    assert isinstance(decode(deep(55).encode()), Value)


class Odd(Mapping[str, int]):
    def __getitem__(self, key: str) -> int:
        return 1

    def __iter__(self) -> Any:
        return iter(["k"])

    def __len__(self) -> int:
        return 1


def test_what_the_host_returns_is_written_as_data() -> None:
    value = {
        "hit": Hit(doc_id="d", pages=(1, 2), metadata={"year": 2019}),
        "number": np.float32(0.5),
        "numbers": np.arange(2).tolist(),
        "set": {1},
        "odd": Odd(),
        "keys": {"a": 1}.keys(),
        "nan": float("nan"),
    }
    written = json.loads(encode(value))
    assert written["hit"]["doc_id"] == "d"
    assert written["hit"]["pages"] == [1, 2]
    assert (written["number"], written["odd"], written["set"], written["keys"]) == (0.5, {"k": 1}, [1], ["a"])
    assert written["nan"] is None


def test_text_and_integers_that_msgspec_refuses_are_written_all_the_same() -> None:
    assert json.loads(encode({"text": "a \ud800 b", "n": 10**40, "d": {1: 2}})) == {
        "text": "a \ud800 b",
        "n": 10**40,
        "d": {"1": 2},
    }


def test_what_is_no_data_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="a object is not data"):
        encode({"x": object()})


def test_limits_have_the_defaults_that_the_docs_name() -> None:
    limits = SandboxLimits()
    assert limits.memory_bytes == 512 * 1024 * 1024
    assert (limits.output_characters, limits.grace_seconds) == (400_000, 1.5)
    assert "BadCall" in protocol.__all__
