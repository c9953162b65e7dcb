"""Each attack reaches no canary, leaves no process and no file, and the session goes on with its variables.

`attacks.txt` holds them. `RLM_SEARCH_TEST_PYTHONS` names further interpreters for the workers, with colons between.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rlm_search.sandbox.confined import ConfinedSandbox
from rlm_search.sandbox.launch import forked, nursery
from rlm_search.sandbox.protocol import SandboxLimits
from tests.integration.sandbox.arena import Arena, arena, attacks

pytestmark = pytest.mark.integration

ATTACKS = attacks()
PYTHONS = [sys.executable, *filter(None, os.environ.get("RLM_SEARCH_TEST_PYTHONS", "").split(":"))]
LIMITS = SandboxLimits(memory_bytes=256 * 1024 * 1024, grace_seconds=0.5)


@pytest.fixture(scope="module", params=PYTHONS)
def python(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def field(python: str) -> Iterator[Arena]:
    with arena() as made:
        yield made


@pytest.fixture(scope="module")
def other(python: str, field: Arena) -> Iterator[ConfinedSandbox]:
    """Another session of the same host, with a secret of its own."""
    with ConfinedSandbox(LIMITS, launch=functools.partial(forked, python)) as sandbox:
        sandbox.start({}, {"theirs": field.canary})
        sandbox.execute("1", timeout=20)
        yield sandbox


def test_there_are_more_than_two_hundred_of_at_least_twelve_classes() -> None:
    assert len(ATTACKS) >= 200
    assert len({attack.kind for attack in ATTACKS.values()}) >= 12


def children(pid: int) -> set[str]:
    return set(Path(f"/proc/{pid}/task/{pid}/children").read_text().split())


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_contained(name: str, python: str, field: Arena, other: ConfinedSandbox) -> None:
    attack = ATTACKS[name]
    before = len(os.listdir("/proc/self/fd"))
    output = ""
    with ConfinedSandbox(LIMITS, launch=functools.partial(forked, python)) as sandbox:
        sandbox.start(field.functions())
        zygote = nursery().pids[0]
        assert sandbox.execute(f"{field.prelude(other.pid, zygote)}\nkept = 41", timeout=20).ended == "ok"
        for cell in attack.cells:
            execution = sandbox.execute(cell, timeout=attack.seconds)
            output += execution.stdout + execution.error
            assert execution.seconds < attack.seconds + 15
            assert len(execution.stdout) < LIMITS.output_characters + 1_000
            assert len(execution.error) < 12_000
        assert field.reached(output) == []
        after = sandbox.execute("kept + 1", timeout=10)
        if not attack.spoils_itself:
            assert (after.stdout, after.error) == ("42\n", "")
        pid = sandbox.pid
    assert field.reached(output) == []
    assert len(os.listdir("/proc/self/fd")) <= before + 1  # the process that workers are forked from, if it is new
    assert not Path(f"/proc/{pid}").exists()
    assert other.execute("len(theirs)", timeout=20).stdout == f"{len(field.canary)}\n"


def test_no_process_is_left_by_any_of_them(other: ConfinedSandbox) -> None:
    other.execute("1", timeout=20)
    assert {pid for zygote in nursery().pids for pid in children(zygote)} <= {str(other.pid)}


def test_most_of_them_do_succeed_where_nothing_confines(python: str) -> None:
    """Else they would prove nothing. Those left out harm who runs them: signals to all, processes, full memory."""
    harmless = ("files", "writing", "environment", "network", "python")
    tried = [attack for attack in ATTACKS.values() if attack.kind in harmless]
    succeeded = 0
    for attack in tried:
        with arena() as field, ConfinedSandbox(LIMITS, unsafe_unconfined=True) as sandbox:
            sandbox.start(field.functions())
            sandbox.execute(field.prelude(sandbox.pid, nursery().pids[0]), timeout=20)
            output = "".join(sandbox.execute(cell, timeout=attack.seconds).stdout for cell in attack.cells)
            succeeded += bool(field.reached(output))
    assert succeeded > 0.6 * len(tried)
