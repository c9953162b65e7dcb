"""Thousands of random cells leave the host as it was: no memory, no descriptor, no process.

`RLM_SEARCH_TEST_SLOW` makes it ten thousand.
"""

from __future__ import annotations

import gc
import os
import random
from pathlib import Path
from typing import Any

import pytest

from rlm_search.errors import ToldToModel
from rlm_search.sandbox.confined import ConfinedSandbox
from rlm_search.sandbox.launch import nursery
from rlm_search.sandbox.protocol import SandboxLimits

pytestmark = pytest.mark.integration

CELLS = 10_000 if os.environ.get("RLM_SEARCH_TEST_SLOW") else 600
COMMON = (
    "x = {n}\nx * 2",
    "data = [echo(i) for i in range({n} % 7)]\nprint(data)",
    "def f(n): return n + {n}\nf(1)",
    "class C:\n    n = {n}\nC().n",
    "print('x' * {n})",
    "1 / 0",
    "undefined_{n}",
    "x = = {n}",
    "text = 'y' * {n}000; words = text.split('y')",
    "import collections\ncollections.Counter(str({n}) * 50).most_common(2)",
    "raise SystemExit",
    "echo(object())",
    "fail()",
    "[i for i in range({n} * 10)][-1:]",
    "x = b'a' * 10**10",
    "try: fail()\nexcept Exception as e: print(e)",
    "import asyncio\nasyncio.run(asyncio.sleep(0, {n}))",
    "big = list(range({n} * 100)); echo(big[:1000]) and None",
)
RARE = (
    "collections._sys.modules['os']._exit(1)",
    "while True: pass",
    "collections._sys.modules['os'].write(3, b'nonsense!')",
    "max(range(10**12))",
)


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def test_random_cells_leave_nothing_behind() -> None:
    chance = random.Random(7)

    def echo(value: Any) -> Any:
        return value

    def fail() -> None:
        raise ToldToModel("no")

    def some(cells: int) -> None:
        done = 0
        while done < cells:
            with ConfinedSandbox(SandboxLimits(grace_seconds=0.1, journal_bytes=100_000)) as sandbox:
                sandbox.start({"echo": echo, "fail": fail})
                for _ in range(chance.randint(1, 120)):
                    rare = chance.random() < 0.01
                    cell = chance.choice(RARE if rare else COMMON).format(n=chance.randint(1, 500))
                    execution = sandbox.execute(cell, timeout=0.05 if rare else 30)
                    assert execution.ended in ("ok", "raised", "timeout", "killed", "crashed")
                    done += 1

    some(200)
    gc.collect()
    memory, descriptors = resident(), len(os.listdir("/proc/self/fd"))
    some(CELLS)
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == descriptors
    assert resident() - memory < 20_000_000
    zygote = nursery().pid_of()
    assert Path(f"/proc/{zygote}/task/{zygote}/children").read_text() == ""
    status = Path(f"/proc/{zygote}/status").read_text()
    assert int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) < 60_000
    assert len(os.listdir(f"/proc/{zygote}/fd")) < 8
