"""`rlm-search doctor` says what holds, and proves it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rlm_search.sandbox import choosing, doctor
from rlm_search.sandbox.confined import ConfinedSandbox

pytestmark = pytest.mark.integration

COMMAND = str(Path(sys.executable).parent / "rlm-search")


def test_it_lists_steps_and_attacks_and_ends_well_where_all_hold() -> None:
    done = subprocess.run([COMMAND, "doctor"], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "held      seccomp" in done.stdout
    assert done.stdout.count("contained") >= 15
    assert "REACHED" not in done.stdout


def test_programs_get_json() -> None:
    done = subprocess.run([COMMAND, "doctor", "--json"], capture_output=True, text=True, timeout=60, check=True)
    told = json.loads(done.stdout)
    assert told["holds"]
    assert {step["name"] for step in told["steps"]} >= {"seccomp", "landlock", "tried", "seen"}
    assert all(attack["holds"] for attack in told["attacks"])


def test_it_finds_out_where_nothing_confines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "ConfinedSandbox", lambda: ConfinedSandbox(unsafe_unconfined=True))
    found = doctor.examine()
    reached = {attack.name for attack in found.attacks if not attack.holds}
    assert {"list a folder", "connect to this machine", "signal the host", "raise a limit"} <= reached
    assert not found.holds
    assert found.advice.startswith("do not run code of a model here")


def test_it_says_what_to_do_where_no_sandbox_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", os.devnull)
    found = doctor.examine()
    assert (found.attacks, found.holds) == ((), False)
    assert "cannot be started" in found.advice


def test_where_no_process_can_be_confined_monty_is_examined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choosing, "can_confine", lambda: False)
    found = doctor.examine()
    assert found.holds
    assert {step.name for step in found.steps} >= {"files", "memory", "time"}
    assert len(found.attacks) >= 10
    assert all(attack.about for attack in found.attacks)
