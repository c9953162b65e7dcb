"""The attacks of tests/integration/sandbox on our sandbox and on the executors of peers: a table of what was contained.

python -m bench.attacks [--peer PYTHON EXECUTOR]…

Contained is: no canary was reached, no file changed, no listener visited; the host came back within 15 s, and had no
more than 1 GB. Left out are attacks that speak our own wire, and those that would harm this machine where they succeed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

from rlm_search.sandbox.confined import ConfinedSandbox
from rlm_search.sandbox.launch import nursery
from rlm_search.sandbox.protocol import SandboxLimits
from tests.integration.sandbox.arena import PRELUDE, Arena, Attack, arena, attacks

LEFT_OUT = ("kernel", "wire", "poison", "sessions", "proc", "signals")
ALSO = ("processes: daemon of the C library", "memory: an anonymous map")
MEGABYTES = 1_000


def chosen() -> dict[str, Attack]:
    return {name: a for name, a in attacks().items() if a.kind not in LEFT_OUT and name not in ALSO}


def ours(field: Arena, tried: dict[str, Attack]) -> dict[str, bool]:
    contained = {}
    limits = SandboxLimits(memory_bytes=256 * 1024 * 1024, grace_seconds=0.5)
    for name, attack in tried.items():
        with ConfinedSandbox(limits) as sandbox:
            sandbox.start(field.functions())
            sandbox.execute(field.prelude(sandbox.pid, nursery().pids[0]), timeout=30)
            done = [sandbox.execute(cell, timeout=attack.seconds) for cell in attack.cells]
        contained[name] = not field.reached("".join(d.stdout + d.error for d in done))
    return contained


def theirs(python: str, executor: str, field: Arena, tried: dict[str, Attack]) -> dict[str, bool]:
    names = field.prelude(os.getpid(), os.getpid()).removeprefix(PRELUDE)
    contained = {}
    for name, attack in tried.items():
        given = {
            "canary": field.canary,
            "prelude": [*("def " + part for part in PRELUDE.split("\ndef ")[1:]), names],
            "attacks": {name: {"cells": attack.cells, "seconds": attack.seconds}},
        }
        told = _told(python, executor, given)[name]
        reached = field.reached(told["output"])
        contained[name] = bool(not reached and told["back"] and told["megabytes"] < MEGABYTES)
        field.restore()
    return contained


def _told(python: str, executor: str, given: dict[str, Any]) -> dict[str, Any]:
    command = [python, str(Path(__file__).with_name("peers_sandbox.py")), "attack", executor]
    done = subprocess.run(command, input=json.dumps(given), capture_output=True, text=True, timeout=1_800, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", nargs=2, action="append", default=[], metavar=("PYTHON", "EXECUTOR"))
    parser.add_argument("--every", type=int, default=1, help="only every so many")
    asked = parser.parse_args()
    tried = dict(list(chosen().items())[:: asked.every])
    with arena() as field:
        columns = {"ours": ours(field, tried)}
        for python, executor in asked.peer:
            columns[executor] = theirs(python, executor, field, tried)
    kinds = Counter(attack.kind for attack in tried.values())
    print("| class | attacks |", " | ".join(columns), "|")
    print("|---|---|" + "---|" * len(columns))
    for kind, count in kinds.items():
        cells = [
            str(sum(holds for name, holds in held.items() if tried[name].kind == kind)) for held in columns.values()
        ]
        print(f"| {kind} | {count} |", " | ".join(cells), "|")
    print(f"| all | {len(tried)} |", " | ".join(str(sum(held.values())) for held in columns.values()), "|")


if __name__ == "__main__":
    main()
