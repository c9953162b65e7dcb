"""A few of the attacks, one or two of each class; all of them are in tests/integration/sandbox."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from rlm_search.sandbox.confined import ConfinedSandbox
from rlm_search.sandbox.launch import nursery
from rlm_search.sandbox.protocol import SandboxLimits
from tests.integration.sandbox.arena import Arena, arena, attacks

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is of Linux")

ATTACKS = {
    name: attack for n, (name, attack) in enumerate(attacks().items()) if n % 12 == 0 and not attack.spoils_itself
}


@pytest.fixture(scope="module")
def field() -> Iterator[Arena]:
    with arena() as made:
        yield made


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_contained_and_the_session_goes_on(name: str, field: Arena) -> None:
    with ConfinedSandbox(SandboxLimits(grace_seconds=0.3)) as sandbox:
        sandbox.start(field.functions())
        sandbox.execute("kept = 41", timeout=20)
        sandbox.execute(field.prelude(sandbox.pid, nursery().pids[0]), timeout=20)
        done = [sandbox.execute(cell, timeout=ATTACKS[name].seconds) for cell in ATTACKS[name].cells]
        assert field.reached("".join(d.stdout + d.error for d in done)) == []
        assert sandbox.execute("kept + 1", timeout=20).stdout == "42\n"
