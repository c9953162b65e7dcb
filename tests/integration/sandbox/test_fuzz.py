"""Arbitrary frames in both directions: the host ends the session or goes on, the worker answers or ends.

`RLM_SEARCH_TEST_SLOW` makes it many more.
"""

from __future__ import annotations

import json
import os
import select
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rlm_search.sandbox import wire
from rlm_search.sandbox.host import Session, SessionEnded
from rlm_search.sandbox.launch import forked
from rlm_search.sandbox.protocol import SandboxLimits

pytestmark = pytest.mark.integration

SLOW = bool(os.environ.get("RLM_SEARCH_TEST_SLOW"))
FEW = settings(max_examples=1_000 if SLOW else 60, deadline=None, suppress_health_check=list(HealthCheck))
MANY = settings(max_examples=5_000 if SLOW else 200, deadline=None, suppress_health_check=list(HealthCheck))

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
KINDS = ("ready", "call", "done", "value", "missing", "not_plain", "exec", "")
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "t": st.sampled_from(KINDS) | JSON,
    "step": st.sampled_from([0, 1, 2, -1]) | JSON,
    "name": st.sampled_from(["echo", "nothing", "__init__"]) | JSON,
    "args": st.lists(JSON, max_size=3) | JSON,
    "kwargs": st.dictionaries(st.text(max_size=5), JSON, max_size=2) | JSON,
    "stdout": st.text(max_size=30) | JSON,
    "stdout_length": st.integers() | JSON,
    "error": st.text(max_size=30) | JSON,
    "ended": st.sampled_from(["ok", "raised", "timeout", "killed"]) | JSON,
    "threads": st.sampled_from([0, 0, 5]) | JSON,
    "value": JSON,
    "raw": st.booleans() | JSON,
    "why": st.text(max_size=10) | JSON,
}
WHOLE = {
    "call": ("name", "args", "kwargs"),
    "done": ("stdout", "stdout_length", "error", "ended", "threads"),
    "value": ("value",),
}


@st.composite
def frames(draw: st.DrawFn) -> bytes:
    """A frame, more or less as a worker would send it, or mere bytes."""
    kind = draw(st.sampled_from([*WHOLE, "mixed", "bytes"]))
    if kind == "bytes":
        return draw(st.binary(max_size=40))
    if kind == "mixed":
        names = draw(st.lists(st.sampled_from(sorted(FIELDS)), max_size=8, unique=True))
        body = {name: draw(FIELDS[name]) for name in names}
    else:
        body = {"t": kind, "step": 1, **{name: draw(FIELDS[name]) for name in WHOLE[kind]}}
    text = json.dumps(body).encode()
    if draw(st.integers(0, 4)) == 0:  # one byte of it is another
        at = draw(st.integers(0, len(text) - 1))
        text = text[:at] + draw(st.binary(min_size=1, max_size=1)) + text[at + 1 :]
    return text


@MANY
@given(st.lists(frames(), min_size=1, max_size=5), st.booleans())
def test_whatever_a_worker_sends_the_host_has_a_report_or_an_ended_session(sent: list[bytes], asks: bool) -> None:
    ours, theirs = socket.socketpair()
    received: list[Any] = []
    with ours, theirs:
        session = Session(ours, SandboxLimits(grace_seconds=0.05))
        worker = threading.Thread(target=answer, args=(theirs, sent))
        worker.start()
        try:
            received.append(session.get("x") if asks else session.execute("1", 0.05))
        except SessionEnded:
            assert not session.usable
        except (KeyError, ValueError):  # a variable that is missing, or no data
            assert asks
        theirs.shutdown(socket.SHUT_RDWR)
        worker.join()
    for done in received:
        json.dumps(done if asks else [done.stdout, done.error, done.ended], allow_nan=False)


def answer(sock: socket.socket, frames: list[bytes]) -> None:
    try:
        wire.receive(sock, limit=1_000_000)
        for frame in frames:
            wire.send(sock, frame)
    except wire.WireError:
        return


REQUESTS = st.fixed_dictionaries(
    {"t": st.sampled_from(["execute", "set", "get", "list", "offer", "other"]), "step": st.integers(0, 9) | JSON},
    optional={
        "code": st.sampled_from(["1", "x = [", "raise SystemExit"]) | JSON,
        "seconds": st.just(1) | JSON,
        "name": st.text(max_size=5) | JSON,
        "value": JSON,
        "functions": st.just([]) | JSON,
    },
)


@FEW
@given(st.lists(REQUESTS.map(lambda r: json.dumps(r).encode()) | st.binary(max_size=30), min_size=1, max_size=6))
def test_whatever_a_host_sends_a_worker_answers_or_ends_and_stays_confined(sent: list[bytes]) -> None:
    worker = forked()
    try:
        session = Session(worker.sock, SandboxLimits())
        session.configure(1)
        pid = session.ready().pid
        worker.arrived(pid)
        worker.sock.setblocking(True)
        for message in sent:
            try:
                wire.send(worker.sock, message)
            except wire.Closed:
                break
            if not select.select([worker.sock], [], [], 5)[0]:
                raise AssertionError("it neither answers nor ends")
            if not worker.sock.recv(1 << 20):
                break
        status = Path(f"/proc/{pid}/status")
        if status.exists():
            seen = status.read_text()
            assert "Seccomp:\t2" in seen or "State:\tZ" in seen
    finally:
        worker.end()
    deadline = time.monotonic() + 5
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.001)
    assert not Path(f"/proc/{pid}").exists()
