from __future__ import annotations

import subprocess
import sys

SETTLE = """
import os, socket
from rlm_search.sandbox import limits
ours, theirs = socket.socketpair()
read, write = os.pipe()
high = os.dup2(ours.detach(), 200), os.dup2(read, 150)
stream, lifeline = limits.settle(*high)
theirs.detach()
open_now = []
for n in range(3, 300):
    try: os.fstat(n); open_now.append(n)
    except OSError: pass
print(stream, lifeline, open_now)
"""


def test_descriptors_move_to_the_lowest_numbers_and_all_others_are_closed() -> None:
    done = subprocess.run([sys.executable, "-c", SETTLE], capture_output=True, text=True, timeout=30)
    assert done.stdout.strip() in ("3 4 [3, 4]", "4 3 [3, 4]")
