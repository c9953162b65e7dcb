"""A session that was lost is made again from what was recorded: no host function is called twice."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from rlm_search.errors import ToldToModel
from rlm_search.sandbox.confined import ConfinedSandbox

pytestmark = pytest.mark.integration

LOSE = "collections._sys.modules['os']._exit(1)"


def lost(sandbox: ConfinedSandbox) -> str:
    execution = sandbox.execute(LOSE, timeout=10)
    assert execution.ended == "crashed"
    return execution.error


def test_variables_functions_and_classes_are_there_again_and_no_call_is_made(begin: Any) -> None:
    calls: list[str] = []

    def search(query: str) -> list[str]:
        calls.append(query)
        return [f"{query} {len(calls)}"]

    sandbox = begin({"search": search}, {"given": "text"})
    sandbox.execute("hits = search('tax')\nfor word in ('a', 'b'): hits += search(word)", timeout=10)
    sandbox.execute("class C:\n    n = len(hits)\ndef f(): return C.n + len(given)", timeout=10)
    told = lost(sandbox)
    assert "2 earlier cells run again" in told
    assert "their variables, functions and classes are there" in told
    assert sandbox.execute("print(hits, f())", timeout=10).stdout == "['tax 1', 'a 2', 'b 3'] 7\n"
    assert calls == ["tax", "a", "b"]


def test_a_session_is_made_again_more_than_once(begin: Any) -> None:
    calls = itertools.count(1)
    sandbox = begin({"count": lambda: next(calls)})
    for n in range(1, 4):
        sandbox.execute(f"x{n} = count()", timeout=10)
        lost(sandbox)
    assert sandbox.execute("(x1, x2, x3)", timeout=10).stdout == "(1, 2, 3)\n"
    assert next(calls) == 4


def test_cells_that_raised_and_what_was_told_to_them_are_part_of_it(begin: Any) -> None:
    def told() -> None:
        raise ToldToModel("search first")

    sandbox = begin({"told": told})
    sandbox.execute("before = 1\ntold()", timeout=10)
    sandbox.execute("try: told()\nexcept Exception as e: seen = str(e)\n1 / 0", timeout=10)
    lost(sandbox)
    assert sandbox.execute("before, seen", timeout=10).stdout == "(1, 'search first')\n"


def test_a_cell_whose_host_function_broke_is_part_of_it(begin: Any) -> None:
    broken: list[int] = []

    def breaks() -> None:
        broken.append(1)
        raise OSError("no")

    sandbox = begin({"breaks": breaks})
    with pytest.raises(OSError, match="no"):
        sandbox.execute("kept = 2\nbreaks()\nafter = 3", timeout=10)
    lost(sandbox)
    assert sandbox.execute("kept, 'after' in globals()", timeout=10).stdout == "(2, False)\n"
    assert broken == [1]


def test_what_the_host_bound_is_bound_again(begin: Any) -> None:
    def give() -> str:
        sandbox.set("inner", [1])
        return "given"

    sandbox: ConfinedSandbox = begin({"give": give})
    sandbox.set("outer", "y" * 600_000)
    sandbox.execute("x = give()\ninner.append(2)", timeout=10)
    lost(sandbox)
    assert sandbox.execute("x, inner, len(outer)", timeout=10).stdout == "('given', [1, 2], 600000)\n"


def test_random_numbers_are_the_same_again_and_differ_between_sessions(begin: Any) -> None:
    first, second = begin(), begin()
    for sandbox in (first, second):
        sandbox.execute("import random\nr = [random.random(), list({'a', 'b', 'c'})]", timeout=10)
    before = first.get("r")
    lost(first)
    assert first.get("r") == before
    assert second.get("r")[0] != before[0]


def test_a_cell_that_asks_for_something_else_ends_it_and_the_model_is_told(begin: Any) -> None:
    calls: list[str] = []

    def search(query: str) -> str:
        calls.append(query)
        return query

    sandbox = begin({"search": search})
    sandbox.execute("first = search('a')", timeout=10)
    sandbox.execute("import time\nsecond = search(str(time.time()))", timeout=10)
    sandbox.execute("third = 3", timeout=10)
    told = lost(sandbox)
    assert "1 earlier cell run again" in told
    assert "what 2 earlier cells had assigned is gone" in told
    assert "other arguments" in told
    assert len(calls) == 2
    assert sandbox.execute("first, 'second' in globals()", timeout=10).stdout == "('a', False)\n"


def test_a_cell_that_prints_something_else_is_told(begin: Any) -> None:
    sandbox = begin()
    sandbox.execute("import uuid\nprint(uuid.uuid4())\nx = 1", timeout=10)
    assert "1 of them printed something else" in lost(sandbox)
    assert sandbox.get("x") == 1


def test_cells_that_ran_out_of_time_are_told_to_be_missing(begin: Any) -> None:
    sandbox = begin()
    sandbox.execute("x = 1", timeout=10)
    sandbox.execute("y = 2\nwhile True: pass", timeout=0.2)
    assert "stopped before their end" in lost(sandbox)
    assert sandbox.execute("x, 'y' in globals()", timeout=10).stdout == "(1, False)\n"


def test_what_is_too_much_is_not_run_again(begin: Any) -> None:
    sandbox = begin({"long": lambda: "x" * 10_000}, journal_bytes=5_000)
    sandbox.execute("x = long()", timeout=10)
    assert "too much to be run again" in lost(sandbox)
    assert "NameError" in sandbox.execute("x", timeout=10).error
    sandbox.execute("y = 1", timeout=10)
    lost(sandbox)
    assert sandbox.get("y") == 1


def test_it_takes_no_longer_than_its_limit(begin: Any) -> None:
    sandbox = begin(replay_seconds=0.3)
    for n in range(3):
        sandbox.execute(f"x{n} = sum(range(8_000_000))", timeout=20)
    told = lost(sandbox)
    assert "took more than" in told


def test_an_earlier_cell_that_spoilt_the_session_does_not_do_so_for_ever(begin: Any) -> None:
    sandbox = begin()
    spoil = "cells = collections._sys.modules['rlm_search.sandbox.cells']\ncells.Cells.run = lambda *a: {'stdout': 1}"
    sandbox.execute(spoil, timeout=10)
    outcomes = [sandbox.execute("1 + 1", timeout=10) for _ in range(5)]
    assert outcomes[0].ended == "crashed"
    assert outcomes[-1].stdout == "2\n"
    assert any("again and again" in execution.error for execution in outcomes)


def test_calls_of_a_session_are_limited_over_its_cells(begin: Any) -> None:
    numbers = itertools.count()
    sandbox = begin({"take": lambda: next(numbers)}, session_calls=5)
    sandbox.execute("for _ in range(4): take()", timeout=10)
    execution = sandbox.execute("take(); take()", timeout=10)
    assert "the 5 calls of this session are spent" in execution.error
    assert next(numbers) == 5
