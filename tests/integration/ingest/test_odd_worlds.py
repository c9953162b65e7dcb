"""File systems as they are: odd names, links in circles, pipes, devices, no rights, read-only disks, wrong clocks."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

from retrievers.embedded import EmbeddedRetriever
from tests.integration.ingest.corpus import command, content, environment, ingest, make_archive

pytestmark = pytest.mark.integration

NOBODY = 65_534


def report_of(home: Path, *arguments: str | Path, code: int = 0) -> Any:
    return json.loads(ingest(home, *arguments, "--index", "index", "--embedder", "none", "--json", code=code).stdout)


def make_odd(folder: Path) -> dict[str, str]:
    """Files with odd names by their sources, among things that are no files."""
    folder.mkdir()
    named = {
        "two\nlines.txt": "two\nlines.txt",
        os.fsdecode(b"caf\xe9.txt"): r"caf\xe9.txt",
        "n" * 251 + ".txt": "n" * 251 + ".txt",
        "-rf *.txt": "-rf *.txt",
        "quote'\".txt": "quote'\".txt",
    }
    for number, name in enumerate(named):
        (folder / name).write_text(f"The crane {number} in the harbour.", encoding="utf-8")
    (folder / "empty.txt").write_bytes(b"")
    (folder / "loop").symlink_to(folder, target_is_directory=True)
    (folder / "circle").symlink_to(folder / "circle")
    (folder / "zeros.txt").symlink_to("/dev/zero")
    os.mkfifo(folder / "pipe.txt")
    with socket.socket(socket.AF_UNIX) as listener:
        there = Path.cwd()
        os.chdir(folder)  # the path of a socket is short
        listener.bind("socket.txt")
        os.chdir(there)
    return named


def test_odd_names_are_read_and_what_is_no_file_is_passed_by(tmp_path: Path) -> None:
    named = make_odd(tmp_path / "odd")

    report = report_of(tmp_path, tmp_path / "odd", code=4)

    retriever = EmbeddedRetriever(tmp_path / "index")
    sources = {found.source for found in retriever.scan()}
    assert sources == {*named.values(), "empty.txt"}
    assert report["files"] == {
        "found": 7, "read": 6, "unchanged": 0, "unsupported": 0, "failed": 1, "unfinished": 0,
    }  # fmt: skip
    assert [example["source"] for example in report["failures"][0]["examples"]] == ["circle"]
    assert report_of(tmp_path, tmp_path / "odd", code=4)["files"]["unchanged"] == 6


def test_files_of_odd_names_are_forgotten_by_them(tmp_path: Path) -> None:
    named = make_odd(tmp_path / "odd")
    report_of(tmp_path, tmp_path / "odd", code=4)

    done = ingest(tmp_path, "forget", *(tmp_path / "odd" / name for name in named), "--index", "index")

    assert done.stdout == "removed 5 documents of 5 files\n"
    assert sources_of_all(tmp_path) == [("empty.txt",)]


def test_one_content_under_many_paths_is_one_document_that_outlives_each_of_them(tmp_path: Path) -> None:
    folder = tmp_path / "copies"
    names = ["a.txt", "b/c.txt", "d.txt"]
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("The crane in the harbour.", encoding="utf-8")
    report_of(tmp_path, folder)
    assert sources_of_all(tmp_path) == [tuple(names)]

    for left in range(len(names) - 1, 0, -1):
        (folder / names[-1 - left]).unlink()
        assert report_of(tmp_path, folder, "--sync")["removed"] == 0
        assert sources_of_all(tmp_path) == [tuple(names[-left:])]
    (folder / "e.txt").write_text("The ledger.", encoding="utf-8")
    (folder / "d.txt").unlink()
    assert report_of(tmp_path, folder, "--sync")["removed"] == 1
    assert sources_of_all(tmp_path) == [("e.txt",)]


def sources_of_all(home: Path) -> list[tuple[str, ...]]:
    retriever = EmbeddedRetriever(home / "index")
    return [retriever.get(found.doc_id).sources for found in retriever.scan()]


def test_files_from_the_future_and_from_before_the_clock_was_set_back(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    for name, seconds in {"future.txt": 4_000_000_000, "epoch.txt": 0, "before.txt": -86_400}.items():
        (folder / name).write_text(f"The {name} crane.", encoding="utf-8")
        os.utime(folder / name, (seconds, seconds))
    assert report_of(tmp_path, folder)["documents"] == 3

    (folder / "future.txt").write_text("The crane of today.", encoding="utf-8")
    os.utime(folder / "future.txt", (1_000, 1_000))  # older than what was read
    report = report_of(tmp_path, folder)

    assert (report["files"]["read"], report["files"]["unchanged"], report["holds"]["documents"]) == (1, 2, 3)


WITHOUT_RIGHTS = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")
"""Root like everybody else, where a file belongs to another."""


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("setpriv") is None, reason="root gives up its rights")
def test_a_file_without_rights_is_a_failure_until_it_has_them(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    for name in ("a.txt", "shut.txt"):
        (folder / name).write_text(f"The crane of {name}.", encoding="utf-8")
    (folder / "shut.txt").chmod(0)
    os.chown(folder / "shut.txt", NOBODY, NOBODY)

    def run() -> tuple[int, Any]:
        done = subprocess.run(
            [*WITHOUT_RIGHTS, *command(folder, "--index", "index", "--embedder", "none", "--json")],
            env=environment(tmp_path),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if done.stderr.startswith("setpriv"):
            pytest.skip(f"this root keeps its rights: {done.stderr}")
        return done.returncode, json.loads(done.stdout)

    code, report = run()
    assert (code, report["files"]["read"], report["files"]["failed"]) == (4, 1, 1)
    assert (report["failures"][0]["kind"], report["failures"][0]["hint"]) == (
        "unreadable", "make the file readable and run the same command again",
    )  # fmt: skip
    (folder / "shut.txt").chmod(0o644)
    code, report = run()
    assert (code, report["holds"]["documents"]) == (0, 2)


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("mount") is None, reason="needs root, to mount a small disk")
def test_an_index_on_a_disk_without_any_room_is_named(tmp_path: Path) -> None:
    archive, disk = make_archive(tmp_path / "archive"), tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(disk)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("this root may not mount")
    try:
        (disk / "full").write_bytes(b"x" * 16_384)
        done = ingest(tmp_path, archive, "--index", disk / "index", "--embedder", "none", "-q", code=5)
        said = f"error: cannot write the index {disk / 'index'}: No space left on device"
        assert (done.stderr.splitlines()[0], done.stderr.count("\n")) == (said, 2)
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_an_index_on_a_disk_that_turns_read_only_says_so_and_goes_on_when_it_is_not(tmp_path: Path) -> None:
    archive, disk = make_archive(tmp_path / "archive"), tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", disk], check=False, capture_output=True).returncode:
        pytest.skip("this root may not mount")
    arguments = (archive, "--index", disk / "index", "--embedder", "hashing", "-q")
    try:
        ingest(tmp_path, *arguments, code=4)
        before = content(disk / "index")
        (archive / "new.txt").write_text("The tide.", encoding="utf-8")
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        done = ingest(tmp_path, *arguments, code=5)
        assert done.stderr.count("\n") <= 2
        assert done.stderr.startswith("error: ")
        status = json.loads(ingest(tmp_path, "status", "--index", disk / "index", "--json").stdout)
        assert status["holds"]["documents"] == len(before["documents"])  # type: ignore[arg-type]  # a dict
        assert ingest(tmp_path, "failures", "--index", disk / "index").stdout
        assert "1 file to read" in ingest(tmp_path, *arguments, "--dry-run").stdout
        held = EmbeddedRetriever(disk / "index")
        assert sum(1 for _ in held.scan()) == len(before["documents"])  # type: ignore[arg-type]  # a dict
        subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
        ingest(tmp_path, *arguments, code=4)
        assert sum(1 for _ in EmbeddedRetriever(disk / "index").scan()) == 1 + len(before["documents"])  # type: ignore[arg-type]
    finally:
        subprocess.run(["umount", "-l", disk], check=True)
