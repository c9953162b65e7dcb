"""Patterns, lists of paths, and what is refused of them."""

from __future__ import annotations

import io
import json
import os
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from ingest import commands
from ingest.errors import SourceError
from ingest.globs import Glob
from ingest.lists import entries
from ingest.report import Tally
from ingest.sources import find, find_listed
from ingest.testing import InlinePool
from ingest.types import Confinement, Failure, ParsedFile, SourceFile
from tests.unit.ingest.conftest import Run
from tests.unit.ingest.test_cli import object_of


def write(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)


def sources(found: Iterator[SourceFile | Failure]) -> list[str]:
    return [item.source for item in found if isinstance(item, SourceFile)]


@pytest.mark.parametrize(
    ("pattern", "path", "is_meant"),
    [
        ("**/*.pdf", "a.pdf", True),
        ("**/*.pdf", "b/c/a.pdf", True),
        ("*.pdf", "b/a.pdf", False),
        ("20[12]?/*", "2019/a.txt", True),
        ("20[!12]?/*", "2019/a.txt", False),
        ("2019*", "2019-old/deep/a.txt", True),
        ("**", "a/b.txt", True),
        ("a/**/z.txt", "a/z.txt", True),
        ("a(b)+?.txt", "a(b)+c.txt", True),
        ("a[^]b].txt", "a^b.txt", False),
    ],
)
def test_a_pattern_means_these_paths(pattern: str, path: str, is_meant: bool) -> None:
    if pattern.startswith("a/"):
        pattern = "[a]" + pattern[1:]
    assert Glob(pattern).matches(path) == is_meant


def test_a_quoted_pattern_is_walked_from_its_first_wildcard_on(tmp_path: Path) -> None:
    write(tmp_path, "docs/a.pdf", "docs/x/b.pdf", "docs/x/c.txt", "docs/.hidden/d.pdf", "other/e.pdf")
    assert sources(find([f"{tmp_path}/docs/**/*.pdf"])) == ["a.pdf", "x/b.pdf"]
    assert sources(find([tmp_path / "docs" / "x*"])) == ["x/b.pdf", "x/c.txt"]
    assert sources(find([f"{tmp_path}/*/*.pdf"], exclude=["other"])) == ["docs/a.pdf"]


def test_a_folder_that_cannot_lead_to_the_pattern_is_not_entered(tmp_path: Path) -> None:
    write(tmp_path, "wanted/a.txt", "closed/b.txt")
    (tmp_path / "closed").chmod(0)
    try:
        assert [item.source for item in find([f"{tmp_path}/want*/*.txt"])] == ["wanted/a.txt"]
    finally:
        (tmp_path / "closed").chmod(0o755)


def test_a_name_with_brackets_that_is_there_is_a_name(tmp_path: Path) -> None:
    write(tmp_path, "a[1].txt", "a1.txt")
    assert sources(find([tmp_path / "a[1].txt"])) == ["a[1].txt"]


def test_a_pattern_below_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="nowhere does not exist"):
        find([f"{tmp_path}/nowhere/*.pdf"])


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (b"a\nb\r\n\n  \nc", [b"a", b"b", b"c"]),
        (b"a\nb\0c\n\0", [b"a\nb", b"c\n"]),
        (b"", []),
        (b"\xef\xbb\xbfa\nb", [b"a", b"b"]),
        (b"x" * 200_000 + b"\ny", [b"x" * 200_000, b"y"]),
    ],
)
def test_a_list_is_separated_by_lines_or_by_nul(written: bytes, expected: list[bytes]) -> None:
    assert list(entries(io.BytesIO(written))) == expected


def test_a_list_in_utf_16_is_refused_with_the_way_out() -> None:
    with pytest.raises(SourceError, match="in UTF-16") as refused:
        list(entries(io.BytesIO("a.txt\n".encode("utf-16"))))
    assert refused.value.hint == "write it as UTF-8"


def test_a_list_that_is_said_to_be_separated_by_nul_is(tmp_path: Path) -> None:
    assert list(entries(io.BytesIO(b"a\nb"), is_null=True)) == [b"a\nb"]


def test_a_path_of_a_list_that_is_missing_is_a_failure_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "in/a.txt", "in/folder/b.txt")
    (tmp_path / "list").write_bytes(b"in/a.txt\nin/gone.txt\n./in/folder\nin/\xff.txt\n")
    found = list(find_listed("list"))
    assert sources(iter(found)) == ["in/a.txt", "b.txt"]
    assert [(item.source, item.kind) for item in found if isinstance(item, Failure)] == [
        ("in/gone.txt", "vanished"),
        ("in/\\xff.txt", "vanished"),
    ]


def test_a_list_that_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="--files-from: cannot read nowhere"):
        find_listed("nowhere")


def test_the_command_reads_patterns_and_lists(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "in/a.txt", "in/b.txt", "in/c.md")

    by_pattern = object_of(run("in/*.txt", "--embedder", "none", "--json"))
    (tmp_path / "list").write_text("in/c.md\nin/gone.md\n")
    code, out, _ = run("--files-from", "list", "--json")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"in/a.txt\0in/c.md\0")))
    from_stdin = object_of(run("--files-from", "-", "--json"))

    assert by_pattern["files"]["read"] == 2
    assert (code, [group["kind"] for group in object_of((code, out, ""))["failures"]]) == (4, ["vanished"])
    assert (from_stdin["files"]["found"], from_stdin["files"]["unchanged"]) == (2, 2)


def test_a_run_without_any_path_is_refused(run: Run) -> None:
    assert run("run")[0] == 2


def test_only_folders_and_files_are_synced(run: Run, tmp_path: Path) -> None:
    write(tmp_path, "in/a.txt")
    code, _, err = run("in/*.txt", "--sync")
    assert code == 2
    assert "--sync and --watch are for files and folders" in err
    code, _, err = run("https://host/in/", "--watch")
    assert code == 2
    assert "--watch is for files and folders, not for URLs" in err


def test_a_pattern_that_nothing_matches_is_said(run: Run, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir(exist_ok=True)
    (tmp_path / "in" / "a.txt").write_text("x")
    code, _, err = run("in/*.pdf", "in", "--embedder", "none")
    assert (code, err.splitlines()[0]) == (2, "error: no file matches in/*.pdf")


def test_files_of_a_list_that_may_lead_anywhere_are_brought_to_the_workers(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "a.txt").write_text("The crane.")
    (tmp_path / "far" / "link.txt").symlink_to(tmp_path / "far" / "a.txt")
    given: list[Confinement] = []

    class Pool(InlinePool):
        def run(self, files: Iterable[SourceFile]) -> Iterator[ParsedFile | Failure]:
            for file in files:
                assert file.spooled is not None
                assert file.spooled.parent != file.path.parent
                yield from super().run([file])

    def open_pool(table: object, parser: object, confinement: Confinement, *_: object) -> InlinePool:
        given.append(confinement)
        return Pool()

    monkeypatch.setattr(commands, "open_pool", open_pool)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"far/a.txt\nfar/link.txt\nfar/gone.txt\n")))

    code, out, _ = run("--files-from", "-", "--embedder", "none", "--json")

    assert (code, json.loads(out)["files"]["read"]) == (4, 2)
    assert [Path(os.fsdecode(path)).name.startswith("rlm-search-spool-") for path in given[0].read] == [True]
    assert (tmp_path / "far" / "a.txt").read_text() == "The crane."  # its second name is gone, and nothing else


def test_a_path_that_goes_away_while_files_are_counted_only_costs_the_time_left(tmp_path: Path) -> None:
    tally = Tally()
    commands._count_ahead(tally, lambda: os.stat(tmp_path / "gone").st_size)
    for thread in threading.enumerate():
        if thread.name == "counting":
            thread.join(10)
    assert not tally.expected
