"""`--sync` removes what is gone, and nothing that is only out of reach."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ingest import syncing
from retrievers.embedded import EmbeddedRetriever
from tests.unit.ingest.conftest import Run


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    for name, text in {"a.txt": "The crane.", "b.txt": "The ledger.", "sub/c.txt": "The crane.", "d.txt": "x"}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def sync(run: Run, *paths: str) -> Any:
    code, out, err = run(*paths, "--embedder", "hashing", "--sync", "--json")
    assert code == 0, err
    return json.loads(out)


def held() -> dict[str, tuple[str, ...]]:
    retriever = EmbeddedRetriever(Path(".rlm-search/index"))
    return {found.doc_id: retriever.get(found.doc_id).sources for found in retriever.scan()}


def test_a_file_that_is_gone_goes_with_sync_and_stays_without(run: Run, files: Path) -> None:
    run("files", "--embedder", "hashing")
    (files / "b.txt").unlink()
    run("files")
    assert len(held()) == 3

    assert sync(run, "files")["removed"] == 1
    assert sorted(id_.partition("-")[0] for id_ in held()) == ["a", "d"]
    assert sync(run, "files")["removed"] == 0


def test_one_of_many_paths_of_a_document_goes_and_the_document_stays_under_the_others(run: Run, files: Path) -> None:
    run("files", "--embedder", "hashing")
    (files / "a.txt").unlink()

    report = sync(run, "files")

    assert report["removed"] == 0
    assert [sources for id_, sources in held().items() if id_.startswith("c-")] == [("sub/c.txt",)]
    assert report["holds"]["vectors"] == report["holds"]["chunks"] == 3
    assert sync(run, "files")["files"]["read"] == 0


def test_only_what_lies_below_the_given_folders_is_looked_at(run: Run, files: Path) -> None:
    run("files", "--embedder", "hashing")
    (files / "b.txt").unlink()
    (files / "sub" / "c.txt").unlink()
    (files / "sub" / "e.txt").write_text("The tide.", encoding="utf-8")

    sync(run, "files/sub")

    assert sorted(id_.partition("-")[0] for id_ in held()) == ["a", "b", "d", "e"]


def test_a_file_in_place_of_which_there_is_a_folder_is_gone(run: Run, files: Path) -> None:
    run("files", "--embedder", "hashing")
    (files / "b.txt").unlink()
    (files / "b.txt").mkdir()

    assert sync(run, "files")["removed"] == 1


def test_a_moved_file_keeps_its_document_under_its_new_name(run: Run, files: Path) -> None:
    run("files", "--embedder", "hashing")
    (files / "d.txt").rename(files / "sub" / "z.txt")

    sync(run, "files")

    assert [sources for id_, sources in held().items() if id_[0] in "dz"] == [("sub/z.txt",)]


def test_what_is_left_out_now_is_not_gone(run: Run, files: Path) -> None:
    run("files", "--embedder", "hashing")

    assert sync(run, "files", "--exclude", "b.txt")["removed"] == 0


def test_a_folder_that_is_suddenly_empty_is_refused_and_forget_is_the_way_to_mean_it(run: Run, files: Path) -> None:
    run("files", "--embedder", "hashing")
    before = held()
    shutil.rmtree(files)
    assert run("files", "--sync")[0] == 2
    files.mkdir()

    code, _, err = run("files", "--sync")

    assert code == 2
    assert err.splitlines() == [
        "error: files is empty, and the index holds 4 files of it: nothing was removed",
        "hint: if a disk is not mounted, mount it; if all of it is to go: `ingest forget files`",
    ]
    assert held() == before
    assert run("forget", "files")[1] == "removed 3 documents of 4 files\n"
    assert held() == {}
    assert sync(run, "files")["removed"] == 0


def lose_the_journal() -> None:
    for path in Path(".rlm-search/index").glob("journal.*"):
        path.unlink()


@pytest.fixture
def without_a_ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    """As older versions have written indexes."""
    monkeypatch.setattr("ingest.writing.tell", lambda *_: False)


@pytest.mark.usefixtures("without_a_ledger")
def test_with_a_journal_that_is_lost_what_is_gone_is_found_out_and_what_is_there_is_not_written_again(
    run: Run, files: Path
) -> None:
    (files / "sub" / "c.txt").unlink()
    run("files", "--embedder", "hashing")
    (files / "b.txt").unlink()
    (files / "d.txt").write_text("FAIL", encoding="utf-8")
    lose_the_journal()

    code, out, err = run("files", "--embedder", "hashing", "--sync", "--json")

    report = json.loads(out)
    assert (code, report["removed"], report["vectors"]) == (4, 1, 0), err
    assert sorted(id_.partition("-")[0] for id_ in held()) == ["a", "d"]  # what fails now keeps what was read of it


@pytest.mark.usefixtures("without_a_ledger")
def test_with_a_journal_that_is_lost_a_part_of_the_folders_does_not_wipe_the_rest(run: Run, files: Path) -> None:
    run("files", "--embedder", "hashing")
    before = held()
    lose_the_journal()

    code, _, err = run("files/sub", "--sync")

    assert code == 2
    assert err.startswith("error: no file that was given holds 3 of the 4 documents of the index: none was removed\n")
    assert before.keys() <= held().keys()


_WITHOUT_RIGHTS = """
import os, sys
from ingest.syncing import is_gone
os.setuid(65534) if os.getuid() == 0 else None
print(is_gone(os.fsencode(sys.argv[1])), is_gone(os.fsencode(sys.argv[2])))
"""


def test_a_folder_that_cannot_be_entered_tells_nothing_of_its_files(tmp_path: Path) -> None:
    shut = tmp_path / "shut"
    shut.mkdir()
    tmp_path.chmod(0o755)
    shut.chmod(0)

    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT_RIGHTS, "shut/a.txt", "b.txt"],
        cwd=tmp_path,  # nobody may not come here by the whole path
        env={**os.environ, "PYTHONPATH": str(Path(syncing.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.split() == ["False", "True"]
    assert not syncing.is_gone(os.fsencode(sys.executable))
