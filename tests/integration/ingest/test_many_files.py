"""Very many small files and a very large one in flat memory: `make integration-all` takes 200,000 files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench import small_files

pytestmark = pytest.mark.integration

FILES = int(os.environ.get("RLM_SEARCH_TEST_FILES", "0"))
SLACK_MB = 20


READ = """
import resource, sys
from pathlib import Path
from ingest.parsers.parts import parse_parts
parts = sum(1 for _ in parse_parts(Path(sys.argv[1])))
print(parts, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def test_ten_times_the_text_in_one_file_takes_no_more_memory(tmp_path: Path) -> None:
    read = []
    for megabytes in (20, 200):
        path = tmp_path / f"{megabytes}.txt"
        with path.open("wb") as file:
            for _ in range(megabytes):
                file.write(b"The crane in the harbour.\n" * 40_330)  # a little more than a mebibyte
        done = subprocess.run([sys.executable, "-c", READ, path], capture_output=True, text=True, check=True)
        read.append(tuple(map(int, done.stdout.split())))
        path.unlink()

    (few_parts, few_mb), (many_parts, many_mb) = read
    assert (few_parts, many_parts) == (6, 53)
    assert many_mb <= few_mb + SLACK_MB


@pytest.mark.skipif(not FILES, reason="takes many minutes: RLM_SEARCH_TEST_FILES says how many files")
def test_ten_times_the_files_take_no_more_memory(tmp_path: Path) -> None:
    peaks = []
    for files in (FILES // 10, FILES):
        folder = tmp_path / str(files)
        small_files.write(folder / "files", files, 200)
        peaks.append(small_files.run(folder, files)["RssAnon of the main process (MB)"])

    few, many = peaks
    assert many <= 1.3 * few + SLACK_MB
