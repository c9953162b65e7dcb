"""`rlm-search trace` in a terminal of its own."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import time
from pathlib import Path

import pytest

from tests.integration.rlm_search.conftest import BIN

pytestmark = pytest.mark.integration
RECORDED = Path(__file__).parents[2] / "unit" / "rlm_search" / "cassette.jsonl"


def test_it_opens_shows_the_run_and_closes() -> None:
    outside, inside = pty.openpty()
    process = subprocess.Popen(
        [str(BIN / "rlm-search"), "trace", str(RECORDED)], stdin=inside, stdout=inside, stderr=inside,
        env={**os.environ, "TERM": "xterm-256color"}, start_new_session=True,
    )  # fmt: skip
    os.close(inside)
    shown, until = b"", time.monotonic() + 30
    while b"step 2" not in shown and time.monotonic() < until:
        if select.select([outside], [], [], 0.2)[0]:
            shown += os.read(outside, 65_536)
    os.write(outside, b"q")
    while process.poll() is None and time.monotonic() < until:
        if select.select([outside], [], [], 0.2)[0]:
            try:
                os.read(outside, 65_536)
            except OSError:  # the other end is closed
                break

    assert b"step 2" in shown
    assert process.wait(10) == 0
