"""Workers that read files are confined: a hostile parser gets nothing, and a good one reads what it read before."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from ingest.sources import find
from ingest.types import Confinement, Failure, Limits, ParsedFile, SourceFile
from ingest.workers import Outcome, WorkerPool
from retrievers.embedded import EmbeddedRetriever
from tests.integration.ingest.corpus import environment, ingest
from tests.integration.ingest.test_workers import a_file, family_of, is_alive, wait_until_gone

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


def test_a_secret_of_the_environment_is_in_no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-user")
    monkeypatch.setenv("RLM_SEARCH_PASSWORD", "open-sesame")
    monkeypatch.setenv("LC_TIME", "C.UTF-8")
    with WorkerPool(1, task=TASK) as pool:
        (read,) = pool.run([a_file("environment")])
    assert isinstance(read, ParsedFile)
    seen = read.documents[0].document.text
    assert "sk-of-the-user" not in seen
    assert "open-sesame" not in seen
    assert "C.UTF-8" in seen


# What is given


def report_of(home: Path, *arguments: str | Path) -> dict[str, Any]:
    """Of a run that reads nothing unless all is held."""
    required = {"RLM_SEARCH_INGEST__CONFINE": "require"}
    done = ingest(home, *arguments, "--index", "i", "--embedder", "none", "--json", code=None, more=required)
    if "cannot be confined" in done.stderr:
        pytest.skip(done.stderr)
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def test_files_of_a_list_are_read_wherever_they_lie(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.txt").write_text(f"The ferry number {name} leaves at nine.")
    (tmp_path / "list").write_text("one/a.txt\ntwo/a.txt\n")
    report = report_of(tmp_path, "--files-from", "list")
    assert (report["files"]["read"], report["failures"]) == (2, [])


def test_a_retry_reads_what_was_mended_and_no_more_than_the_run_did(tmp_path: Path) -> None:
    (tmp_path / "archive").mkdir()
    (tmp_path / "secret.txt").write_text("the key")
    (tmp_path / "archive" / "link.txt").symlink_to(tmp_path / "secret.txt")
    (tmp_path / "archive" / "a.json").write_text('{"a": ')
    assert {group["kind"] for group in report_of(tmp_path, "archive")["failures"]} == {"broken", "unreadable"}
    (tmp_path / "archive" / "a.json").write_text('{"a": "The ferry leaves at nine."}')
    again = report_of(tmp_path, "retry")
    assert again["files"]["read"] == 1
    assert [group["kind"] for group in again["failures"]] == ["unreadable"]


def test_a_retry_reads_what_a_link_leads_to_that_was_named_and_no_link_beside_it(tmp_path: Path) -> None:
    for folder in ("archive", "elsewhere"):
        (tmp_path / folder).mkdir()
    for name in ("named", "beside"):
        (tmp_path / "elsewhere" / f"{name}.json").write_text('{"a": ')
        (tmp_path / "archive" / f"{name}.json").symlink_to(tmp_path / "elsewhere" / f"{name}.json")
    report_of(tmp_path, "archive/named.json")
    report_of(tmp_path, "archive")
    for name in ("named", "beside"):
        (tmp_path / "elsewhere" / f"{name}.json").write_text(f'{{"a": "The {name} ferry leaves at nine."}}')

    again = report_of(tmp_path, "retry")

    assert again["files"]["read"] == 1
    (failed,) = again["failures"]
    assert (failed["kind"], [example["source"] for example in failed["examples"]]) == ("unreadable", ["beside.json"])
    reader = EmbeddedRetriever(tmp_path / "i")
    assert [reader.get(item.doc_id).content.count("named ferry") for item in reader.scan()] == [1]


# What a worker leaves behind


@pytest.mark.parametrize("end", ["leave", "killed"])
def test_what_a_worker_has_forked_does_not_outlive_it(end: str) -> None:
    with WorkerPool(1, task=TASK, confinement=Confinement(mode="off")) as pool:
        run = pool.run(map(a_file, ["orphan", end, "good"]))
        read, *_ = run
        assert isinstance(read, ParsedFile)
        assert wait_until_gone([int(read.documents[0].document.text)])


def test_nor_does_it_outlive_the_pool() -> None:
    with WorkerPool(1, task=TASK, confinement=Confinement(execute=(sys.executable,))) as pool:
        (read,) = pool.run([a_file("orphan")])
        assert isinstance(read, ParsedFile)
        orphan = int(read.documents[0].document.text)
        assert is_alive(orphan)
        family = family_of(os.getpid())
        assert orphan in family
    assert not [pid for pid in family if is_alive(pid)]


# Measuring


def test_what_confined_workers_run_is_measured(tmp_path: Path) -> None:
    for name in ("archive", "measured"):
        (tmp_path / name).mkdir()
    (tmp_path / "archive" / "a.txt").write_text("The ferry leaves at nine.")
    script = tmp_path / "measured" / "script.py"
    script.write_text(
        "from ingest.sources import find\n"
        "from tests.integration.ingest.test_confined_workers import *\n"
        "root = Path('../archive').resolve()\n"
        "with WorkerPool(1, confinement=below(root)) as pool:\n"
        "    assert [type(outcome) for outcome in pool.run(find([root]))] == [ParsedFile]\n"
        "    print(json.dumps(pool.lacking))\n"
    )
    (tmp_path / "measured" / "coveragerc").write_text(
        "[run]\nparallel = true\npatch = subprocess\nsource_pkgs = ingest\n"
    )
    coverage = [sys.executable, "-m", "coverage"]
    unmeasured = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [*coverage, *arguments],
            cwd=tmp_path / "measured",
            env={**unmeasured, "PYTHONPATH": str(Path(__file__).parents[3])},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    lacking = json.loads(run("run", "--rcfile=coveragerc", "script.py"))
    run("combine", "--rcfile=coveragerc")
    run("json", "--rcfile=coveragerc", "-o", "lines.json")
    if lacking:
        pytest.skip(f"this system cannot confine: {lacking}")
    files = json.loads((tmp_path / "measured" / "lines.json").read_text())["files"]
    (functions,) = [found["functions"] for name, found in files.items() if name.endswith("ingest/parsers/text.py")]
    assert functions["parse"]["executed_lines"]


# Systems that cannot

LANDLOCK_CREATE_RULESET = 444
WITHOUT_LANDLOCK = f"""
import ctypes, struct
steps = (0x20, 0, 0, 0), (0x15, 0, 1, {LANDLOCK_CREATE_RULESET}), (0x06, 0, 0, 0x00050026), (0x06, 0, 0, 0x7FFF0000)
packed = b"".join(struct.pack("=HBBI", *step) for step in steps)  # for that one ENOSYS
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p)]
libc = ctypes.CDLL(None)
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, ctypes.byref(Program(4, packed)), 0, 0) == 0
from ingest.__main__ import main
main()
"""


def ingest_without_landlock(home: Path, mode: str) -> subprocess.CompletedProcess[str]:
    """The command, as it runs on a kernel that has no Landlock."""
    archive = home / "archive"
    archive.mkdir()
    (archive / "a.txt").write_text("The ferry leaves at nine.")
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_LANDLOCK, str(archive), "--index", "index", "--embedder", "none", "--json"],
        cwd=home,
        env=environment(home, RLM_SEARCH_INGEST__CONFINE=mode, PYTHONPATH=str(Path(__file__).parents[3])),
        capture_output=True,
        text=True,
        check=False,
    )


def test_where_workers_must_be_confined_and_cannot_nothing_is_read(tmp_path: Path) -> None:
    done = ingest_without_landlock(tmp_path, "require")
    assert (done.returncode, done.stdout) == (5, "")
    assert "the kernel offers no Landlock" in done.stderr
    assert 'confine = "auto"' in done.stderr
    assert "Traceback" not in done.stderr


def test_where_they_cannot_and_need_not_the_report_says_so_once(tmp_path: Path) -> None:
    done = ingest_without_landlock(tmp_path, "auto")
    report = json.loads(done.stdout)
    (note,) = report["notes"]
    assert "not fully confined: reading, writing" in note  # and programs, where there is one that reads pictures
    assert "(the kernel offers no Landlock)" in note
    assert (done.returncode, report["documents"]) == (0, 1)
