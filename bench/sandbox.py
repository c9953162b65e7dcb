"""What the sandbox costs: start, first cell, later cells, host calls, 10 MB there and back; against a bare exec.

python bench/sandbox.py [--json]
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from rlm_search.sandbox.confined import ConfinedSandbox

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
    with ConfinedSandbox() as sandbox:
        sandbox.start({})
        sandbox.execute("1", timeout=10)
    cpu = (os.times().children_user + os.times().children_system - before) * 1000
    return {
        "start returns after": median(returns),
        "first cell, asked at once": median(first),
        "first cell, 0.6 s after the start": median(hidden),
        "CPU of a worker's start": cpu,
    }


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
        rss = _rss(sandbox.pid)
    base = timed(bare, 1000)
    name = f"{size // 1000:,} KB context"
    return {
        f"cell, {name}: median": median(times),
        f"cell, {name}: p95": p95(times),
        f"bare exec, {name}: median": median(base),
        f"overhead of a cell, {name}": median(times) - median(base),
        f"worker's memory, {name}, MB": rss,
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


def _rss(pid: int | None) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    as_json = parser.parse_args().json
    figures = {**start(), **cells(1_000), **cells(10_000_000), **calls(), **transfer(), **stops()}
    if as_json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name:<46}{value:>10.3f}{'' if name.endswith('MB') else ' ms'}")


if __name__ == "__main__":
    main()
