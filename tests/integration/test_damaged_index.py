"""An index whose files were cut off, emptied or overwritten: one line with the way out, and no traceback."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

BIN = Path(sys.executable).parent


def command(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "RLM_SEARCH_HOME": str(folder), "HOME": str(folder)}
    return subprocess.run(
        [str(BIN / words[0]), *words[1:]], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("damage")
    (folder / "notes").mkdir()
    for number in range(3):
        (folder / "notes" / f"{number}.txt").write_text(f"The charter of the {number}th boat ends in June.\n")
    done = command(folder, "ingest", "notes", "--index", "whole", "--quiet")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("damage", [b"", b"\xcd\x00 nothing that anybody wrote"], ids=["emptied", "overwritten"])
@pytest.mark.parametrize(
    "name", ["index.json", "journal.db", "journal.intents", "text/meta.json", "vectors/000000.i8", "vectors/000000.doc"]
)
def test_a_damaged_file_ends_in_one_line_with_the_way_out(whole: Path, name: str, damage: bytes) -> None:
    shutil.rmtree(whole / "broken", ignore_errors=True)
    shutil.copytree(whole / "whole", whole / "broken")
    (whole / "broken" / name).write_bytes(damage)

    for words in (["rlm-search", "search", "charter"], ["ingest", "notes", "--quiet"]):
        done = command(whole, *words, "--index", "broken")
        assert done.returncode in {0, 5}, done.stderr
        assert "Traceback" not in done.stderr
        assert "unexpected" not in done.stderr
        assert done.returncode == 0 or "hint:" in done.stderr, done.stderr


def test_a_damaged_index_is_built_again(whole: Path) -> None:
    shutil.copytree(whole / "whole", whole / "again")
    (whole / "again" / "vectors" / "000000.i8").write_bytes(b"")

    rebuilt = command(whole, "ingest", "notes", "--index", "again", "--rebuild", "--quiet")

    assert rebuilt.returncode == 0, rebuilt.stderr
    assert command(whole, "rlm-search", "search", "charter", "--index", "again").returncode == 0
