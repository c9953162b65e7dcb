from __future__ import annotations

import asyncio
import concurrent.futures
import subprocess
import sys

import pytest

from rlm_search.sandbox.shims import InlineExecutor, InlineLoop, InlinePolicy


def test_an_executor_has_run_when_submit_returns() -> None:
    ran: list[int] = []
    with InlineExecutor(max_workers=4) as pool:
        future = pool.submit(ran.append, 1)
        assert ran == [1]
        assert future.done()
        assert list(pool.map(pow, [2, 3], [3, 2])) == [8, 9]
        failed = pool.submit(int, "x")
    assert isinstance(failed.exception(), ValueError)
    assert list(concurrent.futures.as_completed([future])) == [future]


def test_a_loop_without_descriptors_runs_tasks_timers_and_functions() -> None:
    async def work() -> list[object]:
        loop = asyncio.get_running_loop()
        slept = await asyncio.gather(asyncio.sleep(0.002, "a"), asyncio.sleep(0.001, "b"))
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.sleep(10), 0.001)
        return [*slept, await loop.run_in_executor(None, len, "four"), await asyncio.to_thread(str, 5)]

    loop = InlineLoop()
    try:
        assert loop.run_until_complete(work()) == ["a", "b", 4, "5"]
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        loop.close()


def test_a_loop_that_waits_for_nothing_says_so() -> None:
    loop = InlinePolicy().new_event_loop()
    future = loop.create_future()
    with pytest.raises(RuntimeError, match="nothing here can bring about"):
        loop.run_until_complete(future)
    future.cancel()
    loop.close()


INSTALLED = """
import asyncio, concurrent.futures, threading, _thread
from rlm_search.sandbox import shims
shims.install()
ran = []
t = threading.Thread(target=ran.append, args=(1,))
try: t.join()
except RuntimeError as e: print(e)
t.start(); t.join(); print(ran, t.is_alive())
try: t.start()
except RuntimeError as e: print(e)
def leave(): raise SystemExit
threading.Thread(target=leave).start()
threading.Thread(target=lambda: 1 / 0).start()
try: _thread.start_new_thread(print, ())
except RuntimeError as e: print(e)
with concurrent.futures.ThreadPoolExecutor() as pool: print(list(pool.map(len, ["ab"])))
async def f(): return await asyncio.to_thread(len, "abc")
print(asyncio.run(f()))
"""


def test_installed_shims_run_threads_pools_and_loops_inline() -> None:
    done = subprocess.run([sys.executable, "-c", INSTALLED], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines() == [
        "cannot join thread before it is started",
        "[1] False",
        "threads can only be started once",
        "no second thread can run in this sandbox",
        "[2]",
        "3",
    ]
    assert "ZeroDivisionError" in done.stderr
