"""The command in this process: what its subcommands do, with files read by an inline pool."""

from __future__ import annotations

import errno
import json
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from ingest.endings import explain
from ingest.errors import ConfigError
from ingest.settings import (
    IngestSettings,
    cache_folder,
    state_folder,
    usable_cpus,
    wants_colour,
    wants_plain_output,
    worker_environment,
)
from ingest.signals import Signals, Stopped
from retrievers.embedded import EmbeddedRetriever
from retrievers.errors import ConfigError as RetrieverConfigError
from retrievers.settings import load
from tests.unit.ingest.conftest import Run


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "a.txt").write_text("The crane in the harbour.\nThe ledger.", encoding="utf-8")
    (folder / "b.txt").write_text("FAIL", encoding="utf-8")
    return folder


def object_of(result: tuple[int, str, str]) -> Any:
    return json.loads(result[1])


def test_a_bare_path_is_a_run(run: Run, files: Path) -> None:
    code, out, _ = run("files", "--embedder", "hashing")

    assert code == 4
    assert out.startswith("1 document, 1 page, 2 chunks, 2 vectors from 1 file")
    assert [hit.source for hit in EmbeddedRetriever(Path(".rlm-search/index")).search("crane")] == ["a.txt"]


def test_a_url_of_a_file_of_this_machine_is_its_path(run: Run, files: Path) -> None:
    code, out, _ = run((files / "a.txt").as_uri().replace("a.txt", "%61.txt"), "--embedder", "none")

    assert (code, out.partition(",")[0]) == (0, "1 document")
    assert run("file://elsewhere/a.txt", "--embedder", "none")[0] == 2


def test_the_index_goes_on_with_the_embedder_that_it_was_built_with(run: Run, files: Path) -> None:
    run("files", "--embedder", "hashing")
    (files / "b.txt").write_text("mended", encoding="utf-8")

    report = object_of(run("files", "--json"))

    assert (report["embedder"][:7], report["holds"]) == ("hashing", {"documents": 2, "chunks": 3, "vectors": 3})


def test_an_index_without_vectors_stays_so(run: Run, files: Path) -> None:
    run("files", "--embedder", "none")

    assert object_of(run("files", "--json"))["embedder"] == ""


def test_retry_reads_what_failed_under_its_old_source(run: Run, files: Path) -> None:
    run("files", "--embedder", "none")
    (files / "b.txt").write_text("mended", encoding="utf-8")

    report = object_of(run("retry", "--kind", "broken", "--json"))

    assert (report["files"]["read"], report["failures"]) == (1, [])
    assert [summary.source for summary in EmbeddedRetriever(Path(".rlm-search/index")).scan()] == ["a.txt", "b.txt"]


def test_failures_and_status_tell_the_same(run: Run, files: Path) -> None:
    run("files", "--embedder", "hashing")

    (failure,) = object_of(run("failures", "--json"))["failures"]
    status = object_of(run("status", "--json"))

    assert (failure["source"], failure["kind"], failure["message"]) == ("b.txt", "broken", "it says so")
    assert (status["failures"], status["files"]) == ({"broken": 1}, {"failed": 1, "vectors": 1})
    assert "b.txt: it says so" in run("failures")[1]
    assert "failures   1 broken (list them: ingest failures)" in run("status")[1]


def test_forget_takes_a_path_or_an_id(run: Run, files: Path) -> None:
    (files / "c.lines").write_text("r1 first\nr2 second", encoding="utf-8")
    run("files", "--embedder", "none")

    assert run("forget", "files/a.txt")[1] == "removed 1 document of 1 file\n"
    assert object_of(run("forget", "r1", "--json")) == {"documents": 1, "files": 0}
    assert object_of(run("status", "--json"))["holds"]["documents"] == 1
    code, _, err = run("forget", "r1")
    assert (code, err.splitlines()[0]) == (2, "error: nothing in the index is named r1")


def test_rebuild_makes_the_index_anew_with_another_embedder(run: Run, files: Path) -> None:
    run("files", "--embedder", "none")

    report = object_of(run("files", "--embedder", "hashing", "--rebuild", "--json"))

    assert (report["documents"], report["holds"]["vectors"]) == (1, 2)
    assert [path.name for path in Path(".rlm-search").iterdir()] == ["index"]


def test_a_rebuild_that_was_stopped_goes_on_beside_the_index(run: Run, files: Path) -> None:
    run("files", "--embedder", "none")
    Path(".rlm-search/index").rename(".rlm-search/index.replaced")  # killed between the two renames of the swap

    assert object_of(run("files", "--json"))["files"]["unchanged"] == 1


def test_the_report_is_written_and_quiet_shows_no_progress(run: Run, files: Path) -> None:
    code, out, err = run("files", "--embedder", "none", "--quiet", "--report", "r.json", "--json")

    assert (code, err) == (4, "")
    assert json.loads(out) == json.loads(Path("r.json").read_text())


def test_a_report_that_cannot_be_written_is_refused_before_the_run(run: Run, files: Path) -> None:
    assert run("files", "--report", "nowhere/r.json") == (
        2, "", "error: --report: there is no folder nowhere\nhint: make it first, or name another file\n",
    )  # fmt: skip
    assert run("files", "--report", "files") == (
        2, "", "error: --report: files is a folder\nhint: name a file: --report files/report.json\n",
    )  # fmt: skip
    assert not Path(".rlm-search").exists()


@pytest.mark.parametrize("rebuild", [(), ("--rebuild",)])
def test_an_index_that_is_a_class_is_not_written_to(run: Run, files: Path, rebuild: tuple[str, ...]) -> None:
    code, _, err = run("files", "--index", "mine:Retriever", *rebuild)

    assert code == 5
    assert err.startswith("error: the index mine:Retriever is a class, which can be asked and not written to\nhint: ")
    assert not list(Path().glob("mine*"))


def test_the_status_names_the_embedder_of_an_index_from_which_all_was_forgotten(run: Run, files: Path) -> None:
    run("files", "--embedder", "hashing")
    run("forget", "files")

    assert object_of(run("status", "--json"))["embedder"].startswith("hashing")


def test_an_empty_folder_ends_well_with_a_sentence(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    code, _, err = run("empty", "--embedder", "none")

    assert (code, err.partition(";")[0]) == (0, "no files found under empty")


@pytest.mark.parametrize("subcommand", [["status"], ["failures"], ["retry"], ["forget", "x"]])
def test_a_command_without_an_index_says_how_to_make_one(run: Run, subcommand: list[str]) -> None:
    code, out, err = run(*subcommand)

    assert (code, out) == (5, "")
    assert err.splitlines()[0] == "error: there is no index at .rlm-search/index"
    assert err.splitlines()[1].startswith("hint: make one with: ingest FOLDER")


def test_usage_errors_are_2(run: Run, files: Path) -> None:
    assert run("nowhere")[0] == 2
    assert run("files", "--workers", "many")[0] == 2
    assert run("--index", "x", "status")[0] == 2
    assert run("run")[0] == 2


@pytest.mark.parametrize("subcommand", ["failures", "retry"])
def test_a_kind_that_does_not_exist_is_refused_with_those_that_do(run: Run, files: Path, subcommand: str) -> None:
    run("files", "--embedder", "none")

    code, _, err = run(subcommand, "--kind", "needs_ocr")

    assert code == 2
    assert "'needs_ocr' is none of broken, crashed, embed, empty, encoding, encrypted, memory, needs-ocr" in err


def test_help_shows_the_options_of_a_run_and_examples(run: Run) -> None:
    code, out, _ = run("--help")

    assert code == 0
    for text in ("ingest [OPTIONS] PATH...", "--rebuild", "ingest ./archive", "failures"):
        assert text in out
    assert "ingest" in run("--version")[1]


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (ConfigError("wrong", hint="mend it"), 5, "error: wrong\nhint: mend it\n"),
        (RetrieverConfigError("two\nlines"), 5, "error: two lines\n"),
        (OSError(errno.ENOSPC, "No space left on device", "x.db"), 5, "error: No space left on device (x.db)\nhint: f"),
        (Stopped(signal.SIGTERM), 143, "stopped; run the same command again to go on\n"),
        (KeyboardInterrupt(), 130, "stopped; run the same command again to go on\n"),
        (SystemExit(3), 3, ""),
    ],
)
def test_every_error_ends_in_a_line_and_a_code(
    error: BaseException, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert explain(error) == code
    assert capsys.readouterr().err.startswith(said)


def test_an_unexpected_error_is_kept_in_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RLM_SEARCH_HOME", str(tmp_path))

    assert explain(ZeroDivisionError("oh")) == 1

    said = capsys.readouterr().err
    assert said.startswith("unexpected error ZeroDivisionError: oh; please report it; traceback in ")
    assert "ZeroDivisionError: oh" in Path(said.rpartition(" in ")[2].strip()).read_text()


@pytest.fixture
def signals() -> Iterator[Signals]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield Signals()
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_signal_ends_a_command_that_is_no_run(signals: Signals) -> None:
    with pytest.raises(Stopped) as stopped:
        signal.raise_signal(signal.SIGINT)

    assert stopped.value.exit_code == 130


def test_the_first_signal_asks_a_run_and_the_second_ends_it(signals: Signals, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    ended: list[int] = []
    monkeypatch.setattr(os, "_exit", ended.append)

    with suppress(Stopped), signals.asking(lambda: asked.append("stop")):
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)

    assert asked[0] == "stop"
    assert ended == [130]


def test_a_setting_that_makes_no_sense_is_named() -> None:
    for key, value in (("workers", -1), ("max_tokens", 0), ("flush_seconds", 0)):
        settings = load(flags={"ingest": {key: value}}, environment={"RLM_SEARCH_HOME": "/nowhere"})
        with pytest.raises(RetrieverConfigError, match=f"`ingest.{key}`.*the command line"):
            settings.table("ingest", IngestSettings)


def test_folders_follow_the_environment() -> None:
    home = {"RLM_SEARCH_HOME": "/x"}

    assert (state_folder(home), cache_folder(home)) == (Path("/x/state"), Path("/x/cache"))
    assert state_folder({}).name == cache_folder({}).name == "rlm-search"
    assert (wants_plain_output({"TERM": "dumb"}), wants_plain_output({})) == (True, False)
    assert (wants_colour({"NO_COLOR": "1"}), wants_colour({})) == (False, True)
    assert usable_cpus() >= 1


def test_workers_are_told_where_things_are_and_no_secret() -> None:
    users = {"PATH": "/bin", "LC_ALL": "C.UTF-8", "OPENAI_API_KEY": "sk-1", "RLM_SEARCH_PASSWORD": "x"}

    told = worker_environment(users)

    assert told["OPENBLAS_NUM_THREADS"] == "1"
    assert {name: told[name] for name in told.keys() & users.keys()} == {"PATH": "/bin", "LC_ALL": "C.UTF-8"}


def test_no_secret_of_the_environment_is_told_or_kept_with_a_fault_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RLM_SEARCH_HOME", str(tmp_path))
    monkeypatch.setenv("MY_BUCKET_SECRET", "correct-horse")

    assert explain(RuntimeError("cannot log in with correct-horse")) == 1

    [kept] = (tmp_path / "state").glob("error-*.txt")
    told = capsys.readouterr().err + kept.read_text(encoding="utf-8")
    assert "cannot log in with [secret]" in told
    assert "correct-horse" not in told
