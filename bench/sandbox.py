"""What the sandbox costs: start, cells, host calls, transfers, memory, stops; against a bare exec, and beside peers.

python -m bench.sandbox [--json] [--peers PYTHON]

`--peers` names an interpreter that has pyrlm-runtime, rlms, pydantic-monty and dspy, or some of them; their figures
come from `bench/peers_sandbox.py`, run by it. Wall clock in milliseconds: on a busy machine compare with the bare exec.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, redirect_stdout
from pathlib import Path
from typing import Any

from rlm_search.sandbox.confined import ConfinedSandbox
from rlm_search.sandbox.launch import executed

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
        "CPU of a worker's start": _cpu_of_a_start(),
    }


def _cpu_of_a_start() -> float:
    with ConfinedSandbox() as sandbox:
        sandbox.start({})
        sandbox.execute("1", timeout=10)
        fields = Path(f"/proc/{sandbox.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")


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


def peers(python: str) -> dict[str, dict[str, float | str]]:
    """The same figures of peers, by another interpreter."""
    script = Path(__file__).with_name("peers_sandbox.py")
    done = subprocess.run([python, str(script)], capture_output=True, text=True, check=True, timeout=1_200)
    result: dict[str, dict[str, float | str]] = json.loads(done.stdout.splitlines()[-1])
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--peers", metavar="PYTHON")
    asked = parser.parse_args()
    figures = {**start(), **cells(1_000), **cells(10_000_000), **cells(100_000_000), **calls(), **transfer()}
    figures |= {**stops(), **rebuilt(), **loop(), **crowd()}
    if os.geteuid() == 0:
        figures |= many()
    beside = peers(asked.peers) if asked.peers else {}
    if asked.json:
        print(json.dumps({"ours": figures, **beside}))
        return
    for name, value in figures.items():
        print(f"{name:<46}{value:>10.3f}")
    for peer, its in beside.items():
        print(f"\n{peer}")
        for name, figure in its.items():
            print(f"  {name:<44}{figure if isinstance(figure, str) else f'{figure:10.3f}'}")


if __name__ == "__main__":
    main()
