"""The command `ingest` end to end: what a user sees, and what each mistake is told."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from retrievers.embedded import EmbeddedRetriever, EmbeddedWriter
from tests.integration.ingest.corpus import command, content, environment, ingest, make_archive

pytestmark = pytest.mark.integration


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return make_archive(tmp_path / "archive")


@pytest.fixture
def one(tmp_path: Path) -> Path:
    """A folder with one good file."""
    folder = tmp_path / "one"
    folder.mkdir()
    (folder / "a.txt").write_text("The crane in the harbour.", encoding="utf-8")
    return folder


def report_of(home: Path, *arguments: str | Path, code: int = 0) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(ingest(home, *arguments, "--json", code=code).stdout)
    return report


def test_a_mixed_archive_is_accounted_for_file_by_file(tmp_path: Path, archive: Path) -> None:
    report = report_of(tmp_path, archive, "--index", tmp_path / "index", "--embedder", "hashing", code=4)

    assert report["files"] == {
        "found": 33, "read": 30, "unchanged": 0, "unsupported": 1, "failed": 2, "unfinished": 0,
    }  # fmt: skip
    assert [(group["kind"], group["count"]) for group in report["failures"]] == [("broken", 2)]
    assert report["failures"][0]["hint"]
    assert [(found["kind"], found["count"]) for found in report["warnings"]] == [("empty", 1), ("unsupported", 1)]
    assert report["formats"]["jsonl"]["documents"] == 60
    assert report["holds"]["documents"] == 88
    assert report["holds"]["chunks"] == report["holds"]["vectors"]
    assert report["vectors"] >= report["holds"]["vectors"]  # what got another source meanwhile gets its vectors again


def test_the_report_is_the_same_on_stdout_and_in_the_file(tmp_path: Path, one: Path) -> None:
    done = ingest(tmp_path, one, "--index", "i", "--embedder", "none", "--report", "r.json", "--json")

    assert json.loads(done.stdout) == json.loads((tmp_path / "r.json").read_text())


def test_a_run_for_people_ends_with_what_the_index_holds(tmp_path: Path, archive: Path) -> None:
    done = ingest(tmp_path, archive, "--index", "index", "--embedder", "none", code=4)

    first, *middle, last = done.stdout.splitlines()
    assert first.startswith("89 documents, ")
    assert any(line.startswith("warning: unsupported: 1 — ") for line in middle)
    assert any(line.startswith("failed: broken: 2 files — ") for line in middle)
    assert last.startswith("index holds 88 documents, ")
    assert last.endswith("none with vectors")


def test_text_can_be_searched_before_there_are_vectors_and_vectors_follow_in_the_next_run(
    tmp_path: Path, one: Path
) -> None:
    ingest(tmp_path, one, "--index", "index", "--embedder", "hashing")
    (one / "b.txt").write_text("The ledger of the pilot.", encoding="utf-8")
    ingest(tmp_path, one, "--index", "index")

    retriever = EmbeddedRetriever(tmp_path / "index")
    assert [hit.source for hit in retriever.search("ledger")] == ["b.txt"]
    assert retriever.describe().vectors == 2


def test_status_tells_documents_vectors_states_and_failures(tmp_path: Path, archive: Path) -> None:
    ingest(tmp_path, archive, "--index", "index", "--embedder", "hashing", code=4)

    status = json.loads(ingest(tmp_path, "status", "--index", "index", "--json").stdout)
    text = ingest(tmp_path, "status", "--index", "index").stdout

    assert status["files"] == {"empty": 1, "failed": 2, "unsupported": 1, "vectors": 29}
    assert status["failures"] == {"broken": 2}
    assert status["holds"]["chunks"] == status["holds"]["vectors"] > 0
    assert status["running"] is None
    assert "have vectors" in text
    assert "2 broken" in text


def test_status_shows_a_run_that_goes_on(tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "archive", files=80)
    index = tmp_path / "index"
    with subprocess.Popen(
        command(archive, "--index", index, "--embedder", "hashing", "-q", "--workers", "1"),
        env=environment(tmp_path),
        stdout=subprocess.DEVNULL,
    ) as process:
        while not (index / "journal.db").exists():
            time.sleep(0.01)
        status = json.loads(ingest(tmp_path, "status", "--index", index, "--json").stdout)
        refused = ingest(tmp_path, archive, "--index", index, "--embedder", "hashing", code=None)

    if status["running"] is not None:  # else it was too fast for us
        assert status["running"]["pid"] == process.pid
    if refused.returncode != 4:
        assert refused.returncode == 5
        assert "is being written to by process" in refused.stderr


def test_failures_are_listed_retried_and_mended(tmp_path: Path, archive: Path) -> None:
    ingest(tmp_path, archive, "--index", "index", "--embedder", "none", code=4)
    listed = json.loads(ingest(tmp_path, "failures", "--index", "index", "--json").stdout)["failures"]
    assert [(failure["source"], failure["kind"], failure["attempts"]) for failure in listed] == [
        ("broken.json", "broken", 1),
        ("broken.pdf", "broken", 1),
    ]
    assert "broken.pdf" in ingest(tmp_path, "failures", "--index", "index", "--kind", "broken").stdout
    assert ingest(tmp_path, "failures", "--index", "index", "--kind", "timeout").stdout == "no failures\n"
    assert "unknown.xyz" in ingest(tmp_path, "failures", "--index", "index", "--kind", "unsupported").stdout
    assert "empty.txt" in ingest(tmp_path, "failures", "--index", "index", "--kind", "empty").stdout
    (archive / "broken.json").write_text('{"a": "mended"}', encoding="utf-8")
    (archive / "broken.pdf").unlink()

    report = report_of(tmp_path, "retry", "--index", "index")

    assert report["files"]["read"] == 1
    assert report["failures"] == []


def test_earlier_failures_that_still_stand_count(tmp_path: Path, archive: Path) -> None:
    ingest(tmp_path, archive, "--index", "index", "--embedder", "none", code=4)

    report = report_of(tmp_path, archive, "--index", "index", code=4)

    assert report["files"]["read"] == 0
    assert report["failures"][0]["count"] == 2


def test_forget_removes_a_file_a_folder_and_a_document(tmp_path: Path, archive: Path) -> None:
    ingest(tmp_path, archive, "--index", "index", "--embedder", "hashing", code=4)

    assert ingest(tmp_path, "forget", archive / "note01.txt", "--index", "index").stdout == (
        "removed 1 document of 1 file\n"
    )
    forgotten = json.loads(ingest(tmp_path, "forget", archive / "sub", "r7", "--index", "index", "--json").stdout)

    assert forgotten == {"documents": 2, "files": 2}, "sub/copy.txt is note03.txt, too"
    retriever = EmbeddedRetriever(tmp_path / "index")
    sources = {summary.source for summary in retriever.scan()}
    assert sources.isdisjoint({"note01.txt", "sub/copy.txt", "sub/readme.md", "records.jsonl#r7"})
    assert "note03.txt" in sources
    assert "nothing in the index is named" in ingest(tmp_path, "forget", "nowhere", "--index", "index", code=2).stderr


def test_a_forgotten_file_is_read_again_when_it_is_found_again(tmp_path: Path, one: Path) -> None:
    ingest(tmp_path, one, "--index", "index", "--embedder", "none")
    ingest(tmp_path, "forget", one, "--index", "index")

    assert report_of(tmp_path, one, "--index", "index")["documents"] == 1


def test_a_file_named_like_a_command_is_reachable(tmp_path: Path) -> None:
    (tmp_path / "status").write_text("not a command", encoding="utf-8")

    assert report_of(tmp_path, "./status", "--index", "index", "--embedder", "none")["documents"] == 1
    assert report_of(tmp_path, "run", "status", "--index", "index")["files"]["unchanged"] == 1


def test_rebuild_builds_beside_and_takes_another_embedder(tmp_path: Path, archive: Path) -> None:
    ingest(tmp_path, archive, "--index", "index", "--embedder", "none", code=4)
    open_before = EmbeddedRetriever(tmp_path / "index")

    ingest(tmp_path, archive, "--index", "index", "--embedder", "hashing", "--rebuild", code=4)

    assert open_before.search("harbour"), "a reader of the old index goes on"
    assert content(tmp_path / "index")["missing"] == []
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith("index")) == ["index"]


def test_the_index_is_not_read_as_a_source(tmp_path: Path, one: Path) -> None:
    ingest(tmp_path, one, "--index", one / "index", "--embedder", "none")

    assert report_of(tmp_path, one, "--index", one / "index")["files"]["found"] == 1


def test_include_and_exclude_choose(tmp_path: Path, archive: Path) -> None:
    report = report_of(
        tmp_path, archive, "--index", "index", "--embedder", "none",
        "--include", "*.txt", "--include", "*.md", "--exclude", "note*", "--exclude", "sub",
    )  # fmt: skip

    assert report["files"]["found"] == 1


def test_settings_come_from_file_and_environment(tmp_path: Path, archive: Path) -> None:
    (tmp_path / "my.toml").write_text('[index]\nurl = "elsewhere"\n[ingest]\ninclude = ["*.md"]\n', encoding="utf-8")

    done = ingest(tmp_path, archive, "--config", "my.toml", "--json", more={"RLM_SEARCH_EMBEDDER__SPEC": "hashing"})

    report = json.loads(done.stdout)
    assert (report["index"], report["embedder"][:7], report["files"]["found"]) == ("elsewhere", "hashing", 1)


def test_help_and_version_answer_at_once(tmp_path: Path) -> None:
    for option in ("--help", "--version"):
        spent = []
        for _ in range(5):
            before = os.times()
            ingest(tmp_path, option)
            after = os.times()
            spent.append(after.children_user + after.children_system - before.children_user - before.children_system)

        assert min(spent) < 0.15, f"{option}: CPU seconds"


def test_every_odd_file_is_accounted_for_and_no_worker_is_left(tmp_path: Path) -> None:
    if "RLM_SEARCH_TEST_DATA" not in os.environ:
        pytest.skip("RLM_SEARCH_TEST_DATA names no test data")
    weird = Path(os.environ["RLM_SEARCH_TEST_DATA"]) / "weird"
    files = sum(path.is_file() for path in weird.rglob("*"))

    with subprocess.Popen(
        command(weird, "--index", tmp_path / "index", "--embedder", "none", "-q", "--json"),
        env=environment(tmp_path), stdout=subprocess.PIPE, text=True, start_new_session=True,
    ) as process:  # fmt: skip
        out, _ = process.communicate(timeout=300)
    counts = json.loads(out)["files"]

    assert process.returncode == 4
    assert counts["found"] == files == counts["read"] + counts["unsupported"] + counts["failed"]
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)


# --- mistakes --------------------------------------------------------------------------------------------------------


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """The one line, after checking that there is one, and perhaps a hint."""
    lines = done.stderr.splitlines()
    assert 1 <= len(lines) <= 2, done.stderr
    assert lines[0].startswith("error: ")
    assert all(line.startswith("hint: ") for line in lines[1:])
    assert done.stdout == ""
    return lines[0]


def test_a_missing_path_is_a_usage_error_and_makes_no_index(tmp_path: Path) -> None:
    assert "nowhere does not exist" in refused(ingest(tmp_path, "nowhere", "--index", "index", code=2))
    assert not (tmp_path / "index").exists()


def test_a_command_given_too_late_is_explained(tmp_path: Path) -> None:
    assert "`ingest status …`" in ingest(tmp_path, "--index", "index", "status", code=2).stderr


def test_an_empty_folder_is_said_to_be_empty(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    done = ingest(tmp_path, "empty", "--index", "index", "--embedder", "none", "--json")

    assert done.stderr.startswith("no files found under empty; ")
    assert json.loads(done.stdout)["files"]["found"] == 0


def test_an_index_that_is_none_is_refused_and_left_alone(tmp_path: Path, one: Path) -> None:
    precious = tmp_path / "mine"
    precious.mkdir()
    (precious / "thesis.txt").write_text("years of work", encoding="utf-8")

    for more in ([], ["--rebuild"]):
        assert "is no index" in refused(ingest(tmp_path, one, "--index", precious, *more, code=5))
    assert [path.name for path in precious.iterdir() if path.name != "lock"] == ["thesis.txt"]
    for subcommand in (["status"], ["failures"], ["retry"], ["forget", "x"]):
        assert "no index" in refused(ingest(tmp_path, *subcommand, "--index", precious, code=5))
        assert "no index" in refused(ingest(tmp_path, *subcommand, "--index", "missing", code=5))


def test_a_file_is_no_index(tmp_path: Path, one: Path) -> None:
    assert "is a file" in refused(ingest(tmp_path, one, "--index", one / "a.txt", code=5))


def test_an_index_of_a_newer_version_is_refused(tmp_path: Path, one: Path) -> None:
    ingest(tmp_path, one, "--index", "index", "--embedder", "none")
    manifest = tmp_path / "index" / "index.json"
    written = msgspec.json.decode(manifest.read_bytes())
    manifest.write_bytes(msgspec.json.encode({**written, "format": 99}))

    assert "format 99" in refused(ingest(tmp_path, one, "--index", "index", code=5))


def test_another_writer_keeps_the_index(tmp_path: Path, one: Path) -> None:
    writer = EmbeddedWriter(tmp_path / "index", embedder_name="", dimensions=0)

    line = refused(ingest(tmp_path, one, "--index", "index", "--embedder", "none", code=5))
    writer.close()

    assert f"is being written to by process {os.getpid()}" in line


def test_another_embedder_than_the_index_has_is_refused_with_the_way_out(tmp_path: Path, one: Path) -> None:
    ingest(tmp_path, one, "--index", "index", "--embedder", "hashing")

    done = ingest(tmp_path, one, "--index", "index", "--embedder", "minilm", code=5)

    refused(done)
    assert "ingest reembed" in done.stderr


def test_an_unknown_embedder_is_refused_with_those_there_are(tmp_path: Path, one: Path) -> None:
    assert "did you mean `minilm`" in refused(
        ingest(tmp_path, one, "--index", "index", "--embedder", "minilam", code=5)
    )


@pytest.mark.parametrize("name", ["journal.db"])
def test_a_damaged_journal_is_one_line_and_can_be_moved_away(tmp_path: Path, one: Path, name: str) -> None:
    ingest(tmp_path, one, "--index", "index", "--embedder", "none")
    (tmp_path / "index" / name).write_bytes(b"no database at all" * 100)
    for path in (tmp_path / "index").glob(f"{name}-*"):
        path.unlink()

    done = ingest(tmp_path, one, "--index", "index", code=5)
    assert "is damaged" in refused(done)
    assert "move it away" in done.stderr
    (tmp_path / "index" / name).unlink()
    assert report_of(tmp_path, one, "--index", "index")["holds"]["documents"] == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file_is_a_failure_and_the_rest_is_read(tmp_path: Path, archive: Path) -> None:
    (archive / "note00.txt").chmod(0)

    report = report_of(tmp_path, archive, "--index", "index", "--embedder", "none", code=4)

    assert {group["kind"] for group in report["failures"]} == {"broken", "unreadable"}


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("mount") is None, reason="needs root, to mount a small disk")
def test_a_full_disk_ends_with_one_line_and_space_lets_the_run_go_on(tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "archive", files=80)
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=700k", "tmpfs", disk], check=False, capture_output=True
    ).returncode:
        pytest.skip("this root may not mount")
    try:
        done = ingest(tmp_path, archive, "--index", disk / "index", "--embedder", "hashing", "-q", code=5)
        assert "space" in refused(done)
        subprocess.run(["mount", "-o", "remount,size=100m", disk], check=True)
        ingest(tmp_path, archive, "--index", disk / "index", "--embedder", "hashing", "-q", code=4)
        ingest(tmp_path, archive, "--index", tmp_path / "whole", "--embedder", "hashing", "-q", code=4)
        assert content(disk / "index") == content(tmp_path / "whole")
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_report_that_cannot_be_written_is_one_line(tmp_path: Path, one: Path) -> None:
    done = ingest(tmp_path, one, "--index", "index", "--embedder", "none", "--report", "no/such/folder.json", code=2)

    assert "no/such" in done.stderr


def test_a_reader_that_leaves_is_no_error(tmp_path: Path, archive: Path) -> None:
    ingest(tmp_path, archive, "--index", "index", "--embedder", "none", code=4)

    done = subprocess.run(
        f"{sys.executable} -m ingest failures --index index | true",
        shell=True, cwd=tmp_path, env=environment(tmp_path), capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.stderr == ""
