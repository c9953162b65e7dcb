"""A confined process cannot do what its policy does not leave it, and says so truly."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from confinement import Policy, Report, confine, landlock, libraries

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(sys.platform != "linux", reason="Landlock and seccomp are of Linux"),
]
TRUE = os.path.realpath("/bin/true")
Deed = Callable[[Path], object]


def in_a_fork(policy: Policy, deed: Callable[[Report], object]) -> str:
    """What a confined fork of this process says of a deed: "done", or the error's type."""
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            said = str(deed(confine(policy)) or "done")
        except BaseException as error:  # noqa: BLE001 - fate: told to the test
            said = type(error).__name__
        os.write(writer, said.encode())
        os._exit(0)
    os.close(writer)
    os.waitpid(pid, 0)
    with os.fdopen(reader) as told:
        return told.read()


@pytest.fixture(scope="module", autouse=True)
def _needs_the_kernel() -> None:
    found = in_a_fork(Policy(read=libraries()), lambda report: report.lacking)
    if found != "done":
        pytest.skip(f"this system cannot confine: {found}")


@pytest.fixture
def tried(tmp_path: Path) -> Callable[..., str]:
    """Runs a deed with `input/` to read and `scratch/` to write."""
    for name in ("input", "scratch", "outside"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    (tmp_path / "input" / "link").symlink_to(tmp_path / "outside" / "file")

    def run(deed: Deed, execute: tuple[str, ...] = ()) -> str:
        policy = Policy(
            read=(*libraries(), str(tmp_path / "input")), write=(str(tmp_path / "scratch"),), execute=execute
        )
        return in_a_fork(policy, lambda report: deed(tmp_path))

    return run


def run_program(*command: str) -> Deed:
    return lambda _: subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={}) and None


def connect(family: int, address: object, kind: int = socket.SOCK_STREAM) -> Deed:
    def deed(_: Path) -> None:
        with socket.socket(family, kind) as connection:
            connection.connect(address)  # type: ignore[arg-type]  # each family has its own

    return deed


def libc_call(name: str, *arguments: int) -> Deed:
    def deed(_: Path) -> None:
        if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments) < 0:
            raise OSError(ctypes.get_errno(), name)

    return deed


def in_a_thread(_: Path) -> None:
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()


ALLOWED: dict[str, Deed] = {
    "read its input": lambda home: (home / "input" / "file").read_text() and None,
    "list its input": lambda home: os.listdir(home / "input") and None,
    "write to scratch": lambda home: (home / "scratch" / "new").write_text("x") and None,
    "change and remove in scratch": lambda home: (home / "scratch" / "file").rename(home / "scratch" / "b").unlink(),
    "import what was not loaded": lambda _: __import__("wave") and None,
    "start a thread": in_a_thread,
    "signal itself": lambda _: os.kill(os.getpid(), 0),
}
REFUSED: dict[str, Deed] = {
    "read another file": lambda home: (home / "outside" / "file").read_text(),
    "read the users": lambda _: Path("/etc/passwd").read_text(),
    "follow a link out": lambda home: (home / "input" / "link").read_text(),
    "list the root": lambda _: os.listdir("/"),
    "read the parent's memory": lambda _: Path(f"/proc/{os.getppid()}/mem").open("rb").close(),
    "read the parent's environment": lambda _: Path(f"/proc/{os.getppid()}/environ").read_bytes(),
    "write to its input": lambda home: (home / "input" / "file").write_text("x"),
    "make a file in its input": lambda home: (home / "input" / "new").write_text("x"),
    "remove its input": lambda home: (home / "input" / "file").unlink(),
    "truncate its input": lambda home: os.truncate(home / "input" / "file", 0),
    "change the mode of its input": lambda home: (home / "input" / "file").chmod(0o777),
    "change the times of its input": lambda home: os.utime(home / "input" / "file", (0, 0)),
    "write beside scratch": lambda home: (home / "new").write_text("x"),
    "move scratch out": lambda home: (home / "scratch" / "file").rename(home / "outside" / "moved"),
    "hard link the input": lambda home: os.link(home / "outside" / "file", home / "scratch" / "linked"),
    "TCP over IPv4": connect(socket.AF_INET, ("127.0.0.1", 9)),
    "TCP over IPv6": connect(socket.AF_INET6, ("::1", 9)),
    "UDP": connect(socket.AF_INET, ("127.0.0.1", 9), socket.SOCK_DGRAM),
    "an abstract socket": connect(socket.AF_UNIX, "\0rlm-search"),
    "netlink": connect(socket.AF_NETLINK, (0, 0), socket.SOCK_RAW),
    "fork": lambda _: os.fork() or os._exit(0),
    "execute a shell": run_program("/bin/sh", "-c", "true"),
    "signal its parent": lambda _: os.kill(os.getppid(), 0),
    "trace itself": libc_call("ptrace", 0, 0, 0, 0),
    "trace its parent": lambda _: libc_call("ptrace", 16, os.getppid(), 0, 0)(_),
    "a new user namespace": libc_call("unshare", 0x10000000),
    "mount": libc_call("mount", 0, 0, 0, 0, 0),
    "change the root": lambda home: os.chroot(home),
    "memory that is a file": lambda _: os.memfd_create("x"),
    "io_uring": libc_call("syscall", 425, 1, 0),
    "bpf": lambda _: libc_call("syscall", {"x86_64": 321}.get(os.uname().machine, 280), 0, 0, 0)(_),
    "kernel keys": lambda _: libc_call("syscall", {"x86_64": 250}.get(os.uname().machine, 219), 0, -3, 0)(_),
    "raise the limits of its parent": lambda _: __import__("resource").prlimit(os.getppid(), 7, (64, 64)),
}


@pytest.mark.parametrize("name", ALLOWED)
def test_what_the_policy_leaves_works(tried: Callable[..., str], name: str) -> None:
    assert tried(ALLOWED[name]) == "done"


@pytest.mark.parametrize("name", REFUSED)
def test_all_else_is_refused(tried: Callable[..., str], name: str) -> None:
    assert tried(REFUSED[name]) in ("PermissionError", "OSError")


def test_a_listener_is_not_reached(tried: Callable[..., str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert tried(connect(socket.AF_INET, server.getsockname())) == "PermissionError"


def test_a_named_program_runs_and_no_other(tried: Callable[..., str]) -> None:
    assert tried(run_program(TRUE), (TRUE,)) == "done"
    assert tried(run_program("/bin/sh", "-c", "true"), (TRUE,)) == "PermissionError"


def test_a_script_runs_by_the_interpreter_of_its_first_line(tried: Callable[..., str], tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\nexit 0\n")
    script.chmod(0o755)
    assert tried(run_program(str(script)), (str(script),)) == "done"


def test_a_program_is_confined_like_its_parent(tried: Callable[..., str], tmp_path: Path) -> None:
    outside = tmp_path / "outside" / "file"
    script = tmp_path / "script"
    script.write_text(f'#!/bin/sh\nread line < {outside} || [ -n "$line" ]\n')
    script.chmod(0o755)
    assert tried(run_program(str(script)), (str(script),)) == "CalledProcessError"


def test_an_own_program_can_be_killed_and_the_parent_cannot(tried: Callable[..., str]) -> None:
    program = os.path.realpath("/bin/sleep")

    def deed(_: Path) -> None:
        with subprocess.Popen([program, "600"]) as process:
            process.send_signal(signal.SIGKILL)
        os.kill(os.getppid(), 0)

    assert tried(deed, (program,)) == "PermissionError"


def lacking(*without: str, execute: tuple[str, ...] = ()) -> str:
    policy = Policy(read=libraries(), execute=execute, without=without)  # type: ignore[arg-type]
    return in_a_fork(policy, lambda report: " ".join(sorted(report.lacking)))


def test_the_report_holds_where_all_is_done() -> None:
    assert lacking() == "done"


def test_the_report_says_what_is_open_without_landlock() -> None:
    assert "reading" in lacking("landlock")
    assert "writing" in lacking("landlock")
    assert "programs" in lacking("landlock", execute=(TRUE,))


def test_without_landlock_network_and_signals_are_refused_all_the_same() -> None:
    assert not {"network", "signals"} & set(lacking("landlock").split())


def test_the_report_says_what_is_open_without_seccomp() -> None:
    assert {"network", "calls"} <= set(lacking("seccomp").split())


def test_with_neither_everything_is_said_to_be_open() -> None:
    assert lacking("landlock", "seccomp", execute=(TRUE,)) == "network programs reading signals system calls writing"


EMPTYINGS: dict[str, Deed] = {
    "truncate": lambda root: os.truncate(root / "outside" / "file", 0),
    "open to read": lambda root: os.open(root / "outside" / "file", os.O_RDONLY | os.O_TRUNC),
    "open for nothing": lambda root: os.open(root / "outside" / "file", os.O_ACCMODE | os.O_TRUNC),
    "open to write": lambda root: (root / "outside" / "file").write_text(""),
}


@pytest.mark.parametrize("how", EMPTYINGS)
@pytest.mark.parametrize("abi", [2, landlock.version()])
def test_no_file_is_emptied_on_older_kernels_either(
    tried: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, abi: int
) -> None:
    monkeypatch.setattr(landlock, "version", lambda: abi)
    assert tried(EMPTYINGS[how]) == "PermissionError"
    assert (tmp_path / "outside" / "file").read_text() == "outside"


def test_what_may_be_written_may_be_emptied(tried: Callable[..., str]) -> None:
    assert tried(lambda root: (root / "scratch" / "file").write_text("") or None) == "done"


def test_without_seccomp_an_older_kernel_does_not_hold_writing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landlock, "version", lambda: 2)
    policy = Policy(read=libraries())
    assert in_a_fork(policy, lambda report: report.lacking) == "done"
    said = in_a_fork(replace(policy, without=("seccomp",)), lambda report: report.lacking)
    assert "'writing': 'seccomp is not to be used'" in said
