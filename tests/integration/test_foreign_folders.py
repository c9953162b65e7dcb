"""What is not an index is never replaced, overwritten or marked, and no good record is lost beside a bad one."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from retrievers import open_retriever
from retrievers.embedded.querying import take_apart

pytestmark = pytest.mark.integration


def ingest(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ingest", *map(str, arguments), "--embedder", "none"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive" / "a.txt").write_text("a giraffe")
    return tmp_path / "archive"


def test_a_rebuild_replaces_no_folder_that_merely_holds_a_file_of_that_name(tmp_path: Path, archive: Path) -> None:
    own = tmp_path / "own"
    (own / "text").mkdir(parents=True)
    (own / "index.json").write_text('{"my": 1}')
    (own / "text" / "thesis.txt").write_text("thesis")

    assert ingest(archive, "--index", own, "--rebuild").returncode == 5
    assert (own / "text" / "thesis.txt").read_text() == "thesis"


@pytest.mark.parametrize("others", [[], ["notes.txt"]])
def test_a_file_called_lock_is_not_overwritten(tmp_path: Path, archive: Path, others: list[str]) -> None:
    own = tmp_path / "own"
    own.mkdir()
    for name in ("lock", *others):
        (own / name).write_text("important")

    assert ingest(archive, "--index", own).returncode == 5
    assert (own / "lock").read_text() == "important"


def test_good_records_beside_a_bad_line_are_searchable(tmp_path: Path, archive: Path) -> None:
    (archive / "r.jsonl").write_text('{"_id":"1","text":"giraffe"}\nno json\n{"_id":"2","text":"tapir"}\n')

    assert ingest(archive, "--index", tmp_path / "index").returncode == 4
    assert {summary.doc_id for summary in open_retriever(tmp_path / "index").scan()} >= {"1", "2"}  # type: ignore[attr-defined]  # a capability


def test_a_very_long_query_is_taken_apart_at_once() -> None:
    started = time.process_time()
    take_apart("a" * 200_000, ["en"])

    assert time.process_time() - started < 1
