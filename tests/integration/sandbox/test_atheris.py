"""Coverage-guided fuzzing of what the host reads of a worker (extra `fuzz`), beside the generated frames of test_fuzz.

`RLM_SEARCH_TEST_SLOW` gives it five minutes.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="atheris is not installed (extra `fuzz`)"),
]
SECONDS = 300 if os.environ.get("RLM_SEARCH_TEST_SLOW") else 10


def test_nothing_but_the_end_of_a_session_comes_of_what_a_worker_sends(tmp_path: Path) -> None:
    script = Path(__file__).with_name("fuzz_wire.py")
    done = subprocess.run(
        [sys.executable, str(script), f"-max_total_time={SECONDS}", "-timeout=5", "-rss_limit_mb=1000", str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=SECONDS + 120,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2_000:] + done.stderr[-4_000:]
    [runs] = re.findall(r"Done (\d+) runs", done.stderr)
    assert int(runs) > 100 * SECONDS
