"""The journal: what is claimed, skipped, counted and forgotten, and what happens when it cannot be used."""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from ingest.entries import FileEnd
from ingest.errors import JournalError
from ingest.intents import Intents
from ingest.journal import Journal, path_key
from ingest.readers import Reader
from ingest.types import Failure, FailureKind, SourceFile

V1, V2 = Reader(common="v1"), Reader(common="v2")


def file_at(path: Path, *, fingerprint: str = "1") -> SourceFile:
    return SourceFile(path=path, source=path.name, size=3, mtime_ns=0, fingerprint=fingerprint)


def failure_of(file: SourceFile, kind: FailureKind = "broken") -> Failure:
    return Failure(path=file.path, source=file.source, kind=kind, stage="parse", message="no", file=file)


def end_of(file: SourceFile) -> FileEnd:
    return FileEnd(file=file, empty=False, documents=1, pages=1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
def file(tmp_path: Path) -> SourceFile:
    return file_at(tmp_path / "a.txt")


def next_run(path: Path) -> Journal:
    journal = Journal(path)
    journal.begin_run("")
    return journal


def test_a_file_that_was_done_is_not_claimed_again(path: Path, file: SourceFile) -> None:
    with next_run(path) as journal:
        assert journal.claim(file, V1).known == ""
        journal.finish(end_of(file), V1)
    with next_run(path) as journal:
        assert journal.claim(file, V1).known == "text"


def test_a_file_in_flight_at_a_kill_is_claimed_again_and_counts_no_attempt(path: Path, file: SourceFile) -> None:
    for _ in range(3):
        with next_run(path) as journal:
            assert journal.claim(file, V1).known == ""
    with next_run(path) as journal:
        journal.claim(file, V1)
        journal.fail(failure_of(file), V1)
        assert [failure.attempts for failure in journal.failures()] == [1]


def test_attempts_add_up_until_the_file_changes(path: Path, file: SourceFile) -> None:
    for _ in range(2):
        with next_run(path) as journal:
            journal.queue_again()
            journal.claim(file, V1)
            journal.fail(failure_of(file), V1)
    with next_run(path) as journal:
        assert [failure.attempts for failure in journal.failures()] == [2]
        journal.claim(replace(file, fingerprint="2"), V1)
        journal.fail(failure_of(file), V1)
        assert [failure.attempts for failure in journal.failures()] == [1]


def test_one_path_is_claimed_once_in_a_run(path: Path, file: SourceFile) -> None:
    with next_run(path) as journal:
        journal.claim(file, V1)

        assert journal.claim(file, V1).again


def test_a_changed_file_and_a_changed_reader_are_claimed(path: Path, file: SourceFile) -> None:
    with next_run(path) as journal:
        journal.claim(file, V1)
        journal.finish(end_of(file), V1)
    with next_run(path) as journal:
        assert journal.claim(file, V2).known == ""
    with next_run(path) as journal:
        assert journal.claim(replace(file, fingerprint="2"), V1).known == ""


def test_a_file_keeps_the_source_under_which_it_was_found_first(path: Path, file: SourceFile) -> None:
    with next_run(path) as journal:
        journal.claim(replace(file, source="sub/a.txt"), V1)
    with next_run(path) as journal:
        assert journal.claim(file, V1).file.source == "sub/a.txt"


@pytest.mark.parametrize(("kind", "known"), [("broken", "failed"), ("unsupported", "unsupported"), ("unreadable", "")])
def test_what_trying_again_cannot_help_is_left_alone(
    path: Path, file: SourceFile, kind: FailureKind, known: str
) -> None:
    with next_run(path) as journal:
        journal.claim(file, V1)
        journal.fail(failure_of(file, kind), V1)
    with next_run(path) as journal:
        assert journal.claim(file, V1).known == known


def test_a_name_that_is_no_unicode_is_kept(path: Path, tmp_path: Path) -> None:
    odd = file_at(Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.txt")))
    odd = replace(odd, source="caf\\xe9.txt")
    with next_run(path) as journal:
        journal.claim(odd, V1)
        journal.fail(failure_of(odd), V1)

        assert [Path(failed.path).name for failed in journal.failures()] == ["caf\\xe9.txt"]
        assert journal.queue_again() == [(odd.path, "caf\\xe9.txt")]


def test_failures_are_queued_by_kind(path: Path, tmp_path: Path) -> None:
    first, second = file_at(tmp_path / "a"), file_at(tmp_path / "b")
    with next_run(path) as journal:
        for file, kind in ((first, "broken"), (second, "timeout")):
            journal.claim(file, V1)
            journal.fail(failure_of(file, kind), V1)  # type: ignore[arg-type]  # the loop widens the literals

        assert journal.queue_again(["timeout"]) == [(second.path, "b")]
        assert journal.files_by_state() == {"failed": 1, "queued": 1}
        assert journal.failures_by_kind() == {"broken": 1, "timeout": 1}
        assert [failed.source for failed in journal.failures(["broken"])] == ["a"]


def test_failures_of_what_is_gone_stand_no_longer(path: Path, tmp_path: Path) -> None:
    still, gone = file_at(tmp_path / "still"), file_at(tmp_path / "gone")
    still.path.write_text("x")
    with next_run(path) as journal:
        for file in (still, gone):
            journal.claim(file, V1)
            journal.fail(failure_of(file), V1)
        folder = Failure(path=tmp_path, source="", kind="unreadable", stage="find", message="denied")
        journal.fail(folder, V1)
    with next_run(path) as journal:
        journal.drop_gone()

        assert [failed.source for failed in journal.failures()] == ["still"]


def test_paths_below_a_folder_are_those_in_it_and_no_others(path: Path, tmp_path: Path) -> None:
    names = ["a/x", "a/y/z", "ab", "a0", "a"]
    with next_run(path) as journal:
        for name in names:
            journal.claim(file_at(tmp_path / name), V1)

        found = journal.paths_below(tmp_path / "a")
        journal.forget_files(found)

        assert found == [path_key(tmp_path / name) for name in ("a", "a/x", "a/y/z")]
        assert journal.files_by_state() == {"claimed": 2}


def test_a_transaction_that_fails_leaves_nothing(path: Path, file: SourceFile) -> None:
    with next_run(path) as journal:
        with suppress(KeyError), journal.transaction():
            journal.claim(file, V1)
            raise KeyError

        assert journal.files_by_state() == {}


def test_runs_are_remembered_with_their_progress(path: Path) -> None:
    with Journal(path) as journal:
        assert journal.last_run() is None
        journal.begin_run("minilm")
        journal.beat('{"files": 3}')
        run = journal.last_run()
        assert run is not None
        assert (run.pid, run.embedder, run.progress, run.ended) == (os.getpid(), "minilm", '{"files": 3}', None)
        journal.end_run()
        ended = journal.last_run()
        assert ended is not None
        assert ended.ended is not None


def test_a_damaged_journal_says_what_to_do(path: Path) -> None:
    path.write_bytes(b"no database at all" * 100)

    with pytest.raises(JournalError, match="is damaged") as raised:
        Journal(path)

    assert "move it away" in raised.value.hint


def test_a_journal_of_a_newer_version_is_refused(path: Path) -> None:
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version=99")
    database.close()

    with pytest.raises(JournalError, match="newer version"):
        Journal(path)


def test_a_journal_that_cannot_be_opened_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="cannot be used"):
        Journal(tmp_path / "no" / "folder" / "journal.db")


def test_intents_outlive_a_kill_and_a_torn_file_means_nothing(path: Path) -> None:
    assert Intents(path).left() == []
    Intents(path).note(["a", "é"])
    assert Intents(path).left() == ["a", "é"]
    path.with_suffix(".intents").write_text('["a", "b')
    assert Intents(path).left() == []
    Intents(path).clear()
    assert Intents(path).left() == []
