"""Monty as the sandbox: attacks reach nothing, its limits hold, its dialect is as the model is told, FINAL works.

The contract of all sandboxes is in tests/contract. `RLM_SEARCH_TEST_ATTACKS=all` tries every attack, else every eighth.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from rlm_search import RLM, ScriptedModel
from rlm_search.errors import SandboxError
from rlm_search.sandbox.confined import ConfinedSandbox
from rlm_search.sandbox.monty import monty_sandbox
from rlm_search.sandbox.protocol import SandboxLimits
from rlm_search.testing import MemoryRetriever
from rlm_search.types import Execution
from tests.integration.sandbox.arena import PRELUDE, Arena, arena, attacks

pytestmark = pytest.mark.integration

LIMITS = SandboxLimits(memory_bytes=64 * 1024 * 1024)
LEFT_OUT = ("kernel", "wire")
"""Classes that speak our worker's wire or the kernel's calls: nothing of them exists in monty."""
ATTACKS = {name: attack for name, attack in attacks().items() if attack.kind not in LEFT_OUT}
EVERY = 1 if os.environ.get("RLM_SEARCH_TEST_ATTACKS") == "all" else 8


@pytest.fixture
def run() -> Iterator[Callable[..., Execution]]:
    """Run cells in one session."""
    with monty_sandbox(LIMITS) as sandbox:
        sandbox.start({"double": lambda n: 2 * n})
        yield lambda code, seconds=20.0: sandbox.execute(code, timeout=seconds)


@pytest.fixture(scope="module")
def field() -> Iterator[Arena]:
    with arena() as made:
        yield made


def prelude(field: Arena) -> list[str]:
    """What attacks find, a cell each: a part that monty does not know costs the others nothing."""
    names = field.prelude(os.getpid(), os.getpid()).removeprefix(PRELUDE)
    return [*("def " + part for part in PRELUDE.split("\ndef ")[1:]), names]


@pytest.mark.parametrize("name", list(ATTACKS)[::EVERY])
def test_an_attack_is_contained(name: str, field: Arena) -> None:
    attack = ATTACKS[name]
    with monty_sandbox(LIMITS) as sandbox:
        sandbox.start(field.functions())
        for cell in prelude(field):
            sandbox.execute(cell, timeout=20)
        sandbox.execute("kept = 41", timeout=20)
        output = ""
        for cell in attack.cells:
            execution = sandbox.execute(cell, timeout=attack.seconds)
            output += execution.stdout + execution.error
            assert execution.seconds < attack.seconds + 15
        assert field.reached(output) == []
        assert sandbox.execute("kept + 1", timeout=20).stdout == "42\n"


def monty_processes() -> set[int]:
    found = set()
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and os.readlink(entry / "exe").endswith("/monty"):
                parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
                found |= {int(entry.name)} if int(parent) == os.getpid() else set()
        except OSError:
            continue
    return found


def eventually(holds: Callable[[], bool]) -> bool:
    end = time.monotonic() + 10
    while not holds() and time.monotonic() < end:
        time.sleep(0.02)
    return holds()


def test_no_process_is_left_of_closed_killed_and_forgotten_sessions() -> None:
    before = monty_processes()
    for ending in ("1", "while True: pass"):
        with monty_sandbox(LIMITS) as sandbox:
            sandbox.start({})
            sandbox.execute(ending, timeout=0.2)
            assert eventually(lambda: bool(monty_processes() - before))
    forgotten = monty_sandbox(LIMITS)
    forgotten.start({})
    forgotten.execute("1", timeout=20)
    del forgotten
    assert eventually(lambda: monty_processes() <= before)


def test_a_session_that_is_closed_while_a_cell_runs_ends_at_once() -> None:
    sandbox = monty_sandbox(LIMITS)
    sandbox.start({})
    sandbox.execute("1", timeout=20)
    threading.Timer(0.2, sandbox.close).start()
    started = time.monotonic()
    with pytest.raises(Exception, match="closed while a cell ran"):
        sandbox.execute("while True: pass", timeout=20)
    assert time.monotonic() - started < 5


def test_its_process_ends_by_its_own_limit_where_the_host_is_killed() -> None:
    script = (
        "import os, signal, threading\n"
        "from tests.integration.sandbox.test_monty import monty_processes\n"
        "from rlm_search.sandbox.monty import monty_sandbox\n"
        "sandbox = monty_sandbox(cell_seconds=1.0)\n"
        "sandbox.start({})\n"
        "sandbox.execute('1', timeout=9)\n"
        "print(*monty_processes(), flush=True)\n"
        "threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGKILL)).start()\n"
        "sandbox.execute('while True: pass', timeout=9)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode == -signal.SIGKILL
    [pid] = map(int, done.stdout.split())
    assert eventually(lambda: not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text())


def test_what_it_gives_up_is_tried_before_any_code_is_run() -> None:
    with monty_sandbox(LIMITS) as sandbox:
        sandbox.start({})
        sandbox.execute("1", timeout=20)
        assert dict(sandbox.confinement) == {
            **dict.fromkeys(("files", "environment", "modules", "memory", "time"), "held"),
            "seen": "it runs elsewhere",
        }


def test_time_is_limited_and_the_session_made_again(run: Callable[..., Execution]) -> None:
    run("x = double(4)")
    started = time.monotonic()
    stopped = run("while True:\n    try:\n        while True: pass\n    except BaseException: pass", 0.3)
    assert time.monotonic() - started < 5
    assert stopped.ended == "killed"
    assert "1 earlier cell run again" in stopped.error
    assert run("x").stdout == "8\n"


def test_its_own_limit_of_time_holds_where_the_one_of_the_cell_is_longer() -> None:
    with monty_sandbox(LIMITS, cell_seconds=0.2) as sandbox:
        sandbox.start({})
        sandbox.execute("x = 1", timeout=20)
        started = time.monotonic()
        assert sandbox.execute("while True: pass", timeout=20).ended == "crashed"
        assert time.monotonic() - started < 5
        assert sandbox.execute("x", timeout=20).stdout == "1\n"


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("'a' * 10**8", "MemoryError"),
        ("10 ** 10**8", "MemoryError"),
        ("def deeper(n): return deeper(n + 1)\ndeeper(0)", "RecursionError"),
    ],
)
def test_memory_and_depth_are_limited_and_variables_kept(code: str, told: str, run: Callable[..., Execution]) -> None:
    run("x = 1")
    execution = run(code)
    assert told in execution.error
    assert execution.ended == "raised"
    assert run("x").stdout == "1\n"


def test_memory_that_grows_bit_by_bit_is_limited(run: Callable[..., Execution]) -> None:
    run("x = 1")
    execution = run("rows = []\nwhile True: rows.append('a' * 1000 + str(len(rows)))")
    assert execution.ended in ("raised", "crashed")
    assert run("x").stdout == "1\n"


def test_host_calls_and_output_are_limited() -> None:
    with monty_sandbox(SandboxLimits(calls=5, output_characters=100)) as sandbox:
        sandbox.start({"double": lambda n: 2 * n})
        assert "may make 5 calls" in sandbox.execute("for n in range(9): double(n)", timeout=20).error
        execution = sandbox.execute("for n in range(1000): print(n)", timeout=20)
        assert len(execution.stdout) < 200
        assert execution.stdout_length == 3890


def test_calls_beyond_the_thousand_that_monty_allows_by_itself_go_through(run: Callable[..., Execution]) -> None:
    for _ in range(3):
        assert run("for n in range(900): double(n)").error == ""


WORKS = {
    "a plain class": "class A:\n    def __init__(self, x): self.x = x\n    def f(self): return 2 * self.x\nA(2).f()",
    "a dataclass": "from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int\nP(4).x",
    "a comprehension": "sum([n for n in (1, 3)])",
    "a lambda": "(lambda n: n + 1)(3)",
    "match": "match {'a': 4}:\n    case {'a': n}: r = n\nr",
    "try": "try: 1 / 0\nexcept ZeroDivisionError: r = 4\nr",
    "with": "class C:\n    def __enter__(self): return 4\n    def __exit__(self, *a): pass\nwith C() as c: r = c\nr",
    "await": "async def f(): return 4\nawait f()",
    "a walrus and an f-string": "int(f'{(n := 4)}')",
    "collections": "collections.Counter('aaaab').most_common(1)[0][1]",
    "datetime": "datetime.date(2020, 1, 4).day",
    "re": "int(re.search(r'(\\d)', 'a4')[1])",
    "json": "json.loads('[4]')[0]",
    "modules": "import bisect, csv, functools, random, decimal, typing, copy, hashlib, base64, unicodedata, time\n4",
}


@pytest.mark.parametrize("title", WORKS)
def test_what_the_model_is_told_it_may_write_works(title: str, run: Callable[..., Execution]) -> None:
    execution = run(WORKS[title])
    assert (execution.stdout, execution.error) == ("4\n", "")


FAILS = {
    "inheritance": "class A: pass\nclass B(A): pass",
    "an exception of its own": "class E(Exception): pass",
    "yield": "def f(): yield 1\nlist(f())",
    "del": "d = {1: 2}\ndel d[1]",
    "property": "class A:\n    @property\n    def p(self): return 1\nA().p",
    "globals": "globals()",
    "dir": "dir()",
    "callable": "callable(print)",
    "re.sub with a function": "re.sub('a', lambda m: 'b', 'a')",
    "len of a class": "class A:\n    def __len__(self): return 1\nlen(A())",
    **{f"import {name}": f"import {name}" for name in ("statistics", "textwrap", "string", "heapq", "enum", "io")},
}


@pytest.mark.parametrize("title", FAILS)
def test_what_the_model_is_told_it_may_not_write_is_told_when_it_does(
    title: str, run: Callable[..., Execution]
) -> None:
    """Where a newer monty knows it, the prompt (prompts/monty.md) has to say so."""
    execution = run(FAILS[title])
    assert execution.ended == "raised"
    assert "Error: " in execution.error.splitlines()[-1]


def test_a_traceback_shows_the_lines_of_cells(run: Callable[..., Execution]) -> None:
    run("def ratio(a, b):\n    return a / b")
    assert run("x = 1\nratio(x, 0)").error == (
        "Traceback (most recent call last):\n  cell 2, line 2\n    ratio(x, 0)\n"
        "  cell 1, line 2, in ratio\n    return a / b\nZeroDivisionError: division by zero"
    )


def test_what_holds_itself_a_thousand_times_a_thousand_times_costs_the_host_nothing(
    run: Callable[..., Execution],
) -> None:
    run("a = [0] * 1000\nfor _ in range(6): a = [a] * 1000")
    started = time.monotonic()
    assert "more than" in run("double(a)").error
    assert time.monotonic() - started < 10


def test_sessions_in_threads_do_not_mix() -> None:
    def session(number: int) -> int:
        with monty_sandbox(LIMITS) as sandbox:
            sandbox.start({"whose": lambda: number}, {"mine": number})
            told = [sandbox.execute(f"print(mine, whose(), {n})", timeout=20).stdout for n in range(30)]
            return sum(text != f"{number} {number} {n}\n" for n, text in enumerate(told))

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(session, range(6))) == 0


def test_a_fork_of_the_host_is_told_that_monty_does_not_work_there() -> None:
    with monty_sandbox(LIMITS) as sandbox:
        sandbox.start({}, {"x": 1})
        sandbox.execute("y = 2", timeout=20)
        pid = os.fork()
        if pid == 0:
            told = False
            try:
                sandbox.execute("x", timeout=20)
            except SandboxError as error:
                told = "spawn" in error.hint
            os._exit(0 if told else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert sandbox.execute("x + y", timeout=20).stdout == "3\n"


ARCHIVE = {"rules": "Rules of the port. No berthing is allowed above 32 knots of wind.", "menu": "Fish on Fridays."}


def asked(*cells: str, **given: Any) -> tuple[Any, str]:
    model = ScriptedModel([f"```python\n{cell}\n```" for cell in cells])
    rlm = RLM(
        model=model,
        sub_model=ScriptedModel(lambda _: "blue"),
        retriever=None if "context" in given else MemoryRetriever(ARCHIVE),
        sandbox=monty_sandbox,
    )
    answer = rlm.run("What is the wind limit?", **given)
    return answer, "\n".join(message.content for message in model.asked[-1].messages)


def test_a_question_is_answered_through_monty_with_a_citation() -> None:
    answer, said = asked(
        "hits = es_search('berthing knots', top_k=2)\nprint(hits)\nprint(hits[0].doc_id, hits[0]['doc_id'])",
        "page = es_get(hits[0].doc_id)\nprint(page.text[:20], page[:5])\n"
        "m = cite(hits[0], 'No berthing is allowed above 32 knots')\nFINAL(f'32 knots {m}.')",
    )
    assert (answer.status, answer.text) == ("answered", "32 knots [1].")
    assert answer.citations[0].quote == "No berthing is allowed above 32 knots"
    assert "rules rules" in said
    assert "No berthing is allowed" in said
    assert "It has no inheritance" in said


def test_rows_are_mapped_by_functions_of_the_model_and_their_coverage_is_told() -> None:
    def documents_to_map(filters: Any = None, query: str = "", after: str = "") -> dict[str, Any]:
        """Documents in batches of one."""
        number = int(after or 0)
        item = {"doc_id": f"d{number}", "title": "T", "content": "a " * (number + 1)}
        return {"__type__": "Table", "items": [item], "next": "" if number == 2 else str(number + 1)}

    def map_documents(question_or_function: Any) -> None:
        """Put a question to each document."""

    with monty_sandbox(LIMITS) as sandbox:
        sandbox.start({"map_documents": map_documents, "documents_to_map": documents_to_map})
        code = (
            "def words(document):\n    return {'n': len(document.text.split()) // (document.doc_id != 'd1')}\n"
            "rows = map_documents(words)\nprint([(row.doc_id, row.n, row['title']) for row in rows])"
        )
        told = sandbox.execute(code, timeout=20).stdout
    assert "coverage: 3 of 3 documents, 1 failed" in told
    assert "[('d0', 1, 'T'), ('d2', 3, 'T')]" in told


def test_a_context_has_its_names() -> None:
    answer, said = asked(
        "print(len(P), ctx.num_documents(), peek(9), ctx.find('limit')[0], len(ctx.chunk(10, 2)), list(FILES))",
        "FINAL(extract_after('limit:'))",
        context={"a.txt": "The wind limit: 32 knots.", "b.txt": "Nothing."},
    )
    assert answer.text == "32"
    assert "2 The wind " in said
    assert "(9, 14, 'limit')" in said
    assert "['a.txt', 'b.txt']" in said


def test_what_the_host_raises_ends_a_cell_that_catches_everything() -> None:
    def spend() -> None:
        raise OSError("broken")

    with monty_sandbox(LIMITS) as sandbox:
        sandbox.start({"spend": spend})
        sandbox.execute("x = 1", timeout=20)
        started = time.monotonic()
        with pytest.raises(OSError, match="broken"):
            sandbox.execute("while True:\n    try: spend()\n    except BaseException: pass", timeout=20)
        assert time.monotonic() - started < 5
        assert isinstance(sandbox, ConfinedSandbox)


def test_it_needs_nothing_that_windows_does_not_have() -> None:
    """As far as that can be told on Linux: without the modules and names that only Unix has."""
    script = (
        "import os, select, signal, socket, subprocess, sys\n"
        "sys.modules.update(dict.fromkeys(('fcntl', 'resource', 'pwd', 'grp', 'termios')))\n"
        "for module, names in ((os, 'fork register_at_fork geteuid getuid setsid killpg pidfd_open readv'),\n"
        "                      (signal, 'SIGKILL SIGALRM setitimer pidfd_send_signal'),\n"
        "                      (select, 'poll epoll'), (socket, 'AF_UNIX send_fds recv_fds')):\n"
        "    for name in names.split():\n"
        "        delattr(module, name) if hasattr(module, name) else None\n"
        "def pair():  # as Python makes one there\n"
        "    with socket.create_server(('127.0.0.1', 0)) as listener:\n"
        "        return socket.create_connection(listener.getsockname()), listener.accept()[0]\n"
        "socket.socketpair = pair\n"
        "from rlm_search.sandbox.monty import monty_sandbox\n"
        "with monty_sandbox() as sandbox:\n"
        "    sandbox.start({'double': lambda n: 2 * n}, {'text': 'a' * 2_000_000})\n"
        "    print(sandbox.execute('x = double(21)\\nx, len(text)', timeout=20).stdout, end='')\n"
        "    print(sandbox.execute('while True: pass', timeout=0.2).ended, sandbox.get('x'))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.returncode) == ("(42, 2000000)\nkilled 42\n", 0), done.stderr


@pytest.mark.parametrize(
    "question", ["Above which wind is no berthing allowed?", "When is fish on the menu?", "Who won?"]
)
def test_without_a_language_model_the_same_passages_are_quoted_as_elsewhere(question: str) -> None:
    """The program of the extractive reader is Python that monty knows, too."""
    answers = [
        RLM(model="extractive", retriever=MemoryRetriever(ARCHIVE), sandbox=sandbox).run(question)
        for sandbox in (ConfinedSandbox, monty_sandbox)
    ]
    assert answers[0].status == answers[1].status
    assert answers[0].text == answers[1].text
    assert [c.quote for c in answers[0].citations] == [c.quote for c in answers[1].citations]
