"""What code that means it finds when it walks past the courtesies: no secrets, no descriptors, no way to forge."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from rlm_search.sandbox.confined import ConfinedSandbox

pytestmark = pytest.mark.integration

REAL = "modules = collections._sys.modules\nos = modules['os']\n"
"""How a cell gets at the real modules, all courtesies notwithstanding."""

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give the worker a user of its own")


def shown(sandbox: ConfinedSandbox, code: str) -> str:
    execution = sandbox.execute(REAL + code, timeout=10)
    return execution.stdout + execution.error


@pytest.fixture
def canary(monkeypatch: pytest.MonkeyPatch) -> str:
    secret = "canary-5f1d"
    monkeypatch.setenv("OPENAI_API_KEY", secret)
    monkeypatch.setenv("RLM_SEARCH_SECRET", secret)
    return secret


def test_the_environment_is_empty(canary: str, begin: Any) -> None:
    sandbox = begin()
    assert shown(sandbox, "print(sorted(os.environ))") in ("[]\n", "['LC_CTYPE']\n")  # which Python sets itself
    assert canary not in shown(
        sandbox, "import os as o\nprint(dict(os.environ), o.environ, o.getenv('OPENAI_API_KEY'))"
    )
    assert canary not in shown(sandbox, "print(modules['io'].open('/proc/self/environ').read())")


@as_root
def test_the_host_process_cannot_be_signalled(begin: Any) -> None:
    assert "PermissionError" in shown(begin(), "os.kill(os.getppid(), 0)")


@pytest.mark.parametrize("path", ["/proc/%d/environ", "/proc/%d/mem", "/proc/%d/fd/0"])
def test_the_host_process_cannot_be_read(path: str, canary: str, begin: Any) -> None:
    out = shown(begin(), f"print(os.read(os.open({path!r} % os.getppid(), 0), 9999))")
    assert "Error" in out
    assert canary not in out


def test_a_descriptor_that_was_freed_cannot_be_used_again(tmp_path: Path, begin: Any) -> None:
    secret = tmp_path / "key"
    secret.write_text("canary")
    freeing = "for n in (0, 1, 2, 4):\n    try: os.close(n)\n    except OSError: pass\n"
    out = shown(begin(), f"{freeing}print(os.read(os.open({str(secret)!r}, 0), 9))")
    assert "PermissionError" in out


PATHS = {
    "look": "os.stat(path)",
    "look on without an error": "assert os.path.exists(path)",
    "delete": "os.unlink(path)",
    "rename": "os.rename(path, path + '.old')",
    "change": "os.chmod(path, 0)",
    "cut": "os.truncate(path, 0)",
    "touch": "os.utime(path)",
    "make a folder beside": "os.mkdir(path + '.d')",
    "make a link to": "os.link(path, path + '.hard')",
    "make a pipe beside": "os.mkfifo(path + '.fifo')",
    "leave the root": "os.chroot('/')",
}


@as_root
@pytest.mark.parametrize("what", PATHS)
def test_there_are_no_paths_even_where_everybody_may_write(what: str, tmp_path: Path, begin: Any) -> None:
    tmp_path.chmod(0o777)
    file = tmp_path / "open to all"
    file.write_text("canary")
    file.chmod(0o666)
    assert "Error" in shown(begin(), f"path = {str(file)!r}\n{PATHS[what]}")
    assert [entry.name for entry in tmp_path.iterdir()] == ["open to all"]
    assert file.read_text() == "canary"


def test_the_worker_has_five_descriptors_and_none_of_the_hosts(tmp_path: Path, begin: Any) -> None:
    with (tmp_path / "canary").open("w") as canary, socket.socket() as listening:
        for descriptor in (canary.fileno(), listening.fileno()):
            os.set_inheritable(descriptor, True)
        sandbox = begin()
        out = shown(
            sandbox,
            "seen = []\nfor n in range(256):\n    try: os.read(n, 0); seen.append(n)\n"
            "    except OSError: pass\nprint(seen)",
        )
    assert out == "[0, 1, 2, 3, 4]\n"


def test_the_host_sees_only_null_a_socket_and_a_pipe_open_in_the_worker(begin: Any) -> None:
    sandbox = begin()
    sandbox.execute("1", timeout=5)
    folder = Path(f"/proc/{sandbox.pid}/fd")
    if not os.access(folder, os.R_OK):
        pytest.skip("a worker that is not dumpable shows its descriptors to root only")
    kinds = sorted(os.readlink(entry).partition(":")[0] for entry in folder.iterdir())
    assert kinds == ["/dev/null"] * 3 + ["pipe", "socket"]


WALLS = {
    "open a file": "modules['io'].open('/etc/passwd')",
    "os.open": "os.open('/etc/passwd', 0)",
    "list a folder": "os.listdir('/')",
    "scan a folder": "os.scandir('/')",
    "a tcp socket": "modules['socket'].socket()",
    "a unix socket": "modules['socket'].socket(modules['socket'].AF_UNIX)",
    "a socket pair": "modules['socket'].socketpair()",
    "a pipe": "os.pipe()",
    "a file in memory": "os.memfd_create('x')",
    "a duplicate": "os.dup(0)",
    "fork": "os.fork()",
    "spawn": "os.posix_spawn('/bin/true', ['true'], {})",
    "a thread": "modules['_thread'].start_new_thread(print, ())",
    "raise a limit": "r = modules['resource']\nr.setrlimit(r.RLIMIT_NOFILE, (99, 99))",
    "import from disk": "modules['importlib'].import_module('sqlite3')",
    "ctypes": "modules['importlib'].import_module('ctypes')",
    "system": "assert os.system('true') == 0",
    "a pty": "os.openpty()",
    "setuid 0": "os.setuid(0)",
}


@pytest.mark.parametrize("what", WALLS)
def test_the_process_can_open_start_and_raise_nothing(what: str, shared: ConfinedSandbox) -> None:
    if what == "setuid 0" and os.geteuid() != 0:
        pytest.skip("a host that is not root shares its user")
    execution = shared.execute(REAL + WALLS[what], timeout=10)
    assert execution.ended in ("raised", "crashed")
    assert "Error" in execution.error
    assert shared.execute("'alive'", timeout=5).stdout == "'alive'\n"


COURTESY = {
    "open('/etc/passwd')": "PermissionError: open() does not work in this sandbox",
    "input()": "nobody is there",
    "breakpoint()": "PermissionError",
    "import socket": "ModuleNotFoundError: No module named 'socket' in this sandbox. There are:",
    "import subprocess": "ModuleNotFoundError",
    "import ctypes": "ModuleNotFoundError",
    "import requests": "ModuleNotFoundError",
    "import os\nos.listdir('/')": "os.listdir does not exist in this sandbox",
    "from os import system": "ImportError",
    "import io\nio.open('x')": "io.open does not exist",
    "from pathlib import Path\nPath('x').read_text()": "AttributeError",
    "from . import x": "No module named",
}


@pytest.mark.parametrize("code", COURTESY)
def test_what_is_not_there_is_refused_with_a_sentence(code: str, shared: ConfinedSandbox) -> None:
    execution = shared.execute(code, timeout=5)
    assert COURTESY[code] in execution.error
    assert len(execution.error) < 1_000


def test_importers_and_subclasses_reach_nothing_more(tmp_path: Path, sandbox: ConfinedSandbox) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("canary")
    walks = [
        "loaders = [c for c in ().__class__.__base__.__subclasses__() if c.__name__ == 'FileLoader']\n"
        f"print(loaders[0]('x', {str(secret)!r}).get_data({str(secret)!r}))",
        f"import linecache\nprint(linecache.getlines({str(secret)!r}))",
        f"print(json.codecs.open({str(secret)!r}).read())",
        f"print(json.__loader__.get_data({str(secret)!r}))",
        "print(json.dumps.__globals__['__builtins__']['open']" + f"({str(secret)!r}).read())",
        "try: 1/0\nexcept Exception as e: f = e.__traceback__.tb_frame.f_back\n"
        f"print(f.f_builtins['open']({str(secret)!r}).read())",
    ]
    for walk in walks:
        execution = sandbox.execute(walk, timeout=5)
        assert "canary" not in execution.stdout + execution.error, walk


FORGED = {
    "a done frame": (
        'os.write(3, frame(b\'{"t":"done","step":9,"stdout":"forged","stdout_length":6,"error":"","ended":"ok",\''
        "b'\"threads\":0}'))"
    ),
    "a value": 'os.write(3, frame(b\'{"t":"value","step":9,"value":1}\'))',
    "garbage": "os.write(3, b'\\xff' * 64)",
    "no json": "os.write(3, frame(b'not json'))",
    "a pickle": "os.write(3, frame(b'\\x80\\x04\\x95'))",
    "a frame that is too long": "os.write(3, (2**30).to_bytes(4, 'big') + b'x' * 1000)",
    "an unknown type": 'os.write(3, frame(b\'{"t":"exec","step":1}\'))',
    "unknown fields": 'os.write(3, frame(b\'{"t":"value","step":1,"value":1,"more":2}\'))',
    "deep nesting": "os.write(3, frame(b'{\"t\":\"value\",\"step\":1,\"value\":' + b'[' * 500 + b']' * 500 + b'}'))",
    "very deep nesting": "os.write(3, frame(b'[' * 60000))",
    "a lone surrogate": 'os.write(3, frame(b\'{"t":"call","step":1,"name":"\\\\ud800","args":[],"kwargs":{}}\'))',
    "not a number": 'os.write(3, frame(b\'{"t":"value","step":1,"value":NaN}\'))',
    "empty frames for ever": "for _ in range(10**5): os.write(3, b'\\x80\\x00\\x00\\x00')",
}
FRAME = REAL + "def frame(b): return len(b).to_bytes(4, 'big') + b\n"


@pytest.mark.parametrize("what", FORGED)
def test_a_forged_frame_ends_the_session_and_nothing_else(what: str, sandbox: ConfinedSandbox) -> None:
    sandbox.execute("mine = 1", timeout=5)
    execution = sandbox.execute(FRAME + FORGED[what], timeout=5)
    assert execution.ended == "killed"
    assert "protocol" in execution.error
    assert sandbox.execute("'alive'", timeout=5).stdout == "'alive'\n"


def test_a_forged_end_of_the_cell_is_found_out_at_the_next(sandbox: ConfinedSandbox) -> None:
    sandbox.execute("mine = 1", timeout=5)
    forged = (
        'for step in range(12): os.write(3, frame(b\'{"t":"done","step":%d,"stdout":"forged","stdout_length":6,'
        '"error":"","ended":"ok","threads":0}\' % step))'
    )
    executions = [sandbox.execute(FRAME + forged, timeout=5), sandbox.execute("1 + 1", timeout=5)]
    assert "killed" in [execution.ended for execution in executions]
    assert sandbox.execute("1 + 1", timeout=5).stdout == "2\n"


def test_a_half_written_frame_is_killed_at_the_limit(sandbox: ConfinedSandbox) -> None:
    execution = sandbox.execute(REAL + "os.write(3, b'\\x00\\x00\\x10')\nwhile True: pass", timeout=0.3)
    assert execution.ended == "killed"


def test_a_call_of_a_function_that_was_never_offered_is_refused(begin: Any) -> None:
    called: list[Any] = []
    sandbox = begin({"offered": called.append})
    call = 'os.write(3, frame(b\'{"t":"call","step":%d,"name":"system","args":["x"],"kwargs":{}}\' % 3))'
    sandbox.execute(FRAME + call, timeout=5)
    assert called == []
    assert sandbox.execute("'alive'", timeout=5).stdout == "'alive'\n"


def test_the_stream_cannot_be_closed_from_inside(sandbox: ConfinedSandbox) -> None:
    assert "PermissionError" in sandbox.execute(REAL + "kept = 1\nos.close(3)", timeout=5).error
    assert sandbox.execute("kept", timeout=5).stdout == "1\n"


def test_a_cell_that_overwrites_builtins_and_functions_does_not_break_the_next(begin: Any) -> None:
    sandbox = begin({"search": lambda query: f"found {query}"})
    execution = sandbox.execute("print = len = str = None\nsearch = 5\n__builtins__ = {}\n", timeout=5)
    assert "search is a function of this session" in execution.stdout
    assert "note: len is a function" in execution.stdout
    sandbox.execute(REAL + "b = modules['builtins']\nb.len = b.isinstance = b.repr = None", timeout=5)
    sandbox.execute("__builtins__.clear() if isinstance(__builtins__, dict) else 0", timeout=5)
    sandbox.execute("import sys\nsys.stdout = None", timeout=5)
    execution = sandbox.execute("print(len(str(12)), search('x'))", timeout=5)
    assert execution.stdout == "2 found x\n"


def test_every_step_of_the_confinement_holds_here(sandbox: ConfinedSandbox) -> None:
    sandbox.execute("1", timeout=5)
    lacking = {step for step, word in sandbox.confinement.items() if word != "held"}
    assert lacking == (set() if os.geteuid() == 0 else {"root_directory"})
