"""Attacks and cells in the executors of peers, each attack in a process forked for it. Run by their own interpreter.

PYTHON bench/peers_sandbox.py attack EXECUTOR < attacks.json      what each attack printed, and what became of the host
PYTHON bench/peers_sandbox.py measure EXECUTOR                    start and cells, in milliseconds
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
from collections.abc import Callable, Mapping
from typing import Any

Run = Callable[[str], str]
SECONDS = 15.0
MEMORY = 3 * 1024**3
CELL = "words = context[:1000].split()\nn = len(words)\nprint(n)"


def pyrlm_python(names: Mapping[str, Any], seconds: float) -> Run:
    from pyrlm_runtime.env import PythonREPL

    repl = PythonREPL(exec_timeout=seconds)
    for name, value in names.items():
        repl.set(name, value)

    def run(code: str) -> str:
        result = repl.exec(code)
        return f"{result.stdout}{result.error or ''}"

    return run


def pyrlm_monty(names: Mapping[str, Any], seconds: float) -> Run:
    from pyrlm_runtime.env_monty import MontyREPL

    repl = MontyREPL()
    for name, value in names.items():
        repl.set(name, value)

    def run(code: str) -> str:
        result = repl.exec(code)
        return f"{result.stdout}{result.error or ''}"

    return run


def rlms_local(names: Mapping[str, Any], seconds: float) -> Run:
    from rlm.environments.local_repl import LocalREPL

    repl = LocalREPL()
    repl.globals.update({name: value for name, value in names.items() if callable(value)})
    repl.locals.update({name: value for name, value in names.items() if not callable(value)})

    def run(code: str) -> str:
        result = repl.execute_code(code)
        return f"{result.stdout}{result.stderr}"

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
    return run


EXECUTORS = {"pyrlm python": pyrlm_python, "pyrlm monty": pyrlm_monty, "rlms local": rlms_local, "monty": monty}


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


def attacked(make: Callable[..., Run], given: Mapping[str, Any], attack: Mapping[str, Any]) -> dict[str, Any]:
    """Run one attack in a fork; the output, and whether the host came back, in time, and small."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setsid()
        os.close(reader)
        nothing = os.open(os.devnull, os.O_RDWR)
        for standard in range(3):
            os.dup2(nothing, standard)
        sys.stdout, sys.stderr = io.StringIO(), io.StringIO()
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        run = make(functions(given["canary"], {"kept": [1]}), attack["seconds"])
        for piece in given["prelude"]:
            run(piece)
        before = "" if run("win.__name__").count("Error") == 0 else f"{given['prelude'][0]}\n{given['prelude'][-1]}\n"
        for cell in attack["cells"]:
            os.write(writer, run(before + cell).encode("utf-8", "replace")[:50_000])
        os.write(writer, b"\0back")
        os._exit(0)
    os.close(writer)
    output, end = b"", time.monotonic() + SECONDS
    while (left := end - time.monotonic()) > 0 and select.select([reader], [], [], left)[0]:
        piece = os.read(reader, 65_536)
        if not piece:
            break
        output += piece
    os.close(reader)
    for kill in (os.kill, os.killpg):
        with contextlib.suppress(OSError):
            kill(pid, signal.SIGKILL)
    usage = os.wait4(pid, 0)[2]
    return {
        "output": output.decode("utf-8", "replace"),
        "back": b"\0back" in output,
        "megabytes": usage.ru_maxrss / 1024,
    }


def measure(make: Callable[..., Run]) -> dict[str, float | str]:
    """Start, and a small cell beside contexts of three sizes."""
    figures: dict[str, float | str] = {}
    for size in (1_000, 10_000_000, 100_000_000):
        context = ("The quick brown fox. " * (size // 21 + 1))[:size]
        started = time.perf_counter()
        run = make({"context": context}, 60.0)
        first = run(CELL)
        figures.setdefault("start and first cell", (time.perf_counter() - started) * 1000)
        if "Error" in first:
            figures[f"cell, {size // 1000:,} KB context"] = first[-80:]
            continue
        times = []
        for _ in range(15):
            started = time.perf_counter()
            run(CELL)
            times.append((time.perf_counter() - started) * 1000)
        figures[f"cell, {size // 1000:,} KB context"] = statistics.median(times)
    return figures


def main() -> None:
    task, *names = sys.argv[1:] or ["measure"]
    if task == "attack":
        given = json.load(sys.stdin)
        make = EXECUTORS[names[0]]
        print(json.dumps({name: attacked(make, given, attack) for name, attack in given["attacks"].items()}))
        return
    found: dict[str, Any] = {}
    for name in names or EXECUTORS:
        try:
            found[name] = measure(EXECUTORS[name])
        except ImportError as error:
            found[name] = {"not installed": str(error)}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
