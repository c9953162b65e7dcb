"""What attacks are run against: canaries in files, environment, memory and behind listeners, and what is seen after."""

from __future__ import annotations

import os
import platform
import re
import secrets
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.peers_sandbox import functions
from confinement.allowed import ALLOWED
from rlm_search.sandbox.confined import ConfinedSandbox

PRELUDE = '''
def win():
    print("REACHED" + "-" + "IT")

def module(name):
    """The real module: by the `sys` of any class's globals, else by import."""
    for kind in ().__class__.__base__.__subclasses__():
        try:
            known = kind.__init__.__globals__["sys"].modules
        except Exception:
            continue
        return known[name] if name in known else known["importlib"].import_module(name)
    return __import__(name)

def raw():
    ctypes = module("rlm_search.sandbox.limits").ctypes
    module("sys").modules["ctypes"] = ctypes
    return ctypes.CDLL(None, use_errno=True)

def frame(text):
    data = text.encode()
    return len(data).to_bytes(4, "big") + data
'''
REACHED = "REACHED" + "-IT"


@dataclass(frozen=True, slots=True)
class Attack:
    """One attack: its cells, and for how long each may run."""

    kind: str
    title: str
    cells: list[str]
    seconds: float
    spoils_itself: bool


def attacks() -> dict[str, Attack]:
    """All of them, by class and title."""
    text = Path(__file__).with_name("attacks.txt").read_text()
    made = {}
    for part in re.split(r"(?m)^## ", text)[1:]:
        head, _, body = part.partition("\n")
        kind, _, title = head.partition(" | ")
        seconds = re.search(r"\[([\d.]+)\]", title)
        name = re.sub(r" \[[^]]*\]", "", title)
        made[f"{kind}: {name}"] = Attack(
            kind, name, body.split("# %%\n"), float(seconds[1]) if seconds else 2.0, "[own]" in title
        )
    return made


class Arena:
    """The canaries, and whether any was reached."""

    def __init__(self, folder: Path) -> None:
        self.canary = f"canary-{secrets.token_hex(8)}"
        self.folder = folder
        self.path = folder / "secret.txt"
        self.path.write_text(self.canary)
        self.path.chmod(0o666)
        folder.chmod(0o777)
        self._before = self._look()
        self.visitors: list[str] = []
        self.abstract = f"\0rlm-search-{secrets.token_hex(8)}"
        self._listeners = [socket.create_server(("127.0.0.1", 0)), socket.socket(socket.AF_UNIX)]
        self._listeners[1].bind(self.abstract)
        self._listeners[1].listen()
        self.port = self._listeners[0].getsockname()[1]
        for listener in self._listeners:
            threading.Thread(target=self._greet, args=(listener,), daemon=True).start()
        self._kept: dict[str, Any] = {"kept": [1]}

    def _greet(self, listener: socket.socket) -> None:
        while True:
            try:
                visitor, _ = listener.accept()
            except OSError:
                return
            with visitor:
                self.visitors.append("somebody")
                visitor.sendall(self.canary.encode())

    def _look(self) -> list[tuple[Any, ...]]:
        seen = []
        for entry in sorted(self.folder.rglob("*")):
            about = entry.lstat()
            seen.append((entry.name, about.st_mode, about.st_size, about.st_mtime_ns, about.st_uid, about.st_ctime_ns))
        return seen

    def prelude(self, other: int | None, zygote: int | None) -> str:
        """What the attacking cells find."""
        column = 0 if platform.machine() == "x86_64" else 1
        numbers = {call.numbers[column] for call in ALLOWED.values()} - {None}
        names = {
            "PATH": str(self.path),
            "FOLDER": str(self.folder),
            "PORT": self.port,
            "ABSTRACT": self.abstract,
            "HOST": os.getpid(),
            "ZYGOTE": zygote,
            "OTHER": other,
            "ALLOWED": numbers,
        }
        return PRELUDE + "\n".join(f"{name} = {value!r}" for name, value in names.items())

    def functions(self) -> dict[str, Callable[..., Any]]:
        """The host functions that are offered to the attacking cells."""
        return functions(self.canary, self._kept)

    def reached(self, output: str) -> list[str]:
        """What an attack has got hold of; nothing, where it was contained."""
        found = []
        if REACHED in output:
            found.append("it says that it worked")
        if self.canary in output:
            found.append("the canary was shown")
        if self.visitors:
            found.append("a listener was reached")
        if self._look() != self._before:
            found.append(f"the folder was changed: {self._look()}")
        return found

    def restore(self) -> None:
        """After an attack that was not contained: everything as it was."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(exist_ok=True)
        self.folder.chmod(0o777)
        self.path.write_text(self.canary)
        self.path.chmod(0o666)
        self._before = self._look()
        self.visitors.clear()

    def close(self) -> None:
        for listener in self._listeners:
            listener.close()


@contextmanager
def arena() -> Iterator[Arena]:
    """Canaries for a while, in the environment too."""
    with tempfile.TemporaryDirectory(prefix="arena-") as home:
        made = Arena(Path(home))
        os.environ["OPENAI_API_KEY"] = made.canary
        try:
            yield made
        finally:
            os.environ.pop("OPENAI_API_KEY", None)
            made.close()


def holds_elsewhere(sandbox: ConfinedSandbox) -> None:
    """A worker that is no process of this machine's confines itself all the same, and has nothing of what is there."""
    sandbox.start({})
    code = "os = collections._sys.modules['os']\nprint(dict(os.environ))\nos.listdir('/')"
    execution = sandbox.execute(code, timeout=20)
    assert execution.stdout in ("{}\n", "{'LC_CTYPE': 'C.UTF-8'}\n")
    assert "PermissionError" in execution.error
    assert sandbox.confinement["seccomp"] == sandbox.confinement["tried"] == "held"
    assert sandbox.confinement["seen"] == "it runs elsewhere"
