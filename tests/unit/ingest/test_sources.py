"""Files are found once each, in order, and what cannot be looked at is said."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.errors import SourceError
from ingest.sources import find
from ingest.types import Failure, SourceFile


def write(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


def sources(found: Iterator[SourceFile | Failure]) -> list[str]:
    return [item.source for item in found if isinstance(item, SourceFile)]


def test_files_come_in_the_same_order_with_their_path_under_the_root(tmp_path: Path) -> None:
    write(tmp_path, "b.txt", "a/z.txt", "a/deep/er.txt", "c.txt")
    assert sources(find([tmp_path])) == ["a/deep/er.txt", "a/z.txt", "b.txt", "c.txt"]


def test_a_file_is_its_own_root(tmp_path: Path) -> None:
    write(tmp_path, "a/b.txt")
    (found,) = find([tmp_path / "a/b.txt"])
    assert isinstance(found, SourceFile)
    assert (found.source, found.size, found.path) == ("b.txt", 7, tmp_path / "a/b.txt")


def test_hidden_files_and_folders_are_left_out_but_not_a_hidden_root(tmp_path: Path) -> None:
    write(tmp_path, ".hidden/a.txt", ".hidden/.b.txt", "c.txt", ".rlm-search/index/d.txt")
    assert sources(find([tmp_path])) == ["c.txt"]
    assert sources(find([tmp_path / ".hidden"])) == ["a.txt"]


def test_patterns_match_names_and_paths(tmp_path: Path) -> None:
    write(tmp_path, "a.pdf", "b.txt", "old/c.pdf", "drafts/d.pdf")
    assert sources(find([tmp_path], include=["*.pdf"])) == ["a.pdf", "drafts/d.pdf", "old/c.pdf"]
    assert sources(find([tmp_path], include=["*.pdf"], exclude=["drafts", "old/c*"])) == ["a.pdf"]


def test_a_missing_path_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="nowhere does not exist") as refused:
        find([tmp_path, tmp_path / "nowhere"])
    assert refused.value.hint
    assert refused.value.exit_code == 2


def test_an_empty_path_is_not_the_current_folder() -> None:
    with pytest.raises(SourceError, match="a path is empty"):
        find([""])


def test_a_path_that_is_no_file_and_no_folder_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SourceError, match="neither a file nor a folder"):
        find([tmp_path / "pipe"])
    assert not list(find([tmp_path]))


def test_a_root_inside_another_is_walked_once(tmp_path: Path) -> None:
    write(tmp_path, "a/b.txt")
    assert sources(find([tmp_path / "a", tmp_path, tmp_path])) == ["a/b.txt"]


def test_links_that_lead_back_end_the_walk(tmp_path: Path) -> None:
    write(tmp_path, "a/b.txt")
    (tmp_path / "a/up").symlink_to(tmp_path)
    (tmp_path / "a/self").symlink_to("self")
    found = list(find([tmp_path]))
    assert sources(iter(found)) == ["a/b.txt"]
    assert [(item.source, item.kind) for item in found if isinstance(item, Failure)] == [("a/self", "unreadable")]


def test_a_link_that_leads_nowhere_is_reported(tmp_path: Path) -> None:
    (tmp_path / "gone").symlink_to(tmp_path / "nothing")
    (found,) = find([tmp_path])
    assert isinstance(found, Failure)
    assert (found.kind, found.stage, found.source) == ("vanished", "find", "gone")


def test_a_folder_that_vanishes_is_reported_and_the_walk_goes_on(tmp_path: Path) -> None:
    write(tmp_path, "a/x.txt", "b.txt", "c/y.txt", "d.txt")
    walk = find([tmp_path])
    assert next(walk).source == "a/x.txt"
    (tmp_path / "c/y.txt").unlink()
    (tmp_path / "c").rmdir()
    assert [(item.source, type(item)) for item in walk] == [
        ("b.txt", SourceFile),
        ("c", Failure),
        ("d.txt", SourceFile),
    ]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_folder_is_reported_with_a_hint(tmp_path: Path) -> None:
    write(tmp_path, "a/x.txt", "b.txt")
    (tmp_path / "a").chmod(0)
    try:
        first, second = find([tmp_path])
    finally:
        (tmp_path / "a").chmod(0o700)
    assert isinstance(first, Failure)
    assert (first.kind, first.hint) == ("unreadable", "check its permissions")
    assert second.source == "b.txt"


def test_odd_names_survive(tmp_path: Path) -> None:
    names = [b"new\nline.txt", b"caf\xe9.txt", "日本.txt".encode()]
    for name in names:
        (tmp_path / os.fsdecode(name)).write_text("x")
    found = [item for item in find([tmp_path]) if isinstance(item, SourceFile)]
    assert {item.source for item in found} == {"new\nline.txt", r"caf\xe9.txt", "日本.txt"}
    assert all(item.path.read_text() == "x" for item in found)


def test_the_walk_is_lazy(tmp_path: Path) -> None:
    write(tmp_path, "a.txt", "b/c.txt")
    walk = find([tmp_path])
    assert next(walk).source == "a.txt"
    write(tmp_path, "b/later.txt")
    assert [item.source for item in walk] == ["b/c.txt", "b/later.txt"]


def test_a_deep_tree_is_no_problem(tmp_path: Path) -> None:
    write(tmp_path, "d/" * 300 + "x.txt")
    assert sources(find([tmp_path])) == ["d/" * 300 + "x.txt"]


def test_the_fingerprint_changes_when_the_file_is_written(tmp_path: Path) -> None:
    write(tmp_path, "a.txt")
    (before,) = find([tmp_path])
    (tmp_path / "a.txt").write_text("other")
    (after,) = find([tmp_path])
    assert isinstance(before, SourceFile)
    assert isinstance(after, SourceFile)
    assert before.fingerprint != after.fingerprint
