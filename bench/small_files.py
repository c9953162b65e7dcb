"""Many small files: files a second without vectors, memory of the main process, and a second run over the same files.

python -m bench.small_files [--files 10000] [--bytes 2000] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

WORDS = [
    "harbour",
    "ferry",
    "crane",
    "tide",
    "ledger",
    "pilot",
    "anchor",
    "signal",
    "cargo",
    "lantern",
    "rope",
    "compass",
    "chart",
    "dock",
    "storm",
    "engine",
]
IN_A_FOLDER = 1_000


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--bytes", type=int, default=2_000, help="of each file")
    parser.add_argument("--json", action="store_true", help="one object on standard output")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-small-") as name:
        folder = Path(name)
        write(folder / "files", arguments.files, arguments.bytes)
        found = {f"first run: {key}": value for key, value in run(folder, arguments.files).items()}
        found |= {f"second run: {key}": value for key, value in run(folder, arguments.files).items()}
    if arguments.json:
        print(json.dumps(found, indent=2))
        return
    for key, value in found.items():
        print(f"{key:<40} {value:,.1f}")


def write(folder: Path, files: int, size: int) -> None:
    """Files of different words, a thousand in a folder."""
    chance = random.Random(7)
    for number in range(files):
        below = folder / f"{number // IN_A_FOLDER:04}"
        if number % IN_A_FOLDER == 0:
            below.mkdir(parents=True)
        text = f"{number} " + " ".join(chance.choices(WORDS, k=size // 6 + 1))
        (below / f"{number:07}.txt").write_text(text[:size], encoding="utf-8")


def run(folder: Path, files: int) -> dict[str, float]:
    """One run of the command: rates by the wall clock and by CPU time, and the peak of what its main process holds."""
    command = [sys.executable, "-m", "ingest", str(folder / "files"), "--index", str(folder / "index")]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.monotonic()
    process = subprocess.Popen([*command, "--embedder", "none", "--quiet"], stdout=subprocess.DEVNULL)
    peak = Peak(process.pid)
    peak.start()
    if process.wait():
        raise SystemExit(f"the run failed with {process.returncode}")
    seconds = time.monotonic() - started
    peak.join()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "seconds": seconds,
        "files a second": files / seconds,
        "CPU milliseconds a file": 1000 * cpu / files,
        "RssAnon of the main process (MB)": peak.megabytes,
    }


class Peak(threading.Thread):
    """Watches the anonymous memory of a process until it ends."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self.megabytes = 0.0

    def run(self) -> None:
        while os.path.exists(f"/proc/{self._pid}"):
            try:
                status = Path(f"/proc/{self._pid}/status").read_text(encoding="ascii")
            except OSError:
                return
            anonymous = next((line for line in status.splitlines() if line.startswith("RssAnon")), "")
            if not anonymous:  # it has ended, and nobody has asked for its status yet
                return
            self.megabytes = max(self.megabytes, int(anonymous.split()[1]) / 1024)
            time.sleep(0.1)


if __name__ == "__main__":
    main()
