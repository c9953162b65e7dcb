"""Scratch folders go with the processes that they belong to."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from confinement import ScratchFolder

pytestmark = pytest.mark.integration
PREFIX = "scratch-of-a-test-"


def test_a_folder_goes_when_its_process_is_gone(tmp_path: Path) -> None:
    scratch = ScratchFolder(PREFIX, str(tmp_path))
    folder = scratch.make(1234)
    (folder / "file").write_text("x")
    scratch.remove(1234)
    assert not folder.exists()
    scratch.close()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_goes_at_the_next_start_and_what_is_in_use_stays(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        ScratchFolder(PREFIX, str(tmp_path)).make(1)
        os.write(writer, b".")
        signal.pause()
    os.read(reader, 1)
    used = ScratchFolder(PREFIX, str(tmp_path))
    assert len(list(tmp_path.iterdir())) == 2
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    ScratchFolder(PREFIX, str(tmp_path)).close()
    assert list(tmp_path.iterdir()) == [used.path]
    used.close()
    os.close(reader)
    os.close(writer)
