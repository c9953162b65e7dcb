"""Coverage-guided fuzzing of what the host reads of a worker, by atheris: a session may end by it, and no more.

python tests/integration/sandbox/fuzz_wire.py [-max_total_time=60] [FOLDER of interesting inputs]

`test_atheris.py` runs it for a while. What is tried with an input, by its first byte: a frame, a stream, a conversation
with a session, lines of text.
"""

from __future__ import annotations

import socket
import sys
from contextlib import suppress
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parents[3]))
with atheris.instrument_imports(include=["rlm_search.sandbox"]):
    from rlm_search.sandbox import protocol, wire
    from rlm_search.sandbox.functions import HostFunction
    from rlm_search.sandbox.host import Session, SessionEnded
    from rlm_search.sandbox.protocol import BadCall, Call, SandboxLimits

LIMITS = SandboxLimits(
    message_bytes=100_000, session_bytes=200_000, grace_seconds=0.2, start_seconds=1.0, output_characters=1_000
)
SEEDS = (
    b'\x00{"t":"call","step":1,"name":"echo","args":[1],"kwargs":{"n":[]}}',
    b'\x00{"t":"done","step":1,"stdout":"","stdout_length":0,"error":"","ended":"ok","threads":0}',
    b'\x02\x00\x00\x00\x48{"t":"call","step":1,"name":"echo","args":["a"],"kwargs":{"top":3,"deep":[]}}',
    b'\x02\x00\x00\x00\x55{"t":"done","step":1,"stdout":"","stdout_length":0,"error":"","ended":"ok","threads":0}',
    b"\x01\x80\x00\x00\x01a\x00\x00\x00\x01b",
    b"\x03<AAAA\n>BBBB\n<CC",
)


def echo(text: str, top: int = 3, deep: list[str] | None = None) -> dict[str, object]:
    """A host function with some types."""
    return {"text": text, "top": top, "deep": deep}


ECHO = HostFunction.of("echo", echo)


def frame(data: bytes) -> None:
    try:
        read = protocol.decode(data)
    except wire.WireError:
        return
    if isinstance(read, Call):
        with suppress(BadCall):
            protocol.encode({"value": ECHO.invoke(read.args, read.kwargs)})


def stream(data: bytes) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(data[:100_000])
        theirs.shutdown(socket.SHUT_WR)
        try:
            while True:
                wire.receive(ours, limit=LIMITS.message_bytes)
        except wire.WireError:
            return


def conversation(data: bytes) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        session = Session(ours, LIMITS)
        session._functions = {"echo": ECHO}
        try:
            _answered(session, theirs, data)
        except SessionEnded:
            return


def _answered(session: Session, theirs: socket.socket, data: bytes) -> None:
    """A cell whose request is answered by these bytes: they come while it is being sent."""
    ask = session._ask

    def asked(message: bytes) -> None:
        ask(message)
        theirs.sendall(data[:100_000])
        theirs.shutdown(socket.SHUT_WR)

    session._ask = asked  # type: ignore[method-assign]  # no thread, so that each input takes microseconds
    session.execute("1", 1.0)


def lines(data: bytes) -> None:
    try:
        for _ in wire.unlined([data[n : n + 7] for n in range(0, len(data), 7)], wire.FROM_WORKER):
            pass
    except wire.WireError:
        return


TARGETS = (frame, stream, conversation, lines)


def try_it(data: bytes) -> None:
    if data:
        TARGETS[data[0] % len(TARGETS)](data[1:])


def main() -> None:
    for folder in filter(Path.is_dir, map(Path, sys.argv[1:])):
        for number, seed in enumerate(SEEDS):
            (folder / f"seed-{number}").write_bytes(seed)
    atheris.Setup(sys.argv, try_it)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
