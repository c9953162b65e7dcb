"""Attacks and cells in the executors of peers, each attack in a process forked for it. Run by their own interpreter.

PYTHON bench/peers_sandbox.py attack EXECUTOR < attacks.json      what each attack printed, and what became of the host
PYTHON bench/peers_sandbox.py measure EXECUTOR                    figures, a line each, by their name (`FIGURES`)
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import resource
import select
import signal
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

Run = Callable[[str], str]
"""Runs a cell. `run.set(name, value)` binds a variable, `run.get(name)` reads one, where the executor can."""
SECONDS = 15.0
MEMORY = 3 * 1024**3
CALLS, THREADS, EACH = 200, 8, 1_000
LOOP = "n = 0\nfor i in range(3000000): n += i"
CELL = "words = context[:1000].split()\nn = len(words)\nprint(n)"


def pyrlm_python(names: Mapping[str, Any], seconds: float) -> Run:
    from pyrlm_runtime.env import PythonREPL

    repl = PythonREPL(exec_timeout=seconds)
    for name, value in names.items():
        repl.set(name, value)

    def run(code: str) -> str:
        result = repl.exec(code)
        return f"{result.stdout}{result.error or ''}"

    return able(run, repl.set, repl.get)


def pyrlm_monty(names: Mapping[str, Any], seconds: float) -> Run:
    from pyrlm_runtime.env_monty import MontyREPL

    repl = MontyREPL()
    for name, value in names.items():
        repl.set(name, value)

    def run(code: str) -> str:
        result = repl.exec(code)
        return f"{result.stdout}{result.error or ''}"

    return able(run, repl.set, repl.get)


def rlms_local(names: Mapping[str, Any], seconds: float) -> Run:
    from rlm.environments.local_repl import LocalREPL

    repl = LocalREPL()
    repl.globals.update({name: value for name, value in names.items() if callable(value)})
    repl.locals.update({name: value for name, value in names.items() if not callable(value)})

    def run(code: str) -> str:
        result = repl.execute_code(code)
        return f"{result.stdout}{result.stderr}"

    return able(run, repl.locals.__setitem__, repl.locals.__getitem__)


def dspy_local(names: Mapping[str, Any], seconds: float) -> Run:
    from dspy.primitives.local_interpreter import LocalInterpreter

    interpreter = LocalInterpreter(tools={name: value for name, value in names.items() if callable(value)})
    interpreter.start()
    given = {name: value for name, value in names.items() if not callable(value)}

    def run(code: str) -> str:
        nonlocal given
        taken, given = given, {}
        try:
            return str(interpreter.execute(code, variables=taken))
        except Exception as error:  # noqa: BLE001  # what it raises is what the model would be told
            return f"{type(error).__name__}: {error}"

    return able(run, lambda name, value: interpreter.execute("None", variables={name: value}), None)


def dspy_deno(names: Mapping[str, Any], seconds: float) -> Run:
    from dspy.primitives.python_interpreter import PythonInterpreter

    interpreter = PythonInterpreter(tools={name: value for name, value in names.items() if callable(value)})
    given = {name: value for name, value in names.items() if not callable(value)}

    def run(code: str) -> str:  # its own loop gives the variables with every step
        return str(interpreter.execute(code, variables=given))

    return able(run, given.__setitem__, None)


def able(run: Run, set_: Callable[[str, Any], Any] | None, get: Callable[[str], Any] | None) -> Run:
    """The executor with what else it can."""
    run.set, run.get = set_, get  # type: ignore[attr-defined]  # see `Run`
    return run


def monty(names: Mapping[str, Any], seconds: float) -> Run:
    import pydantic_monty

    stack = contextlib.ExitStack()
    pool = stack.enter_context(pydantic_monty.Monty())
    limits = pydantic_monty.ResourceLimits(max_feed_duration_secs=seconds, max_memory=256 * 1024 * 1024)
    session = stack.enter_context(pool.checkout(limits=limits))
    functions = {name: value for name, value in names.items() if callable(value)}
    inputs = {name: value for name, value in names.items() if not callable(value)}

    def run(code: str) -> str:
        out: list[str] = []
        try:
            session.feed_run(
                code, inputs=inputs, external_lookup=functions, print_callback=lambda _, text: out.append(text)
            )
        except Exception as error:  # noqa: BLE001  # whatever the interpreter raises is what the model would be told
            out.append(f"{type(error).__name__}: {error}")
        return "".join(out)

    run.kept = stack  # type: ignore[attr-defined]  # else it ends
    return able(run, inputs.__setitem__, lambda name: session.feed_run(name))


EXECUTORS = {
    "pyrlm python": pyrlm_python,
    "pyrlm monty": pyrlm_monty,
    "rlms local": rlms_local,
    "monty": monty,
    "dspy local": dspy_local,
    "dspy deno": dspy_deno,
}


def functions(canary: str, kept: dict[str, Any]) -> dict[str, Callable[..., Any]]:
    """What the attacking cells may call; `kept` is a value of the host's that one of them gives away."""

    def echo(value: Any) -> Any:
        return value

    def search(query: str, top_k: int = 10) -> list[dict[str, Any]]:
        return [{"doc_id": "d", "query": query, "rank": n} for n in range(max(0, min(top_k, 3)))]

    def shared(options: dict[str, Any]) -> dict[str, Any]:
        kept.update({str(key)[:20]: value for key, value in options.items() if key == "a"})
        return kept

    def secretive(n: int = 0) -> int:
        return n + len(canary)

    return {"echo": echo, "search": search, "shared": shared, "secretive": secretive}


def forked(work: Callable[[Callable[[bytes], object]], None]) -> tuple[bytes, bool, float]:
    """Run something in a process of its own, limited in memory and time, which is given a way to say what came of it.

    Returns:
        What it said, whether it came to its end in time, by itself or by dying, and its peak memory in MB.
    """
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setsid()
        os.close(reader)
        nothing = os.open(os.devnull, os.O_RDWR)
        for standard in range(3):
            os.dup2(nothing, standard)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        work(lambda said: os.write(writer, said))
        os._exit(0)
    os.close(writer)
    output, end, is_over = b"", time.monotonic() + SECONDS, False
    while (left := end - time.monotonic()) > 0 and select.select([reader], [], [], left)[0]:
        piece = os.read(reader, 65_536)
        is_over = not piece
        if is_over:
            break
        output += piece
    os.close(reader)
    for kill in (os.kill, os.killpg):
        with contextlib.suppress(OSError):
            kill(pid, signal.SIGKILL)
    usage = os.wait4(pid, 0)[2]
    return output, is_over, usage.ru_maxrss / 1024


def attacked(make: Callable[..., Run], given: Mapping[str, Any], attack: Mapping[str, Any]) -> dict[str, Any]:
    """Run one attack in a fork; the output, and whether the host came back, in time, and small."""

    def work(say: Callable[[bytes], object]) -> None:
        sys.stdout, sys.stderr = io.StringIO(), io.StringIO()
        run = make(functions(given["canary"], {"kept": [1]}), attack["seconds"])
        for piece in given["prelude"]:
            run(piece)
        before = "" if run("win.__name__").count("Error") == 0 else f"{given['prelude'][0]}\n{given['prelude'][-1]}\n"
        for cell in attack["cells"]:
            say(run(before + cell).encode("utf-8", "replace")[:50_000])
        say(b"\0back")

    output, _, megabytes = forked(work)
    return {"output": output.decode("utf-8", "replace"), "back": b"\0back" in output, "megabytes": megabytes}


def measure(make: Callable[..., Run]) -> Iterator[tuple[str, float | str]]:
    """The figures one after the other, those last that may not come back."""
    started = time.perf_counter()
    run = make({"echo": lambda value: value}, 60.0)
    run("1")
    yield "start and first cell", since(started)
    yield from cells(make)
    run(f"for i in range({CALLS}): echo(0)")
    [calls] = timed(lambda: run(f"for i in range({CALLS}): echo(0)"), 1)
    yield "host call and back", calls / CALLS
    text = text_of(10_000_000)
    if run.set is not None:  # type: ignore[attr-defined]  # see `Run`
        run.set("x", text)  # type: ignore[attr-defined]  # likewise
        yield "10 MB to it, in a cell", median(timed(lambda: (run.set("x", text), run("n = len(x)")), 5))  # type: ignore[attr-defined]  # likewise
    if run.get is not None:  # type: ignore[attr-defined]  # likewise
        yield "10 MB from it", median(timed(lambda: run.get("x"), 5))  # type: ignore[attr-defined]  # likewise
    yield "a loop of 3 million", timed(lambda: run(LOOP), 1)[0]
    before = resident()
    kept = [make({}, 60.0) for _ in range(5)]
    for one in kept:
        one("x = 1")
    yield "memory of a session, MB", max(0.0, resident() - before) / 5
    yield from crowd(make)
    yield from stopped(make)


def cells(make: Callable[..., Run]) -> Iterator[tuple[str, float | str]]:
    for size in (1_000, 10_000_000, 100_000_000):
        run = make({"context": text_of(size)}, 60.0)
        name = f"cell, {size // 1000:,} KB"
        first = run(CELL)
        if "Error" in first:
            yield f"{name}: median", first[-80:]
            continue
        times = timed(lambda run=run: run(CELL), 200 if size < 10**8 else 50)  # type: ignore[misc]  # bound now
        yield f"{name}: median", median(times)
        yield f"{name}: p95", sorted(times)[int(len(times) * 0.95)]


def crowd(make: Callable[..., Run]) -> Iterator[tuple[str, float | str]]:
    """Sessions in threads: how many cells saw another's output or variables."""

    def session(number: int) -> int:
        run = make({"mine": number}, 60.0)
        told = (run(f"print(mine, {n})").strip() for n in range(EACH))
        return sum(text != f"{number} {n}" for n, text in enumerate(told))

    started = time.perf_counter()
    with ThreadPoolExecutor(THREADS) as pool:
        yield f"{THREADS} threads x {EACH:,} cells: mixed up", float(sum(pool.map(session, range(THREADS))))
    yield "cells a second in threads", THREADS * EACH / (time.perf_counter() - started)


def stopped(make: Callable[..., Run]) -> Iterator[tuple[str, float | str]]:
    """An endless loop under a limit of half a second, and what is there after it."""
    run = make({}, 0.5)
    run("kept = 41")
    started = time.perf_counter()
    with contextlib.suppress(Exception):
        run("while True: pass")
    yield "a loop stopped, after its 0.5 s", since(started) - 500
    started = time.perf_counter()
    try:
        after = run("print(kept + 1)").strip()
    except Exception as error:  # noqa: BLE001  # that it is of no use any more is the figure
        after = type(error).__name__
    yield "the next cell", since(started)
    yield "its variables", "kept" if after == "42" else "lost"


def timed(work: Callable[[], object], repeats: int) -> list[float]:
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        times.append(since(started))
    return times


def since(started: float) -> float:
    return (time.perf_counter() - started) * 1000


def median(times: list[float]) -> float:
    return statistics.median(times)


def text_of(size: int) -> str:
    return ("The quick brown fox. " * (size // 21 + 1))[:size]


def resident() -> float:
    """Megabytes of this process and all below it, each page counted once."""
    total, waiting = 0.0, [os.getpid()]
    while waiting:
        pid = waiting.pop()
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1000
            for task in Path(f"/proc/{pid}/task").iterdir():
                waiting += map(int, (task / "children").read_text().split())
    return total


def main() -> None:
    task, *names = sys.argv[1:]
    if task == "attack":
        given = json.load(sys.stdin)
        make = EXECUTORS[names[0]]
        print(json.dumps({name: attacked(make, given, attack) for name, attack in given["attacks"].items()}))
        return
    out = os.dup(1)  # executors that capture what is printed may leave `sys.stdout` elsewhere
    try:
        for name, figure in measure(EXECUTORS[names[0]]):
            os.write(out, f"{json.dumps([name, figure])}\n".encode())
    except Exception as error:  # noqa: BLE001  # that it does not go on is the figure
        os.write(out, f"{json.dumps(['its end', f'{type(error).__name__}: {error}'])}\n".encode())
        os._exit(1)


if __name__ == "__main__":
    main()
