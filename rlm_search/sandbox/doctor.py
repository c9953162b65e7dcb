"""What this machine gives a sandbox: proved by attacking it, with what to do where it does not hold."""

from __future__ import annotations

import importlib.util
import os
import platform
import secrets
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rlm_search.errors import SandboxError
from rlm_search.sandbox import choosing, outside
from rlm_search.sandbox.confined import REQUIRED, ConfinedSandbox
from rlm_search.sandbox.monty import monty_sandbox

_MODULES = "modules = collections._sys.modules\nos = modules['os']\nsocket = modules['_socket']\n"
"""How cells get at the real modules, past all courtesies."""
_ATTACKS: Mapping[str, str] = {
    "read a file": "print(os.read(os.open(PATH, 0), 99))",
    "list a folder": "print(os.listdir(FOLDER), WON)",
    "change a file": "os.truncate(PATH, 0); print(WON)",
    "remove a file": "os.unlink(PATH); print(WON)",
    "make a file": "os.mkdir(FOLDER + '/new'); print(WON)",
    "read the environment": "print([name for name in os.environ if name != 'LC_CTYPE'] and WON)",
    "read the host's environment": "print(os.read(os.open(f'/proc/{HOST}/environ', 0), 9999), WON)",
    "connect to this machine": "s = socket.socket(2, 1, 0); s.connect(('127.0.0.1', PORT)); print(s.recv(99), WON)",
    "start a process": "print(os.fork() >= 0 and WON)",
    "start a program": "os.execv('/bin/true', ['true'])",
    "start a thread": "modules['_thread'].start_new_thread(print, ()); print(WON)",
    "signal the host": "os.kill(HOST, 0); print(WON)",
    "signal its group": "os.killpg(0, 0); print(WON)",
    "map executable memory": "modules['mmap'].mmap(-1, 4096, prot=7); print(WON)",
    "raise a limit": "r = modules['resource']; r.setrlimit(r.RLIMIT_NOFILE, (9, 9)); print(WON)",
    "fill the memory": "x = b'a' * 10**11; print(WON)",
    "run for ever": "while True: pass",
}
_ATTACKS_ON_MONTY: Mapping[str, str] = {
    "read a file": "print(open(PATH).read())",
    "list a folder": "import os\nprint(os.listdir(FOLDER), WON)",
    "change a file": "with open(PATH, 'w') as file: file.write('x')\nprint(WON)",
    "make a file": "from pathlib import Path\nPath(FOLDER + '/new').write_text('x')\nprint(WON)",
    "read the environment": "import os\nprint(os.environ['PATH'], WON)",
    "read the host's environment": "print(open(f'/proc/{HOST}/environ').read(), WON)",
    "connect to this machine": "import socket\nsocket.create_connection(('127.0.0.1', PORT))\nprint(WON)",
    "start a program": "import subprocess\nsubprocess.run(['true'])\nprint(WON)",
    "load a library": "import ctypes\nprint(ctypes.CDLL(None), WON)",
    "fill the memory": "x = 'a' * 10**11\nprint(WON)",
    "run for ever": "while True: pass",
}
"""The same, as far as monty's Python can say it."""
_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One thing that was looked at.

    Attributes:
        name: what it is.
        holds: it does, or it is here.
        about: a few words more.
    """

    name: str
    holds: bool
    about: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """What came of it.

    Attributes:
        steps: each step of the default sandbox's confinement.
        attacks: each attack that was made on it.
        others: what else could confine here.
        advice: what to do; "" where there is nothing to be done.
    """

    steps: tuple[Found, ...]
    attacks: tuple[Found, ...]
    others: tuple[Found, ...]
    advice: str = ""

    @property
    def holds(self) -> bool:
        """Code of a model can be run here."""
        return bool(self.attacks) and all(found.holds for found in self.attacks)


def examine() -> Examination:
    """Start the default sandbox and attack it with files, listeners and an environment made for the purpose."""
    others = tuple(_others())
    is_monty = choosing.chosen() == "monty"
    chosen, attempts = (monty_sandbox(), _ATTACKS_ON_MONTY) if is_monty else (ConfinedSandbox(), _ATTACKS)
    with _arena() as arena, chosen as sandbox:
        try:
            sandbox.start({})
            sandbox.execute(arena.names() if is_monty else _MODULES + arena.names(), timeout=20)
        except SandboxError as error:
            return Examination(
                steps=_steps(sandbox), attacks=(), others=others, advice=f"{error.message}; {error.hint}"
            )
        attacks = tuple(_attacked(sandbox, name, code, arena) for name, code in attempts.items())
        steps = _steps(sandbox)
    reached = [found.name for found in attacks if not found.holds]
    advice = f"do not run code of a model here: it could {', '.join(reached)}" if reached else ""
    return Examination(steps=steps, attacks=attacks, others=others, advice=advice)


def _steps(sandbox: ConfinedSandbox) -> tuple[Found, ...]:
    return tuple(
        Found(name=step, holds=word == "held", about=_about(step, word))
        for step, word in sandbox.confinement.items()
        if word != outside.ELSEWHERE
    )


def _about(step: str, word: str) -> str:
    if word == "held":
        return ""
    return word if step in REQUIRED else f"{word} (the rest holds without it)"


def _attacked(sandbox: ConfinedSandbox, name: str, code: str, arena: _Arena) -> Found:
    execution = sandbox.execute(code, timeout=_SECONDS)
    won = arena.won in execution.stdout or arena.canary in execution.stdout + execution.error or arena.was_touched()
    word = execution.error.splitlines()[-1][:120] if execution.error else execution.ended
    return Found(name=name, holds=not won, about="it worked" if won else word)


@dataclass(frozen=True, slots=True)
class _Arena:
    """A file that is to be kept, in a folder that everybody may change, a listener, and the word for a success."""

    secret: Path
    port: int
    canary: str
    won: str

    def names(self) -> str:
        """What the attacking cells find."""
        names = {"PATH": str(self.secret), "FOLDER": str(self.secret.parent), "PORT": self.port, "HOST": os.getpid()}
        return "\n".join(f"{name} = {value!r}" for name, value in {**names, "WON": self.won}.items())

    def was_touched(self) -> bool:
        """Whether the file or its folder is not as it was."""
        return os.listdir(self.secret.parent) != ["secret"] or self.secret.read_text() != self.canary


@contextmanager
def _arena() -> Iterator[_Arena]:
    with tempfile.TemporaryDirectory(prefix="rlm-search-doctor-") as folder, socket.socket() as listener:
        os.chmod(folder, 0o777)  # noqa: S103  # what everybody may change is what must not be changed
        secret = Path(folder, "secret")
        canary = secrets.token_hex(16)
        secret.write_text(canary)
        secret.chmod(0o666)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield _Arena(secret, listener.getsockname()[1], canary, f"reached {secrets.token_hex(4)}")


_PROGRAMS: Mapping[str, str] = {
    "docker": "can hold the same worker in a container",
    "podman": "can hold the same worker in a container",
    "runsc": "gVisor, a kernel of its own for containers",
    "bwrap": "bubblewrap, a second ring around the worker (sandbox.bubblewrap = true)",
}


def _others() -> Iterator[Found]:
    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    yield Found(name="Linux", holds=sys.platform == "linux", about=system)
    has_monty = importlib.util.find_spec("pydantic_monty") is not None
    yield Found(name="monty", holds=has_monty, about="runs a part of Python where no process can be confined")
    for program, about in _PROGRAMS.items():
        yield Found(name=program, holds=shutil.which(program) is not None, about=about)
