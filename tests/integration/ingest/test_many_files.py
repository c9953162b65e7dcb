"""A very large number of small files in flat memory: `make integration-all` takes 200,000."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bench import small_files

pytestmark = pytest.mark.integration

FILES = int(os.environ.get("RLM_SEARCH_TEST_FILES", "0"))
SLACK_MB = 20


@pytest.mark.skipif(not FILES, reason="takes many minutes: RLM_SEARCH_TEST_FILES says how many files")
def test_ten_times_the_files_take_no_more_memory(tmp_path: Path) -> None:
    peaks = []
    for files in (FILES // 10, FILES):
        folder = tmp_path / str(files)
        small_files.write(folder / "files", files, 200)
        peaks.append(small_files.run(folder, files)["RssAnon of the main process (MB)"])

    few, many = peaks
    assert many <= 1.3 * few + SLACK_MB
