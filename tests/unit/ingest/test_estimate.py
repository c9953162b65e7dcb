"""`--dry-run` counts and writes nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.ingest.conftest import Run


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    for number in range(5):
        (folder / f"{number}.txt").write_text(f"The crane {number} in the harbour.\n" * 100, encoding="utf-8")
    (folder / "page.html").write_text("<p>The ledger.</p>", encoding="utf-8")
    return folder


def estimated(run: Run, *arguments: str) -> Any:
    code, out, err = run("files", "--dry-run", "--json", *arguments)
    assert code == 0, err
    return json.loads(out)


def everything(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_files_are_counted_by_format_and_nothing_is_written(run: Run, files: Path, tmp_path: Path) -> None:
    before = everything(tmp_path)

    found = estimated(run, "--embedder", "hashing")

    assert found["formats"]["txt"]["files"] == 5
    assert found["formats"]["html"] == {"files": 1, "bytes": 18}
    assert (found["found"], found["unchanged"]) == (6, 0)
    assert found["chunks"] > 10
    assert found["index_bytes"] > estimated(run, "--embedder", "none")["index_bytes"] > 6_000
    assert everything(tmp_path) == before


def test_what_was_read_before_is_not_counted_again_unless_it_has_changed(run: Run, files: Path) -> None:
    run("files", "--embedder", "none")
    (files / "1.txt").write_text("changed", encoding="utf-8")

    found = estimated(run)

    assert (found["found"], found["unchanged"], found["formats"]) == (6, 5, {"txt": {"files": 1, "bytes": 7}})


def test_people_are_told_in_a_few_lines(run: Run, files: Path) -> None:
    code, out, _ = run("files", "--dry-run", "--embedder", "none")

    assert code == 0
    assert out.splitlines()[0].startswith("6 files to read (")
    assert out.splitlines()[-1].endswith("nothing was written")


def test_a_missing_path_is_refused(run: Run, tmp_path: Path) -> None:
    assert run("nowhere", "--dry-run")[0] == 2
