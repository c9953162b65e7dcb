"""Sandboxes in hosts of every kind: forks, spawned and forked pools, event loops, many at once, a zygote that dies."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from rlm_search.sandbox.confined import ConfinedSandbox
from rlm_search.sandbox.launch import executed, nursery

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[3]

SLOW = bool(os.environ.get("RLM_SEARCH_TEST_SLOW"))


def run(code: str, *options: str) -> str:
    """What a program of this interpreter prints; it must say nothing else and leave in peace."""
    done = subprocess.run(
        [sys.executable, *options, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


USE = """
from rlm_search.sandbox.confined import ConfinedSandbox
def use(n):
    with ConfinedSandbox() as sandbox:
        sandbox.start({"twice": lambda n: n * 2}, {"n": n})
        return sandbox.execute("twice(n)", timeout=60).stdout.strip()
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_processes_of_a_pool_have_sandboxes_of_their_own(method: str, tmp_path: Path) -> None:
    (tmp_path / "used.py").write_text(USE)
    code = f"""
        import sys, multiprocessing, warnings
        warnings.simplefilter("ignore", DeprecationWarning)  # a fork of a process that has had threads
        sys.path.insert(0, {str(tmp_path)!r})
        from used import use
        if __name__ == "__main__":
            print(use(1))  # the parent has a sandbox, too
            with multiprocessing.get_context({method!r}).Pool(2) as pool:
                print(sorted(pool.map(use, range(3))))
            print(use(2))
    """
    script = tmp_path / "main.py"
    script.write_text(textwrap.dedent(code))
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120, check=False)
    assert (done.stdout, done.stderr) == ("2\n['0', '2', '4']\n4\n", "")


def test_a_sandbox_that_was_carried_into_a_fork_begins_anew_there_and_goes_on_here() -> None:
    out = run("""
        import os, sys
        from rlm_search.sandbox.confined import ConfinedSandbox
        sandbox = ConfinedSandbox()
        sandbox.start({}, {"given": 5})
        sandbox.execute("x = 41", timeout=60)
        if (child := os.fork()) == 0:
            print("child", sandbox.execute("given, 'x' in globals()", timeout=60).stdout, end="", flush=True)
            sandbox.close()
            os._exit(0)
        os.waitpid(child, 0)
        print("parent", sandbox.execute("x + 1", timeout=60).stdout, end="")
        sandbox.close()
    """)
    assert out == "child (5, False)\nparent 42\n"


def test_it_runs_inside_an_event_loop(begin: Any) -> None:
    async def notebook() -> list[str]:
        direct = begin()
        first = direct.execute("import asyncio\nasyncio.run(asyncio.sleep(0, 'in a cell'))", timeout=20).stdout
        others = [begin(variables={"n": n}) for n in range(3)]
        rest = await asyncio.gather(*(asyncio.to_thread(s.execute, "n", timeout=20) for s in others))
        return [first, *(execution.stdout for execution in rest)]

    assert asyncio.run(notebook()) == ["'in a cell'\n", "0\n", "1\n", "2\n"]


def test_it_runs_in_a_notebook(tmp_path: Path) -> None:
    """A real kernel of Jupyter, which has an event loop and threads of its own."""
    clients = pytest.importorskip("jupyter_client", reason="jupyter_client and ipykernel are not installed")
    pytest.importorskip("ipykernel", reason="jupyter_client and ipykernel are not installed")
    manager, client = clients.manager.start_new_kernel(kernel_name="python3", cwd=str(ROOT))
    try:
        cells = ("from rlm_search.sandbox.confined import ConfinedSandbox", *USE_IN_A_NOTEBOOK.split("# %%\n"))
        said = [output for cell in cells for output in output_of(client, cell)]
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    assert said == ["4\n", "timeout\n", "4\n", "closed\n"]


USE_IN_A_NOTEBOOK = """
sandbox = ConfinedSandbox()
sandbox.start({"twice": lambda n: 2 * n})
print(sandbox.execute("x = twice(2)\\nx", timeout=20).stdout, end="")
# %%
print(sandbox.execute("while True: pass", timeout=0.2).ended)
# %%
print(sandbox.execute("x", timeout=20).stdout, end="")
# %%
sandbox.close()
print("closed")
"""


def output_of(client: Any, cell: str) -> list[str]:
    said: list[str] = []

    def heard(message: dict[str, Any]) -> None:
        content = message["content"]
        if message["msg_type"] == "stream":
            said.append(content["text"])
        if message["msg_type"] == "error":
            said.append("\n".join(content["traceback"]))

    client.execute_interactive(cell, output_hook=heard, timeout=60)
    return ["".join(said)] if said else []


def test_a_worker_may_be_a_program_of_its_own() -> None:
    with ConfinedSandbox(launch=executed) as sandbox:
        sandbox.start({})
        assert sandbox.execute("6 * 7", timeout=20).stdout == "42\n"
        lacking = {step for step, word in sandbox.confinement.items() if word != "held"}
        assert lacking <= {"parent", "root_directory"}


def test_when_the_process_that_workers_are_forked_from_is_killed_sessions_are_made_again(begin: Any) -> None:
    sandbox = begin()
    sandbox.execute("x = 41", timeout=20)
    zygote = nursery().pid_of()
    assert zygote is not None
    os.kill(zygote, signal.SIGKILL)
    time.sleep(0.1)
    execution = sandbox.execute("x", timeout=20)
    assert execution.ended == "crashed"
    assert sandbox.execute("x + 1", timeout=20).stdout == "42\n"
    assert nursery().pid_of() != zygote


def test_the_process_that_workers_are_forked_from_ends_with_the_host() -> None:
    code = USE + "from rlm_search.sandbox.launch import nursery\nuse(1)\nprint(nursery().pids[0], flush=True)\n"
    for end in ("", "import os; os.kill(os.getpid(), 9)"):
        done = subprocess.run(
            [sys.executable, "-c", code + end], capture_output=True, text=True, timeout=60, check=False
        )
        pid = int(done.stdout)
        deadline = time.monotonic() + 5
        while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not Path(f"/proc/{pid}").exists()


def private_bytes(pid: int | None) -> int:
    """What a process has for itself alone."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) * 1024


def test_many_sessions_at_once_have_less_than_ten_megabytes_each_of_their_own(begin: Any) -> None:
    count = 200 if SLOW else 40
    sandboxes = [begin(variables={"n": n}) for n in range(count)]
    with ThreadPoolExecutor(8) as pool:
        outputs = list(pool.map(lambda s: s.execute("m = n * 2\nm", timeout=60).stdout, sandboxes))
    assert outputs == [f"{2 * n}\n" for n in range(count)]
    if os.access(f"/proc/{sandboxes[0].pid}/smaps_rollup", os.R_OK) and os.geteuid() == 0:
        assert max(private_bytes(sandbox.pid) for sandbox in sandboxes) < 10_000_000


def test_eight_threads_with_many_cells_see_only_their_own(begin: Any) -> None:
    cells = 1_000 if SLOW else 100

    def session(number: int) -> int:
        sandbox = begin({"whose": lambda: number}, {"mine": number})
        outputs = (sandbox.execute(f"x = {step}\nprint(mine, whose(), x)", timeout=60).stdout for step in range(cells))
        return sum(out != f"{number} {number} {step}\n" for step, out in enumerate(outputs))

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(session, range(8))) == 0
