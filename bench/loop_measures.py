"""What a loop costs around its model, measured alike for every runtime; standard library only, for peers' Pythons."""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROMPTS = 100
IDEAL_SECONDS = 2.0
RUNS = 5
RUNS_OF_TEN = 30
AT_ONCE = 50
SIZES = {"1 KB": 1_000, "1 MB": 1_000_000, "10 MB": 10_000_000, "100 MB": 100_000_000}
Turn = Callable[[int], str]
"""The reply of the scripted root model by its number, from 0."""


@dataclass(frozen=True)
class Runtime:
    """A loop to be measured.

    Attributes:
        imports: the statement that a program begins with.
        cell: a reply with this code.
        finish: a reply with code that ends the run with the value of an expression, after this code.
        run: a whole run with these replies over a text; returns the answer.
        batch: the expression that asks a list `prompts` at once.
        with_sub_model: the same run, its sub-model at this address.
        sizes: texts beside which a step is measured.
        steps: of the long runs that a step is measured by.
    """

    name: str
    imports: str
    cell: Callable[[str], str]
    finish: Callable[[str, str], str]
    run: Callable[[Turn, str], str]
    batch: str
    with_sub_model: Callable[[Turn, str, str], str]
    sizes: tuple[str, ...] = tuple(SIZES)
    steps: int = 100


def measured(runtime: Runtime) -> dict[str, Any]:
    """Every figure, by name; what fails is told in its place."""
    found: dict[str, Any] = {}
    measures: dict[str, Callable[[Runtime], Any]] = {
        "import, CPU ms": import_ms,
        **{f"a step beside {name}, CPU ms": _beside(size) for name, size in SIZES.items() if name in runtime.sizes},
        "a run of 10 steps, CPU ms": lambda one: cpu_ms(whole(one, 10, "x" * 1_000), RUNS_OF_TEN),
        "a run of 10 steps, ms": lambda one: least_ms(whole(one, 10, "x" * 1_000), times=8),
        "100 prompts, of the ideal 2 s": batch_ratio,
        "50 runs at once, MB and s": at_once,
    }
    for name, measure in measures.items():
        try:
            found[name] = measure(runtime)
        except Exception as error:  # noqa: BLE001 - a figure that cannot be had is told, the others are measured
            found[name] = f"{type(error).__name__}: {str(error)[:80]}"
    return found


def table(columns: Mapping[str, Mapping[str, Any]]) -> str:
    """Figures beside one another, as Markdown."""
    names = list(dict.fromkeys(name for figures in columns.values() for name in figures))
    rows = [[name, *(_shown(figures.get(name, "")) for figures in columns.values())] for name in names]
    lines = [["", *columns], ["---"] * (len(columns) + 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _shown(figure: Any) -> str:
    if isinstance(figure, list | tuple):
        return ", ".join(map(_shown, figure))
    if not isinstance(figure, float):
        return str(figure)
    return f"{figure:,.0f}" if abs(figure) >= 100 else f"{figure:.1f}" if abs(figure) >= 10 else f"{figure:.2f}"


def import_ms(runtime: Runtime) -> float:
    """CPU of a process that imports it, beyond one that imports nothing; the least of several."""
    code = f"import time; t = time.process_time(); {runtime.imports}; print(time.process_time() - t)"
    return min(float(subprocess.check_output([sys.executable, "-c", code])) for _ in range(RUNS)) * 1000


def step_cpu_ms(runtime: Runtime, context: str) -> float:
    """A step over a text by what it costs all processes, whoever else is at work: long runs beside short ones."""
    one, many = (cpu_ms(whole(runtime, steps, context), times=4) for steps in (1, runtime.steps + 1))
    return (many - one) / runtime.steps


def batch_ratio(runtime: Runtime) -> float:
    """A hundred prompts to a server of 200 ms that works on ten at once, within one cell."""
    code = (
        f"import time\nbegan = time.monotonic()\nprompts = [f'prompt {{n}}' for n in range({PROMPTS})]\n"
        f"said = {runtime.batch}\nassert len(said) == {PROMPTS} and all('fine' in one for one in said), str(said)\n"
        "elapsed = str(time.monotonic() - began)"
    )
    with slow_server() as url:
        taken = [float(runtime.with_sub_model(lambda _: runtime.finish(code, "elapsed"), "x", url)) for _ in range(3)]
    return statistics.median(taken) / IDEAL_SECONDS


def at_once(runtime: Runtime) -> tuple[float, float]:
    """Fifty runs that are all in their fifth step at once: what they add to memory, and how long they take in all."""
    everyone_is_here = threading.Barrier(AT_ONCE + 1, timeout=120)
    whole(runtime, 1, "x" * 1_000)()
    before = proportional_mb()

    def run(number: int) -> str:
        def turn(step: int) -> str:
            if step == 5:
                everyone_is_here.wait()
                everyone_is_here.wait()  # until memory was looked at
                return runtime.finish("", f"str(n) + '-{number}'")
            return runtime.cell(f"n = {number * 10 + step}")

        return runtime.run(turn, "x" * 1_000)

    began = time.perf_counter()
    with ThreadPoolExecutor(AT_ONCE) as threads:
        futures = [threads.submit(run, number) for number in range(AT_ONCE)]
        everyone_is_here.wait()
        added = proportional_mb() - before
        everyone_is_here.wait()
        answers = [future.result() for future in futures]
    wrong = [answer for number, answer in enumerate(answers) if answer != f"{number * 10 + 4}-{number}"]
    if wrong:
        raise RuntimeError(f"{len(wrong)} of {AT_ONCE} runs have a wrong answer, such as {wrong[0]!r}")
    return added, time.perf_counter() - began


def whole(runtime: Runtime, steps: int, context: str) -> Callable[[], str]:
    """A run of so many steps over the same cell."""

    def turn(step: int) -> str:
        return runtime.cell("x = 1") if step < steps - 1 else runtime.finish("", "'done'")

    def run() -> str:
        answer = runtime.run(turn, context)
        assert answer == "done", answer
        return answer

    return run


def median_ms(call: Callable[[], object], times: int = RUNS) -> float:
    """Median wall clock of a call in milliseconds, after one to warm up."""
    return statistics.median(_taken(call, times))


def least_ms(call: Callable[[], object], times: int) -> float:
    """The least wall clock of several calls, which other work on the machine disturbs least."""
    return min(_taken(call, times))


def cpu_ms(call: Callable[[], object], times: int) -> float:
    """Mean CPU of a call in milliseconds, in this process and all below it, after one to warm up."""
    call()
    before = cpu_seconds()
    for _ in range(times):
        call()
    return (cpu_seconds() - before) * 1000 / times


def _taken(call: Callable[[], object], times: int) -> list[float]:
    call()
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        call()
        taken.append((time.perf_counter() - started) * 1000)
    return taken


def proportional_mb() -> float:
    """Memory of this process and all below it, what they share counted once."""
    return sum(map(_share, [os.getpid(), *_below(os.getpid())])) / 1024


def cpu_seconds() -> float:
    """CPU of this process and all below it, those that have ended among them."""
    return sum(map(_cpu, [os.getpid(), *_below(os.getpid())]))


@contextlib.contextmanager
def slow_server() -> Iterator[str]:
    """The address of the server, in a process of its own."""
    command = [sys.executable, str(Path(__file__).with_name("slow_server.py"))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield f"http://127.0.0.1:{int(server.stdout.readline())}/v1"
        server.kill()


def _beside(size: int) -> Callable[[Runtime], float]:
    return lambda runtime: step_cpu_ms(runtime, ("The quick brown fox. " * (size // 21 + 1))[:size])


def _share(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0


def _cpu(pid: int) -> float:
    """Of a process, and of its children that were waited for."""
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def _below(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        tasks = Path(f"/proc/{pid}/task").iterdir()
        children = [int(child) for task in tasks for child in (task / "children").read_text().split()]
        return [*children, *(deeper for child in children for deeper in _below(child))]
    return []
