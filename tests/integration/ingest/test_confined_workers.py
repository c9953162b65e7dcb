"""Workers that read files are confined: a hostile parser gets nothing, and a good one reads what it read before."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import pytest

from ingest.sources import find
from ingest.types import Confinement, Failure, Limits, ParsedFile, SourceFile
from ingest.workers import Outcome, WorkerPool

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(sys.platform != "linux", reason="Landlock and seccomp are of Linux"),
]
EXAMPLES = Path(__file__).parents[3] / "examples" / "archive"
TASK = "tests.integration.ingest.hostile:task"


def outcomes(root: Path, confinement: Confinement) -> list[Outcome]:
    with WorkerPool(1, confinement=confinement) as pool:
        found = list(pool.run(file for file in find([root]) if isinstance(file, SourceFile)))
        if pool.lacking:
            pytest.skip(f"this system cannot confine: {pool.lacking}")
    return sorted(found, key=lambda outcome: outcome.source if isinstance(outcome, Failure) else outcome.file.source)


def below(root: Path) -> Confinement:
    return Confinement(read=(str(root.resolve()).encode(),))


def test_the_example_archive_reads_the_same_confined_and_not() -> None:
    confined, free = outcomes(EXAMPLES, below(EXAMPLES)), outcomes(EXAMPLES, Confinement(mode="off"))
    assert all(isinstance(outcome, ParsedFile) for outcome in confined)
    assert [outcome.documents for outcome in confined if isinstance(outcome, ParsedFile)] == [
        outcome.documents for outcome in free if isinstance(outcome, ParsedFile)
    ]


def test_a_link_out_of_the_given_folder_is_a_failure_that_says_so(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    archive.mkdir()
    (tmp_path / "secret.txt").write_text("the key")
    (archive / "link.txt").symlink_to(tmp_path / "secret.txt")
    (archive / "plain.txt").write_text("The ferry leaves at nine.")
    failed, read = outcomes(archive, below(archive))
    assert isinstance(failed, Failure)
    assert (failed.kind, failed.source) == ("unreadable", "link.txt")
    assert "link" in failed.hint
    assert isinstance(read, ParsedFile)


@pytest.mark.parametrize("deed", ["passwd", "call home", "shell", "patricide", "write"])
def test_a_hostile_parser_gets_nothing_and_the_next_file_is_read(deed: str) -> None:
    names = [deed, "good"]
    files = [SourceFile(path=Path("/") / name, source=name, size=0, mtime_ns=0, fingerprint="") for name in names]
    with WorkerPool(1, task=TASK, limits=Limits(), confinement=Confinement(read=())) as pool:
        failed, good = list(pool.run(files))
        if pool.lacking:
            pytest.skip(f"this system cannot confine: {pool.lacking}")
    assert isinstance(failed, Failure)
    assert (failed.kind, failed.source) == ("unreadable", deed)
    assert isinstance(good, ParsedFile)


def test_a_worker_has_a_scratch_folder_that_goes_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    files = [SourceFile(path=Path("/"), source=deed, size=0, mtime_ns=0, fingerprint="") for deed in ("spool", "leave")]
    with WorkerPool(1, task=TASK) as pool:
        read, died = list(pool.run(files))
    assert isinstance(read, ParsedFile)
    assert isinstance(died, Failure)
    assert list(tmp_path.iterdir()) == []
