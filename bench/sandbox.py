"""What the sandbox costs: start, cells, host calls, transfers, memory, stops; against a bare exec, and beside peers.

python -m bench.sandbox [--json] [--peers PYTHON]

`--peers` names an interpreter that has pyrlm-runtime, rlms and dspy, or some of them (Python 3.12: `pip install
pyrlm-runtime rlms dspy`), and prints a table of all beside ours, by the same lines (`bench/peers_sandbox.py`); monty is
run by this interpreter. Wall clock in milliseconds: on a busy machine compare with the bare exec.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, redirect_stdout
from pathlib import Path
from typing import Any

from bench.peers_sandbox import Run, able, measure
from bench.processes import below
from rlm_search.sandbox.confined import ConfinedSandbox
from rlm_search.sandbox.launch import executed, nursery

PEER_SECONDS = 240
CELL = "words = re.findall(r'\\w+', context[:1000])\ncounts = collections.Counter(words)\nprint(counts.most_common(3))"
LINE = 'The quick brown fox, "jumps" over the lazy dog and carries on for a while.\n'


def text_of(size: int) -> str:
    return (LINE * (size // len(LINE) + 1))[:size]


def timed(work: Callable[[], object], repeats: int) -> list[float]:
    """Milliseconds of each of `repeats` runs."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        times.append((time.perf_counter() - started) * 1000)
    return times


def p95(times: list[float]) -> float:
    return sorted(times)[int(len(times) * 0.95)]


def median(times: list[float]) -> float:
    return statistics.median(times)


def start() -> dict[str, float]:
    """Begin a session and run its first cell at once, and after a pause such as the first model call is."""
    returns, first, hidden = [], [], []
    for _ in range(7):
        with ConfinedSandbox() as sandbox:
            started = time.perf_counter()
            sandbox.start({})
            returns.append((time.perf_counter() - started) * 1000)
            sandbox.execute("1", timeout=10)
            first.append((time.perf_counter() - started) * 1000)
        with ConfinedSandbox() as sandbox:
            sandbox.start({})
            time.sleep(0.6)
            hidden += timed(lambda sandbox=sandbox: sandbox.execute("1", timeout=10), 1)  # type: ignore[misc]  # bound now
    before = os.times().children_user + os.times().children_system
    with ConfinedSandbox(launch=executed) as sandbox:
        sandbox.start({})
        sandbox.execute("1", timeout=10)
    cpu = (os.times().children_user + os.times().children_system - before) * 1000
    return {
        "start returns after": median(returns),
        "first cell of the process": first[0],
        "first cell, asked at once": median(first[1:]),
        "first cell, 0.6 s after the start": median(hidden),
        "CPU of what is loaded once": cpu,
        **cpu_of_a_start(),
    }


def cpu_of_a_start(repeats: int = 20) -> dict[str, float]:
    """Of sessions until their first cell has run: of the worker from its fork on, and of this process."""
    worker, host = [], []
    for _ in range(repeats):
        started = time.process_time()
        with ConfinedSandbox() as sandbox:
            sandbox.start({})
            sandbox.execute("1", timeout=10)
            worker.append(_cpu(sandbox.pid))
        host.append((time.process_time() - started) * 1000)
    return {
        "CPU of a session's first cell: worker": median(worker),
        "CPU of a session's first cell: host": median(host),
        "resident: what workers are forked from, MB": _rss(nursery().pid_of()),
    }


def cpu_of_a_cell(repeats: int = 2_000) -> dict[str, float]:
    """Of small cells: of the worker, and of this process."""
    with ConfinedSandbox() as sandbox:
        sandbox.start({}, {"context": text_of(1_000)})
        sandbox.execute(CELL, timeout=10)
        before, started = _cpu(sandbox.pid), time.process_time()
        for _ in range(repeats):
            sandbox.execute(CELL, timeout=10)
        host = (time.process_time() - started) * 1000
        return {
            "CPU of a small cell: worker": (_cpu(sandbox.pid) - before) / repeats,
            "CPU of a small cell: host": host / repeats,
        }


def _cpu(pid: int | None) -> float:
    """Milliseconds that a process has run."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e6


def cells(size: int) -> dict[str, float]:
    """Median and p95 of a small cell beside a context of `size`, and the same cell in a bare exec."""
    context = text_of(size)
    names: dict[str, Any] = {"context": context, "re": __import__("re"), "collections": __import__("collections")}
    code = compile(CELL, "<bare>", "exec")

    def bare() -> None:
        with redirect_stdout(io.StringIO()):
            exec(code, names)

    with ConfinedSandbox() as sandbox:
        sandbox.start({}, {"context": context})
        timed(lambda: sandbox.execute(CELL, timeout=10), 50)
        times = timed(lambda: sandbox.execute(CELL, timeout=10), 1000)
        rss, own = _rss(sandbox.pid), _own(sandbox.pid) - size / 1e6
    base = timed(bare, 1000)
    name = f"{size // 1000:,} KB context"
    return {
        f"cell, {name}: median": median(times),
        f"cell, {name}: p95": p95(times),
        f"bare exec, {name}: median": median(base),
        f"overhead of a cell, {name}": median(times) - median(base),
        f"worker's memory, {name}, MB": rss,
        f"of its own beside the context, {name}, MB": own,
    }


def calls() -> dict[str, float]:
    """A host call and back, and a batch of 100 results."""
    with ConfinedSandbox() as sandbox:
        sandbox.start({"echo": lambda value: value})
        sandbox.execute("1", timeout=10)
        code = "import time\nt = time.perf_counter()\nfor _ in range(500): echo(0)\n(time.perf_counter() - t) * 2"
        one = float(sandbox.execute(code, timeout=30).stdout)
    return {"host call and back": one}


def transfer() -> dict[str, float]:
    """10 MB to the worker and from it."""
    text = text_of(10_000_000)
    with ConfinedSandbox() as sandbox:
        sandbox.start({})
        sandbox.execute("1", timeout=10)
        to = timed(lambda: sandbox.set("x", text), 7)
        back = timed(lambda: sandbox.get("x"), 7)
        assert sandbox.get("x") == text
    return {"10 MB to the worker": median(to), "10 MB from the worker": median(back)}


def stops() -> dict[str, float]:
    """From the end of a cell's time to the host's answer, after a soft stop and after a hard one and a new start."""
    with ConfinedSandbox() as sandbox:
        sandbox.start({})
        sandbox.execute("1", timeout=10)
        soft = timed(lambda: sandbox.execute("while True: pass", timeout=0.1), 3)
        hard = timed(lambda: sandbox.execute("max(range(10**12))", timeout=0.1), 2)
        again = timed(lambda: sandbox.execute("1", timeout=10), 1)
    return {
        "soft stop, after the limit": median(soft) - 100,
        "hard stop, after the limit": median(hard) - 100,
        "first cell after a hard stop": again[0],
    }


def loop() -> dict[str, float]:
    """A plain loop of ten million steps, in a cell and in a bare exec."""
    code = "n = 0\nfor i in range(10_000_000): n += i"
    with ConfinedSandbox() as sandbox:
        sandbox.start({})
        sandbox.execute("1", timeout=10)
        [ours] = timed(lambda: sandbox.execute(code, timeout=120), 1)
    [bare] = timed(lambda: exec(code, {}), 1)
    return {"CPU loop": ours, "CPU loop, bare exec": bare}


def rebuilt() -> dict[str, float]:
    """A session of ten cells that is killed: from the crash to the answer that it was made again."""
    with ConfinedSandbox() as sandbox:
        sandbox.start({"echo": lambda value: value})
        for n in range(10):
            sandbox.execute(f"x{n} = echo({n})", timeout=10)
        times = timed(lambda: sandbox.execute("collections._sys.modules['os']._exit(1)", timeout=10), 5)
    return {"a lost session of ten cells made again": median(times)}


def crowd(threads: int = 8, each: int = 1_000) -> dict[str, float]:
    """Cells of sessions in threads at once: how many a second, and how many saw another's."""

    def session(number: int) -> int:
        with ConfinedSandbox() as sandbox:
            sandbox.start({"whose": lambda: number}, {"mine": number})
            told = (sandbox.execute(f"print(mine, whose(), {n})", timeout=60).stdout for n in range(each))
            return sum(text != f"{number} {number} {n}\n" for n, text in enumerate(told))

    started = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        mixed = sum(pool.map(session, range(threads)))
    seconds = time.perf_counter() - started
    return {
        f"{threads} threads x {each:,} cells: mixed up": mixed,
        "cells a second in threads": threads * each / seconds,
    }


def many(count: int = 200) -> dict[str, float]:
    """Sessions at once: their start, and the largest memory of its own."""
    with ExitStack() as stack:
        started = time.perf_counter()
        sandboxes = [stack.enter_context(ConfinedSandbox()) for _ in range(count)]
        for sandbox in sandboxes:
            sandbox.start({})
        for sandbox in sandboxes:
            sandbox.execute("x = 1", timeout=60)
        seconds = time.perf_counter() - started
        own = max(_own(sandbox.pid) for sandbox in sandboxes)
    return {f"{count} sessions, started and asked": seconds * 1000, "largest memory of its own, MB": own}


def _rss(pid: int | None) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


def _own(pid: int | None) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1000


def ours_beside_peers(names: Mapping[str, Any], seconds: float) -> Run:
    """Our sandbox as an executor of `bench/peers_sandbox.py`, so that all are measured by the same lines."""
    return beside_peers(ConfinedSandbox(), names, seconds)


def monty_beside_peers(names: Mapping[str, Any], seconds: float) -> Run:
    """Likewise our sandbox with monty."""
    from rlm_search.sandbox.monty import monty_sandbox

    return beside_peers(monty_sandbox(), names, seconds)


def beside_peers(sandbox: ConfinedSandbox, names: Mapping[str, Any], seconds: float) -> Run:
    functions = {name: value for name, value in names.items() if callable(value)}
    sandbox.start(functions, {name: value for name, value in names.items() if not callable(value)})

    def run(code: str) -> str:
        execution = sandbox.execute(code, timeout=seconds)
        return execution.stdout + execution.error

    run.kept = sandbox  # type: ignore[attr-defined]  # else it ends
    return able(run, sandbox.set, sandbox.get)


OURS = {"ours": ours_beside_peers, "ours, monty": monty_beside_peers}
THEIRS = ("monty", "pyrlm monty", "pyrlm python", "rlms local", "dspy local", "dspy deno")


def beside(python: str) -> dict[str, dict[str, float | str]]:
    """The figures of ours and of peers, each in a process of its own; who does not come back has those before."""
    found = {name: figures_of([sys.executable, "-m", "bench.sandbox", "--one", name]) for name in OURS}
    script = str(Path(__file__).with_name("peers_sandbox.py"))
    for name in THEIRS:
        own = sys.executable if name == "monty" else python
        found[name] = figures_of([own, script, "measure", name])
    return found


def figures_of(command: list[str]) -> dict[str, float | str]:
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True
    ) as process:
        ends = threading.Timer(PEER_SECONDS, kill_all, (process.pid,))
        ends.start()
        assert process.stdout is not None
        figures: dict[str, float | str] = dict(json.loads(line) for line in process.stdout if line.startswith("["))
        process.wait()
        ends.cancel()
    return figures if process.returncode == 0 else {"its end": "did not come back", **figures}


def kill_all(pid: int) -> None:
    """Kill a process and all below it, in whatever session they are: an interpreter that loops would go on for ever."""
    for one in (*below(pid), pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)


def table(found: Mapping[str, Mapping[str, float | str]]) -> Iterator[str]:
    """The figures as a Markdown table, milliseconds where nothing else is said."""
    rows = list(dict.fromkeys(name for figures in found.values() for name in figures))
    yield f"| | {' | '.join(found)} |"
    yield f"|---|{'---|' * len(found)}"
    for row in rows:
        yield f"| {row} | {' | '.join(_figure(figures.get(row, '-')) for figures in found.values())} |"


def _figure(figure: float | str) -> str:
    if isinstance(figure, str):
        return figure.replace("|", "/").replace("\n", " ")[:60]
    return f"{figure:.2f}" if abs(figure) < 10 else f"{figure:,.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--peers", metavar="PYTHON")
    parser.add_argument("--one", choices=OURS, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        for name, figure in measure(OURS[asked.one]):
            print(json.dumps([name, figure]), flush=True)
        return
    if asked.peers:
        found = beside(asked.peers)
        print(json.dumps(found) if asked.json else "\n".join(table(found)))
        return
    figures = {
        **start(),
        **cpu_of_a_cell(),
        **cells(1_000),
        **cells(10_000_000),
        **cells(100_000_000),
        **calls(),
        **transfer(),
    }
    figures |= {**stops(), **rebuilt(), **loop(), **crowd()}
    if os.geteuid() == 0:
        figures |= many()
    if asked.json:
        print(json.dumps({"ours": figures}))
        return
    for name, value in figures.items():
        print(f"{name:<46}{value:>10.3f}")


if __name__ == "__main__":
    main()
