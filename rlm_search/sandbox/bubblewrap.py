"""An outer ring around the workers: namespaces of their own and a file system of a few read-only folders (bubblewrap).

The process that workers are forked from is started within it, once a host: a session costs no more than without.
Inside, each worker confines itself as ever. What the ring adds holds where the filter of calls should be wrong: no
network, no process of the host to be seen, no file but the interpreter's.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from rlm_search.errors import SandboxError
from rlm_search.sandbox.confined import ConfinedSandbox
from rlm_search.sandbox.launch import WORKER, LocalWorker, forked, nursery
from rlm_search.sandbox.protocol import SandboxLimits

PROGRAM = "bwrap"
_OURS = (WORKER.parent, WORKER.parents[2] / "confinement")
_PROBE_SECONDS = 10.0
_NEEDED_BY_ROOT = ("CAP_SETUID", "CAP_SETGID", "CAP_SYS_CHROOT")
"""What a worker of root's gives up itself, once it has become a user of its own in an empty folder."""


def ring(python: str = "") -> tuple[str, ...]:
    """The words to put before a worker's command line.

    Args:
        python: its interpreter; this one by default.

    Raises:
        SandboxError: bubblewrap is not installed.
    """
    program = shutil.which(PROGRAM)
    if program is None:
        raise SandboxError(
            "bubblewrap is not installed",
            hint="install it (Debian: apt install bubblewrap), or set `sandbox.bubblewrap` to false",
        )
    rights = [word for right in _NEEDED_BY_ROOT for word in ("--cap-add", right)] if os.geteuid() == 0 else []
    return (
        *(program, "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"),
        *("--new-session", "--clearenv", "--unsetenv", "PWD", "--cap-drop", "ALL", *rights),
        *_system(),
        *_mounted(python or sys.executable),
        *("--proc", "/proc", "--dev", "/dev", "--remount-ro", "/", "--chdir", "/", "--"),
    )


def _system() -> Iterator[str]:
    yield from ("--ro-bind", "/usr", "/usr")
    for folder in ("/lib", "/lib32", "/lib64"):
        if os.path.islink(folder):
            yield from ("--symlink", os.readlink(folder), folder)
        else:
            yield from ("--ro-bind-try", folder, folder)


def _mounted(python: str) -> Iterator[str]:
    program = os.path.realpath(python)
    library = str(Path(program).parents[1] / "lib")
    for path in (program, library, *map(str, _OURS)):
        if not path.startswith("/usr/"):
            yield from ("--ro-bind", path, path)


@functools.cache
def holds_here() -> str:
    """Try it: "" where it works, or what it says (no user namespaces, a container that forbids mounts)."""
    command = [*ring(), os.path.realpath(sys.executable), "-I", "-S", "-c", ""]
    try:
        done = subprocess.run(  # noqa: S603  # our own interpreter
            command, env={}, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PROBE_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    said = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
    return said[0] if done.returncode else ""


def ringed(python: str = "") -> LocalWorker:
    """A worker that is forked within the ring. Returns at once.

    Raises:
        SandboxError: bubblewrap is not installed, or does not work here.
    """
    if said := holds_here():
        raise SandboxError(
            f"bubblewrap does not work here: {said}",
            hint="it needs user namespaces, or root; `sandbox.bubblewrap = false` does without",
        )
    real = os.path.realpath(python or sys.executable)  # links lead to folders that are not there inside
    words = ring(real)
    return forked(real, ring=words, seen_as=functools.partial(_seen_as, words, real))


def _seen_as(words: tuple[str, ...], python: str, inside: int) -> int | None:
    """The process id on this side of a worker that has `inside` in the ring; None where it cannot be found."""
    outer = nursery().pid_of(python, words)
    generation = {outer} if outer is not None else set()
    for _ in range(3):  # bubblewrap, its own first process, the one that workers are forked from, the workers
        generation = {child for pid in generation for child in _children(pid)}
    return next((pid for pid in generation if _innermost(pid) == inside), None)


def _children(pid: int) -> list[int]:
    with suppress(OSError):
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]
    return []


def _innermost(pid: int) -> int | None:
    with suppress(OSError), open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as status:
        for line in status:
            if line.startswith("NSpid:"):
                return int(line.split()[-1])
    return None


def bubblewrapped_sandbox(limits: SandboxLimits | None = None) -> ConfinedSandbox:
    """A confined process within the ring.

    Raises:
        SandboxError: by its methods, where bubblewrap is missing or does not work.
    """
    return ConfinedSandbox(limits, launch=ringed)
