"""Both ends of a session in one process: the worker's loop on the main thread, the host on another."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_search.errors import ToldToModel
from rlm_search.sandbox import wire
from rlm_search.sandbox.cells import Cells, Clock, Output
from rlm_search.sandbox.host import Session, SessionEnded
from rlm_search.sandbox.namespace import Namespace
from rlm_search.sandbox.protocol import SandboxLimits
from rlm_search.sandbox.worker import Worker


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@pytest.fixture
def talk(
    pair: tuple[socket.socket, socket.socket], cells: Cells, names: Namespace, clock: Clock, output: Output
) -> Callable[..., Any]:
    """Run the host's part in a thread while the worker serves here; returns what the host's part returns."""
    ours, theirs = pair

    def run(host: Callable[[Session], Any], **limits: Any) -> Any:
        def part() -> Any:
            try:
                return host(Session(ours, SandboxLimits(**limits)))
            finally:
                ours.close()

        worker = Worker(theirs, 1_000_000)
        with ThreadPoolExecutor(1) as pool:
            result: Future[Any] = pool.submit(part)
            with pytest.raises(wire.Closed):
                worker.serve(cells, names, clock)
            return result.result(timeout=20)

    return run


def test_cells_variables_and_calls_go_through_one_stream(talk: Callable[..., Any]) -> None:
    def host(session: Session) -> list[Any]:
        session.offer({"double": lambda n: n * 2, "hits": lambda: {"__type__": "Hits", "items": [{"doc_id": "d"}]}})
        session.set("n", 21)
        done = session.execute("r = double(n)\nprint(type(hits()).__name__)\nr", 5)
        return [done.stdout, done.ended, session.get("r"), session.variables()]

    assert talk(host) == ["Hits\n42\n", "ok", 42, {"n": "int: 21", "r": "int: 42"}]


def test_long_texts_travel_as_they_are(talk: Callable[..., Any]) -> None:
    text = 'größer "quoted" \\ \n' * 40_000

    def host(session: Session) -> list[Any]:
        session.set("text", text)
        session.execute("more = text * 2", 5)
        with pytest.raises(ValueError, match="too long to hand over"):
            session.get("more")
        with pytest.raises(ValueError, match="more than a message"):
            session.set("more", text * 3)
        session.set("half", text[:600_000] + "\ud800")
        return [session.get("text"), session.execute("len(text), half[-1]", 5).stdout]

    assert len(text) > wire.RAW_CHARACTERS
    assert talk(host, message_bytes=1_000_000) == [text, f"({len(text)}, '\ufffd')\n"]


def test_a_long_text_that_is_none_ends_the_session(pair: tuple[socket.socket, socket.socket]) -> None:
    session = Session(pair[0], SandboxLimits())
    thread = answering(pair[1], {"t": "value", "step": 1, "value": None, "raw": True}, b"\xff\xfe")
    with pytest.raises(SessionEnded, match="a text that is none"):
        session.get("x")
    thread.join()


def test_a_host_function_asks_for_variables_in_the_middle_of_its_call(talk: Callable[..., Any]) -> None:
    def host(session: Session) -> Any:
        session.offer({"final": lambda name: session.get(name)})
        return session.execute("answer = {'a': 1}\nfinal('answer')", 5).stdout

    assert talk(host) == "{'a': 1}\n"


class OldError(ToldToModel, LookupError):
    """Told to the model as a LookupError."""


def test_errors_are_told_by_their_kind(talk: Callable[..., Any]) -> None:
    def fail(kind: str) -> None:
        raise {"plain": ToldToModel("no luck"), "old": OldError("too old"), "empty": ToldToModel()}[kind]

    def host(session: Session) -> list[str]:
        session.offer({"fail": fail})
        codes = ("fail('plain')", "fail('old')", "fail('empty')", "fail()", "fail(object())")
        return [session.execute(code, 5).error.splitlines()[-1] for code in codes]

    assert talk(host) == [
        "ToolError: no luck",
        "LookupError: too old",
        "ToolError: ToldToModel",
        "TypeError: fail(): missing a required argument: 'kind'. It is fail(kind: str) -> None",
        "TypeError: fail(): it is of type object, which is not plain data (str, int, float, list, dict …)",
    ]


def test_what_breaks_in_the_host_ends_the_cell_and_is_raised_there(talk: Callable[..., Any]) -> None:
    def broken() -> None:
        raise OSError("broken")

    def host(session: Session) -> Any:
        session.offer({"broken": broken})
        with pytest.raises(OSError, match="broken"):
            session.execute("try: broken()\nexcept Exception: pass\nbroken()", 5)
        return session.execute("'next'", 5).stdout

    assert talk(host) == "'next'\n"


def test_missing_and_foreign_values_are_told_apart(talk: Callable[..., Any]) -> None:
    def host(session: Session) -> None:
        session.execute("f = print", 5)
        with pytest.raises(KeyError, match="nothing"):
            session.get("nothing")
        with pytest.raises(ValueError, match="f is not plain data: NotPlain: it is of type builtin"):
            session.get("f")

    talk(host)


def test_budgets_of_calls_bytes_and_messages_hold(talk: Callable[..., Any]) -> None:
    def host(session: Session) -> list[str]:
        session.offer({"note": lambda text: None, "long": lambda: "x" * 200_000})
        with pytest.raises(ValueError, match="more than a message"):
            session.set("x", "y" * 200_000)
        return [
            session.execute(code, 5).error.splitlines()[-1]
            for code in ("for n in range(9): note('a')", "note('a' * 5_000)", "long()")
        ]

    errors = talk(host, calls=3, call_bytes=4_000, message_bytes=100_000)
    assert errors[0].startswith("RuntimeError: a cell may make 3 calls")
    assert errors[1].startswith("RuntimeError: a cell may make 3 calls with 4,000 bytes")
    assert "too long; ask for less" in errors[2]


def test_a_tool_outside_of_a_cell_is_refused(pair: tuple[socket.socket, socket.socket]) -> None:
    worker = Worker(pair[1], 1_000)
    with pytest.raises(Exception, match="can only be called by a running cell"):
        worker.call("search", (), {})


FRAME = {"stdout": "", "stdout_length": 0, "error": "", "ended": "ok", "threads": 0}


def answering(sock: socket.socket, *frames: dict[str, Any] | bytes) -> threading.Thread:
    """A worker that reads one message, then sends these."""

    def work() -> None:
        wire.receive(sock, limit=1_000_000)
        for frame in frames:
            wire.send(sock, frame if isinstance(frame, bytes) else json.dumps(frame).encode())

    thread = threading.Thread(target=work)
    thread.start()
    return thread


BROKEN: dict[str, dict[str, Any] | bytes] = {
    "another step": {"t": "done", "step": 7, **FRAME},
    "another kind": {"t": "value", "step": 1, "value": 1},
    "no frame": b"garbage",
    "deep": b'{"t":"call","step":1,"name":"f","kwargs":{},"args":' + b"[" * 80 + b"]" * 80 + b"}",
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_protocol_ends_the_session(what: str, pair: tuple[socket.socket, socket.socket]) -> None:
    session = Session(pair[0], SandboxLimits())
    thread = answering(pair[1], BROKEN[what])
    with pytest.raises(SessionEnded, match="protocol") as caught:
        session.execute("1", 5)
    thread.join()
    assert caught.value.ended == "killed"
    assert not session.usable


def test_a_frame_that_came_unasked_ends_the_session(pair: tuple[socket.socket, socket.socket]) -> None:
    session = Session(pair[0], SandboxLimits())
    wire.send(pair[1], b'{"t":"value","step":1,"value":1}')
    with pytest.raises(SessionEnded, match="unasked"):
        session.get("x")


def test_threads_that_were_left_running_end_the_session(pair: tuple[socket.socket, socket.socket]) -> None:
    session = Session(pair[0], SandboxLimits())
    thread = answering(pair[1], {"t": "done", "step": 1, **FRAME, "threads": 2})
    with pytest.raises(SessionEnded, match="2 background threads"):
        session.execute("1", 5)
    thread.join()


def test_a_worker_that_never_answers_is_given_up_at_the_deadline(pair: tuple[socket.socket, socket.socket]) -> None:
    session = Session(pair[0], SandboxLimits(grace_seconds=0.05))
    with pytest.raises(SessionEnded, match=r"ran for more than 0.01 s") as caught:
        session.execute("1", 0.01)
    assert caught.value.ended == "killed"


def test_a_worker_that_never_reads_is_given_up_at_the_deadline(pair: tuple[socket.socket, socket.socket]) -> None:
    session = Session(pair[0], SandboxLimits(grace_seconds=0.05))
    with pytest.raises(SessionEnded):
        session.execute("#" * 20_000_000, 0.01)


def test_a_worker_that_is_gone_is_a_crash(pair: tuple[socket.socket, socket.socket]) -> None:
    session = Session(pair[0], SandboxLimits())
    pair[1].close()
    with pytest.raises(SessionEnded, match="died") as caught:
        session.execute("1", 5)
    assert caught.value.ended == "crashed"


def test_what_a_worker_sends_in_all_is_limited(pair: tuple[socket.socket, socket.socket]) -> None:
    session = Session(pair[0], SandboxLimits(session_bytes=1_000))
    thread = answering(pair[1], {"t": "value", "step": 1, "value": "x" * 2_000})
    with pytest.raises(SessionEnded, match="longer than its limit"):
        session.get("x")
    thread.join()


@given(st.lists(st.binary(max_size=60), min_size=1, max_size=4), st.booleans())
def test_whatever_bytes_a_worker_sends_end_the_session_and_no_more(pieces: list[bytes], framed: bool) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        session = Session(ours, SandboxLimits())
        sent = b"".join(pieces)
        thread = answering(theirs, sent) if framed else threading.Thread(target=theirs.sendall, args=(sent,))
        if not framed:
            thread.start()
            thread.join()
            theirs.shutdown(socket.SHUT_WR)
        with pytest.raises(SessionEnded):
            session.execute("1", 5)
        thread.join()
    assert not session.usable


def test_the_workers_report_is_its_first_message(pair: tuple[socket.socket, socket.socket]) -> None:
    session = Session(pair[0], SandboxLimits())
    session.configure(7)
    thread = answering(pair[1], {"t": "ready", "step": 0, "report": {"user": "held"}, "pid": 5, "uid": 6})
    assert session.ready().report == {"user": "held"}
    thread.join()
