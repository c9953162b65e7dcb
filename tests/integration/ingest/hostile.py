"""Tasks for workers that do to their process what hostile and broken files do to a parser's."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ingest.errors import ParseError
from ingest.types import SourceFile, Warned
from ingest.worker import Task
from retrievers.types import Document, IndexedDocument

Read = tuple[IndexedDocument, tuple[Warned, ...]]
MEGABYTE = 1 << 20
PIECE = 256  # documents


def task() -> Task:
    """What a worker does is what the file's name says."""
    return read


def slow_task(marker: str) -> Task:
    """One that takes a minute to load, and tells when it has begun."""
    Path(marker).write_text(str(os.getpid()))
    time.sleep(60)
    return read


def read(file: SourceFile) -> Iterator[Read]:
    deed, _, _ = file.source.partition(" ")
    DEEDS.get(file.source, DEEDS.get(deed, lambda: None))()
    if deed == "records":
        yield from (a_document(f"{file.source}#{number}", "x" * 1_000) for number in range(5_000))
    if deed == "steady":
        for piece in range(4):
            work_for(0.5)
            yield from (a_document(f"{file.source}#{piece}.{number}", "x") for number in range(PIECE))
    if deed == "halfway":
        yield from (a_document(f"{file.source}#{number}", "x") for number in range(300))
        os.kill(os.getpid(), signal.SIGSEGV)
    if deed == "environment":
        yield a_document(file.source, f"{dict(os.environ)} {Path('/proc/self/environ').read_text()}")
    if deed == "orphan":
        yield a_document(file.source, str(an_orphan()))
    yield a_document(file.source, "x" * 5_000_000 if deed == "large" else f"read by {os.getpid()}")


def a_document(name: str, text: str) -> Read:
    document = Document(id=name, source=name, title="", text=text, media_type="text/plain", content_hash="0")
    return IndexedDocument(document=document, chunks=()), (Warned(source=name, kind="read"),)


def work_for(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def spin() -> None:
    while True:
        pass


def native_spin() -> None:
    """A loop in C that holds the interpreter's lock: no Python signal handler would ever run."""
    sum(range(10**12))


def eat() -> None:
    eaten = []
    while True:
        eaten.append(bytearray(16 * MEGABYTE))


def eat_and_hide_it() -> None:
    """Catch every MemoryError, as bad native code does."""
    eaten = []
    while True:
        try:
            eaten.append(bytearray(16 * MEGABYTE))
        except MemoryError:
            time.sleep(0.01)


def be_killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def jump_into_nothing() -> None:
    ctypes.string_at(0)


def recurse() -> None:
    recurse()


def complain() -> None:
    raise KeyError("what a parser did not expect")


def refuse() -> None:
    raise ParseError("a password is needed", kind="encrypted", hint="remove it")


def leave() -> None:
    os._exit(0)


def leave_loudly() -> None:
    os._exit(3)


def talk_nonsense() -> None:
    """Write into every socket that is open."""
    for descriptor in range(3, 64):
        try:
            os.write(descriptor, b"\xff\xff\xff\xff nonsense")
        except OSError:
            continue
    time.sleep(60)


def read_what_is_gone() -> None:
    open("/nowhere/at/all").close()


def leave_a_core_file() -> None:
    os.abort()


def chatter() -> None:
    for _ in range(1_000):
        os.write(1, b"x" * 1_000)
        os.write(2, b"x" * 1_000)


def call_home() -> None:
    with socket.socket() as connection:
        connection.connect(("127.0.0.1", 9))


def an_orphan() -> int:
    """A process of its own session, two forks away, that sleeps."""
    reader, writer = os.pipe()
    if not (child := os.fork()):
        os.setsid()
        orphan = os.fork()
        os.write(writer, f"{orphan or os.getpid()} ".encode())
        time.sleep(0 if orphan else 1_000)
        os._exit(0)
    os.waitpid(child, 0)
    return int(os.read(reader, 64).split()[0])


def spool() -> None:
    with tempfile.NamedTemporaryFile(delete=False) as file:
        file.write(b"an enclosed file")


DEEDS: dict[str, Callable[[], object]] = {
    "killed": be_killed,
    "spin": spin,
    "native": native_spin,
    "sleep": lambda: time.sleep(1_000),
    "eat": eat,
    "hide": eat_and_hide_it,
    "jump": jump_into_nothing,
    "abort": leave_a_core_file,
    "recurse": recurse,
    "complain": complain,
    "refuse": refuse,
    "leave": leave,
    "exit": leave_loudly,
    "nonsense": talk_nonsense,
    "gone": read_what_is_gone,
    "chatter": chatter,
    "passwd": lambda: Path("/etc/passwd").read_text(),
    "call home": call_home,
    "shell": lambda: subprocess.run(["/bin/sh", "-c", "true"], check=True),
    "patricide": lambda: os.kill(os.getppid(), signal.SIGTERM),
    "write": lambda: Path(tempfile.gettempdir()).parent.parent.joinpath("stolen").write_text("x"),
    "spool": spool,
    "slow": lambda: time.sleep(0.3),
}
