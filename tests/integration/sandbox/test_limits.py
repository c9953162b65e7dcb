"""Code that wants too much time, memory or output costs its own cell, at most its own session."""

from __future__ import annotations

import os
import time
from typing import Any

import pytest

from rlm_search.sandbox.confined import ConfinedSandbox

pytestmark = pytest.mark.integration

ENDLESS = {
    "a busy loop": "while True: pass",
    "a sleep": "import time\ntime.sleep(60)",
    "an endless generator": "import itertools\nfor _ in itertools.count(): pass",
    "a catastrophic regex": "re.match(r'(a+)+$', 'a' * 40 + 'b')",
    "a power tower": "10**10**8",
    "a waiting lock": "import threading\nl = threading.Lock(); l.acquire(); l.acquire()",
    "an empty queue": "import queue\nqueue.Queue().get()",
    "except Exception": "while True:\n    try:\n        while True: pass\n    except Exception: pass",
    "an endless repr": "class R:\n    def __repr__(self):\n        while True: pass\nR()",
    "an endless __str__ of an error": "class E(Exception):\n    def __str__(self):\n        while True: pass\nraise E",
    "an endless await": "import asyncio\nawait asyncio.sleep(60)",
    "a thread that never ends": "import threading\ndef f():\n    while True: pass\nthreading.Thread(target=f).start()",
    "an endless finalizer": "class F:\n    def __del__(self):\n        while True: pass\nF()\nwhile True: pass",
}


@pytest.mark.parametrize("what", ENDLESS)
def test_what_never_ends_is_stopped_softly_and_the_variables_live(what: str, shared: ConfinedSandbox) -> None:
    shared.execute("kept = 41", timeout=5)
    execution = shared.execute(ENDLESS[what], timeout=0.3)
    assert execution.ended == "timeout"
    assert "0.3 s" in execution.error
    assert execution.seconds < 10
    assert shared.execute("kept + 1", timeout=5).stdout == "42\n"


UNSTOPPABLE = {
    "a loop that swallows BaseException": (
        "def again():\n    try:\n        while True: pass\n    except BaseException: pass\n"
        "while True:\n    try:\n        while True: again()\n    except BaseException: pass\n"
        "    finally:\n        while True:\n            try:\n                while True: again()\n"
        "            except BaseException: pass"
    ),
    "C code that looks at no signal": "max(range(10**12))",
    "a disarmed alarm": (
        "signal = collections._sys.modules['signal']\nsignal.setitimer(signal.ITIMER_REAL, 0)\nwhile True: pass"
    ),
}


@pytest.mark.parametrize("what", UNSTOPPABLE)
def test_what_cannot_be_stopped_is_killed_and_the_session_is_made_again(what: str, sandbox: ConfinedSandbox) -> None:
    sandbox.execute("kept = 1", timeout=5)
    pid = sandbox.pid
    started = time.monotonic()
    execution = sandbox.execute(UNSTOPPABLE[what], timeout=0.3)
    assert execution.ended == "killed"
    assert time.monotonic() - started < 15
    assert "What this cell had assigned is gone" in execution.error
    assert "1 earlier cell run again" in execution.error
    assert pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert sandbox.execute("kept", timeout=5).stdout == "1\n"


MEMORY = {
    "bytes": "x = b'a' * 10**10",
    "a list": "x = [0] * 10**10",
    "a growing list": "x = []\nwhile True: x.append('y' * 10**6)",
    "a doubling string": "x = 'a'\nwhile True: x += x",
    "an integer": "x = 1 << 10**11",
    "a dict": "x = {i: 'z' * 10**5 for i in range(10**9)}",
    "a repr": "x = 'a' * (3 * 10**8)\n(x, x)",
    "a zip bomb": "import zlib\nx = zlib.decompress(zlib.compress(b'0' * 10**7) * 1)\nx = x * 100",
}


@pytest.mark.parametrize("what", MEMORY)
def test_memory_is_limited_and_the_variables_live(what: str, shared: ConfinedSandbox) -> None:
    shared.execute("kept = 41", timeout=5)
    execution = shared.execute(MEMORY[what], timeout=20)
    assert execution.ended == "raised"
    assert "MemoryError" in execution.error
    assert shared.execute("x = None\nkept + 1", timeout=5).stdout == "42\n"


def test_memory_is_as_much_as_the_limits_say(begin: Any) -> None:
    small = begin(memory_bytes=64 * 1024 * 1024)
    assert "MemoryError" in small.execute("x = 'a' * 80_000_000", timeout=5).error
    assert small.execute("x = 'a' * 30_000_000\nlen(x)", timeout=5).stdout == "30000000\n"


def test_a_huge_print_keeps_head_and_tail_and_counts_the_rest(begin: Any) -> None:
    sandbox = begin(output_characters=1_000)
    execution = sandbox.execute("print('head'); print('x' * 5_000_000); print('tail')", timeout=5)
    assert execution.stdout.startswith("head\nxxx")
    assert execution.stdout.endswith("xxx\ntail\n")
    assert execution.stdout_length == 5_000_011
    assert len(execution.stdout) < 1_100
    assert "of 5,000,011 characters left out" in execution.stdout


def test_a_million_small_prints_cost_no_memory(begin: Any) -> None:
    sandbox = begin(output_characters=1_000)
    execution = sandbox.execute("for i in range(300_000): print(i)", timeout=20)
    assert execution.ended == "ok"
    assert execution.stdout.endswith("299999\n")
    assert len(execution.stdout) < 1_100


def test_deep_recursion_is_an_error_with_a_short_traceback(sandbox: ConfinedSandbox) -> None:
    execution = sandbox.execute("def f(n):\n    return f(n + 1)\nf(0)", timeout=5)
    assert "RecursionError" in execution.error
    assert "more frames" in execution.error
    assert len(execution.error) < 1_500


def test_nested_source_that_breaks_the_parser_is_an_error(sandbox: ConfinedSandbox) -> None:
    for code in ("(" * 300 + ")" * 300, "x = " + "-" * 100_000 + "1", "[" * 95 + "]" * 95 + "\n1", "1" + "+1" * 50_000):
        execution = sandbox.execute(code, timeout=10)
        assert execution.ended in ("ok", "raised", "crashed")
    assert sandbox.execute("1 + 1", timeout=5).stdout == "2\n"


def test_a_crash_of_the_interpreter_is_told_and_what_was_given_is_there_again(begin: Any) -> None:
    sandbox = begin(variables={"context": "given"})
    execution = sandbox.execute("mine = 1\ncollections._sys.modules['os']._exit(3)", timeout=5)
    assert execution.ended == "crashed"
    assert "there again: context" in execution.error
    assert sandbox.execute("context, 'mine' in globals()", timeout=5).stdout == "('given', False)\n"


def test_a_segmentation_fault_ends_the_session_only(sandbox: ConfinedSandbox) -> None:
    code = "import sys\nsys.setrecursionlimit(10**9)\ndef f(): return [f() for _ in [0]] and repr(f())\n"
    code += "class A:\n    def __getattr__(self, n): return getattr(self, n + 'x')\n"
    code += "x = []\nfor _ in range(10**6): x = [x]\nrepr(x)"
    execution = sandbox.execute(code, timeout=10)
    assert execution.ended in ("crashed", "raised")
    assert sandbox.execute("1", timeout=5).stdout == "1\n"


@pytest.mark.parametrize(
    "code", ["import sys\nsys.exit(1)", "exit()", "quit(3)", "raise SystemExit", "raise KeyboardInterrupt"]
)
def test_leaving_ends_the_cell_and_nothing_else(code: str, shared: ConfinedSandbox) -> None:
    pid = shared.execute("kept = 1", timeout=5) and shared.pid
    execution = shared.execute(code, timeout=5)
    assert execution.ended == "raised"
    assert execution.error
    assert shared.execute("kept", timeout=5).stdout == "1\n"
    assert shared.pid == pid


def test_the_cpu_limit_is_a_backstop_of_the_kernel(begin: Any) -> None:
    sandbox = begin(cpu_seconds=2)
    execution = sandbox.execute(UNSTOPPABLE["a disarmed alarm"], timeout=20)
    assert execution.ended == "crashed"
    assert execution.seconds < 10
