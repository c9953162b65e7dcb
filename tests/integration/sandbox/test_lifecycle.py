"""Nothing is left behind: no process, no descriptor, no thread, however a session ends, from whatever thread."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from rlm_search.errors import SandboxError
from rlm_search.sandbox.confined import REQUIRED, ConfinedSandbox
from rlm_search.sandbox.launch import executed

pytestmark = pytest.mark.integration


def alive(pid: int | None) -> bool:
    """Whether the process runs; one that has ended and that nobody has waited for yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def gone(pid: int | None, seconds: float = 3.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not alive(pid):
            return True
        time.sleep(0.01)
    return False


def left_over(pid: int | None) -> bool:
    """Whether anything is left of the process, be it a zombie."""
    return Path(f"/proc/{pid}").exists()


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_start_returns_before_the_worker_is_ready() -> None:
    with ConfinedSandbox() as sandbox:
        started = time.monotonic()
        sandbox.start({}, {"context": "x" * 5_000_000})
        returned = time.monotonic()
        assert sandbox.confinement == {}
        assert sandbox.execute("len(context)", timeout=5).stdout == "5000000\n"
        assert returned - started < time.monotonic() - returned


def test_close_leaves_no_process_and_no_descriptor() -> None:
    before, pids = descriptors(), []
    for _ in range(5):
        with ConfinedSandbox() as sandbox:
            sandbox.start({})
            sandbox.execute("x = 1", timeout=5)
            pids.append(sandbox.pid)
    assert descriptors() == before
    assert not any(left_over(pid) for pid in pids)


def test_closing_twice_or_before_the_start_is_harmless_and_a_closed_sandbox_says_so() -> None:
    sandbox = ConfinedSandbox()
    sandbox.close()
    sandbox.close()
    with pytest.raises(SandboxError, match="closed"):
        sandbox.execute("1", timeout=1)
    sandbox.start({})
    assert sandbox.execute("1", timeout=5).stdout == "1\n"
    sandbox.close()
    with pytest.raises(SandboxError, match="closed"):
        sandbox.get("x")


def test_variables_that_are_no_data_are_a_type_error_and_leave_no_process() -> None:
    with ConfinedSandbox() as sandbox:
        sandbox.start({}, {"x": object()})
        with pytest.raises(TypeError, match="not data"):
            sandbox.execute("1", timeout=5)
        assert sandbox.pid is None


def test_starting_again_is_a_new_session(sandbox: ConfinedSandbox) -> None:
    sandbox.execute("x = 1", timeout=5)
    first = sandbox.pid
    sandbox.start({}, {"y": 2})
    assert gone(first, 0.1)
    assert "NameError" in sandbox.execute("x", timeout=5).error
    assert sandbox.execute("y", timeout=5).stdout == "2\n"


def test_a_forgotten_sandbox_takes_its_worker_with_it() -> None:
    before = descriptors()
    sandbox = ConfinedSandbox()
    sandbox.start({})
    sandbox.execute("1", timeout=5)
    pid = sandbox.pid
    del sandbox
    gc.collect()
    assert gone(pid)
    assert descriptors() == before


HOST = """
import sys, time
from rlm_search.sandbox.confined import ConfinedSandbox
sandbox = ConfinedSandbox()
sandbox.start({{}})
sandbox.execute("x = 1", timeout=20)
print(sandbox.pid, flush=True)
{then}
"""

ENDS = {
    "killed while idle": ("time.sleep(60)", signal.SIGKILL),
    "killed while a cell loops": (
        "sandbox.execute('while True:\\n try: pass\\n except BaseException: pass', timeout=60)",
        signal.SIGKILL,
    ),
    "terminated": ("sandbox.execute('while True: pass', timeout=60)", signal.SIGTERM),
    "interrupted": ("sandbox.execute('while True: pass', timeout=60)", signal.SIGINT),
    "ended without a close": ("", None),
    "ended by an error": ("raise SystemExit(3)", None),
    "ended at once": ("import os; os._exit(0)", None),
}


@pytest.mark.parametrize("how", ENDS)
def test_no_worker_outlives_its_host(how: str) -> None:
    then, number = ENDS[how]
    code = HOST.format(then=then)
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    with process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        if number is not None:
            time.sleep(0.1)
            process.send_signal(number)
        process.wait(timeout=10)
    assert gone(pid)


def test_a_fork_of_the_host_that_ends_leaves_the_worker_to_its_owner() -> None:
    code = textwrap.dedent("""
        import gc, os
        from rlm_search.sandbox.confined import ConfinedSandbox
        sandbox = ConfinedSandbox()
        sandbox.start({})
        sandbox.execute("x = 41", timeout=20)
        if (child := os.fork()) == 0:
            del sandbox
            gc.collect()
            raise SystemExit(0)
        assert os.waitpid(child, 0)[1] == 0
        print(sandbox.execute("x + 1", timeout=20).stdout)
        sandbox.close()
    """)
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.stdout.strip(), done.stderr) == ("42", "")


def test_a_session_outlives_the_thread_that_started_it(begin: Any) -> None:
    made: list[ConfinedSandbox] = []
    thread = threading.Thread(target=lambda: made.append(begin()))
    thread.start()
    thread.join()
    time.sleep(0.2)
    sandbox = made[0]
    sandbox.execute("1", timeout=5)
    pid = sandbox.pid
    assert sandbox.execute("6 * 7", timeout=5).stdout == "42\n"
    assert sandbox.pid == pid


def test_limits_hold_from_threads_that_are_not_the_main_one(begin: Any) -> None:
    sandbox = begin()
    with ThreadPoolExecutor(1) as pool:
        soft = pool.submit(sandbox.execute, "while True: pass", timeout=0.2).result(timeout=10)
        hard = pool.submit(sandbox.execute, "max(range(10**12))", timeout=0.2).result(timeout=10)
    assert (soft.ended, hard.ended) == ("timeout", "killed")


def test_eight_sessions_at_once_do_not_mix(begin: Any) -> None:
    def session(number: int) -> int:
        sandbox = begin({"whose": lambda: number}, {"mine": number})
        wrong = 0
        for step in range(40):
            out = sandbox.execute(f"x = {step}\nprint(mine, whose(), x)", timeout=20).stdout
            wrong += out != f"{number} {number} {step}\n"
        return wrong

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(session, range(8))) == 0


def test_close_from_another_thread_ends_a_running_cell(begin: Any) -> None:
    sandbox = begin()
    sandbox.execute("1", timeout=5)
    pid = sandbox.pid
    threading.Timer(0.2, sandbox.close).start()
    started = time.monotonic()
    with pytest.raises(SandboxError, match="closed"):
        sandbox.execute("while True: pass", timeout=30)
    assert time.monotonic() - started < 15
    assert gone(pid)
    assert sandbox.pid is None


def test_close_does_not_wait_for_a_host_function(begin: Any) -> None:
    release = threading.Event()
    inside = threading.Event()

    def slow() -> None:
        inside.set()
        release.wait(20)

    sandbox = begin({"slow": slow})
    with ThreadPoolExecutor(1) as pool:
        cell = pool.submit(sandbox.execute, "slow()", timeout=30)
        inside.wait(10)
        started = time.monotonic()
        sandbox.close()
        assert time.monotonic() - started < 10  # the host function waits for 20
        release.set()
        with pytest.raises(SandboxError):
            cell.result(timeout=10)
    assert sandbox.pid is None


def test_a_worker_that_cannot_start_is_a_sandbox_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    before = descriptors()
    with pytest.raises(SandboxError, match="cannot be started"):
        ConfinedSandbox().start({})
    assert descriptors() == before
    monkeypatch.setattr(sys, "executable", "/bin/false")
    sandbox = ConfinedSandbox()

    def begin_and_run() -> None:  # it is noticed in the one or the other
        sandbox.start({})
        sandbox.execute("1", timeout=1)

    with pytest.raises(SandboxError, match="does not start") as caught:
        begin_and_run()
    assert "with an empty environment: exit code 1" in caught.value.hint
    sandbox.close()
    assert descriptors() <= before + 1  # the socket to the process that workers are forked from, which is replaced


UNLIMITED = """#!{python}
import json, socket, struct, sys
sock = socket.socket(fileno=int(sys.argv[-2]))
ready = json.dumps({{"t": "ready", "step": 0, "report": {report}, "pid": 1, "uid": 0}}).encode()
sock.sendall(struct.pack("!I", len(ready)) + ready)
sock.recv(1_000_000)
sock.recv(1)
"""


def test_no_code_runs_in_a_process_that_could_not_limit_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    interpreter = tmp_path / "python"
    report = dict.fromkeys(REQUIRED, "held") | {"memory": "OSError: no", "seccomp": "OSError: none here"}
    interpreter.write_text(UNLIMITED.format(python=sys.executable, report=report))
    interpreter.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(interpreter))
    with ConfinedSandbox(launch=executed) as sandbox:
        sandbox.start({})
        with pytest.raises(
            SandboxError, match=r"confine its process: memory \(OSError: no\), seccomp \(.* none"
        ) as caught:
            sandbox.execute("1", timeout=5)
        assert "on Linux with seccomp" in caught.value.hint
        assert sandbox.pid is None


def test_a_worker_that_was_killed_from_outside_is_told_and_replaced(sandbox: ConfinedSandbox) -> None:
    sandbox.execute("x = 1", timeout=5)
    pid = sandbox.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    execution = sandbox.execute("x", timeout=5)
    assert execution.ended == "crashed"
    assert alive(sandbox.pid)
    assert sandbox.execute("x", timeout=5).stdout == "1\n"
