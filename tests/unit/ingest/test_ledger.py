"""A journal that is lost, or another machine's, is told by the index what was read into it."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from ingest.state import OpenIndex, open_index
from ingest.writing import tell_the_rest
from retrievers.embedded import EmbeddedRetriever
from tests.unit.ingest.conftest import Run

INDEX = Path(".rlm-search/index")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    long = "the harbour master keeps a ledger of every crane that was moved along the quay since the war ended there "
    texts = {
        "a.txt": "The crane.",
        "sub/b.txt": "The ledger.",
        "sub/c.txt": "The crane.",
        "many.lines": "1 first\n2 second",
        "bad.txt": "FAIL",
        "empty.txt": "",
        "long-1.txt": long,
        "long-2.txt": long + "again",
    }
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def ingest(run: Run, *arguments: str) -> Any:
    code, out, err = run(*arguments, "--embedder", "hashing", "--json")
    assert code in (0, 4), err
    return json.loads(out)


def status(run: Run) -> Any:
    return json.loads(run("status", "--json")[1])


def held() -> dict[str, Any]:
    return {item.document.id: item.document for item in EmbeddedRetriever(INDEX).export()}


def lose_the_journal() -> None:
    for path in INDEX.glob("journal.*"):
        path.unlink()


def test_with_a_journal_that_is_lost_no_unchanged_file_is_read_again(run: Run, files: Path) -> None:
    before = ingest(run, "files")
    documents, known = held(), status(run)
    lose_the_journal()

    assert status(run) == known
    after = ingest(run, "files")

    assert (after["files"]["read"], after["documents"], after["vectors"]) == (0, 0, 0)
    assert after["files"]["unchanged"] == before["files"]["found"] - 1  # the one that has failed is told beside
    assert after["failures"] == before["failures"]
    assert (held(), after["holds"]) == (documents, before["holds"])


def test_failures_are_told_without_a_journal(run: Run, files: Path) -> None:
    ingest(run, "files")
    lose_the_journal()

    assert [found["source"] for found in json.loads(run("failures", "--json")[1])["failures"]] == ["bad.txt"]
    assert not (INDEX / "journal.db").exists()  # who only looks makes none


def test_what_changed_or_went_while_the_journal_was_lost_is_put_right(run: Run, files: Path) -> None:
    ingest(run, "files")
    lose_the_journal()
    (files / "sub" / "b.txt").write_text("The new ledger.", encoding="utf-8")
    (files / "a.txt").unlink()
    (files / "many.lines").write_text("2 second", encoding="utf-8")

    report = ingest(run, "files", "--sync")

    assert report["files"]["read"] == 3  # the third is what the document of two files is named after now
    assert sorted(document.text for document in held().values() if len(document.text) < 90) == [
        "",
        "The crane.",
        "The new ledger.",
        "second",
    ]
    assert {document.sources for document in held().values() if "crane." in document.text} == {("sub/c.txt",)}


def test_a_journal_that_was_killed_while_new_is_told_all_the_same(
    run: Run, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest(run, "files")
    lose_the_journal()

    def die(*_: object) -> None:
        raise SystemExit(130)

    with monkeypatch.context() as patched:
        patched.setattr("ingest.pipeline.IngestRun.run", die)
        run("files", "--embedder", "hashing")

    assert ingest(run, "files")["files"]["read"] == 0


def test_an_archive_that_lies_elsewhere_now_is_not_read_again(run: Run, files: Path, tmp_path: Path) -> None:
    ingest(run, "files")
    before = held()
    files.rename(tmp_path / "mounted elsewhere")
    lose_the_journal()
    (tmp_path / "mounted elsewhere" / "sub" / "b.txt").write_text("Changed.", encoding="utf-8")

    report = ingest(run, str(tmp_path / "mounted elsewhere"))

    assert report["files"]["read"] == 1
    changed = {document.text for document in held().values()} ^ {document.text for document in before.values()}
    assert changed == {"The ledger.", "Changed."}


def test_a_copy_of_an_archive_with_other_times_is_told_by_its_content(run: Run, files: Path, tmp_path: Path) -> None:
    (files / "many.lines").unlink()  # of a file that is several documents only its time tells that it is the same
    ingest(run, "files")
    shutil.copytree(files, tmp_path / "copy", copy_function=shutil.copyfile)
    shutil.rmtree(files)

    assert ingest(run, "copy", "--sync")["files"]["read"] == 0
    assert ingest(run, "copy", "--sync")["removed"] == 0


def test_another_folder_of_the_same_names_is_another_folder(run: Run, files: Path, tmp_path: Path) -> None:
    (files / "other.txt").write_text("One thing.", encoding="utf-8")
    ingest(run, "files")
    before = held()
    files.rename(tmp_path / "unmounted")
    (tmp_path / "second" / "sub").mkdir(parents=True)
    for name in ("a.txt", "sub/b.txt", "sub/c.txt", "other.txt"):
        (tmp_path / "second" / name).write_text("Else.", encoding="utf-8")

    ingest(run, "second")

    assert before.keys() < held().keys()


def test_two_machines_that_take_turns_know_what_the_other_has_read(run: Run, files: Path, tmp_path: Path) -> None:
    ingest(run, "files")
    kept = tmp_path / "first"
    kept.mkdir()

    def take_the_place(of: Path, by: Path) -> None:
        of.mkdir(exist_ok=True)
        for path in INDEX.glob("journal.*"):
            path.rename(of / path.name)
        for path in by.glob("journal.*") if by.exists() else ():
            path.rename(INDEX / path.name)

    other = tmp_path / "other"
    take_the_place(kept, other)
    (files / "new.txt").write_text("From the other machine.", encoding="utf-8")
    (files / "sub" / "b.txt").unlink()
    assert ingest(run, "files", "--sync")["files"]["read"] == 1
    documents = held()

    take_the_place(other, kept)
    report = ingest(run, "files", "--sync")

    assert (report["files"]["read"], report["removed"], report["documents"]) == (0, 0, 0)
    assert held() == documents


def test_an_index_that_was_removed_is_filled_again(run: Run, files: Path) -> None:
    ingest(run, "files")
    before = held()
    for name in ("text", "vectors", "ledger"):
        shutil.rmtree(INDEX / name)
    (INDEX / "index.json").unlink()

    ingest(run, "files")

    assert held() == before


def test_an_index_without_a_ledger_gets_one_by_the_next_run(
    run: Run, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("ingest.writing.tell", lambda *_: False)
        ingest(run, "files")
    assert not (INDEX / "ledger").exists()
    ingest(run, "files")
    lose_the_journal()

    assert ingest(run, "files")["files"]["read"] == 0


def test_a_ledger_that_says_much_that_is_void_is_begun_anew(
    run: Run, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.ledger._VOID_ABOVE", 0)
    sizes = []
    for number in range(30):
        (files / "a.txt").write_text(f"Version {number}.", encoding="utf-8")
        os.utime(files / "a.txt", ns=(0, 10**18 + number))
        ingest(run, "files")
        sizes.append(sum(path.stat().st_size for path in (INDEX / "ledger").iterdir()))
    before = held()
    lose_the_journal()

    assert max(sizes) < 6 * sizes[0]
    assert len(list((INDEX / "ledger").iterdir())) == 1
    assert ingest(run, "files")["files"]["read"] == 0
    assert held() == before


def test_what_others_have_heard_of_before_it_was_begun_anew_is_forgotten(run: Run, files: Path, tmp_path: Path) -> None:
    ingest(run, "files")
    shutil.copytree(INDEX, tmp_path / "old", ignore=shutil.ignore_patterns("text", "vectors", "ledger", "index.json"))
    run("forget", "files/a.txt")
    with open_index(str(INDEX), None if not held() else _recorded()) as index:
        begin_anew(index)
    for path in (tmp_path / "old").glob("journal.*"):
        shutil.copy(path, INDEX / path.name)

    with open_index(str(INDEX), _recorded()) as index:
        assert index.journal.paths_below(files / "a.txt") == []
        assert index.journal.paths_below(files / "sub" / "b.txt") != []


def begin_anew(index: OpenIndex) -> None:
    index.journal.begin_run("")
    writer: Any = index.writer
    with index.journal.transaction():
        writer.write_ledger(index.journal.ledger.all_entries(index.journal.run), anew=True)
        writer.flush()
    tell_the_rest(index.journal, index.writer)


def _recorded() -> Any:
    from ingest.state import recorded_embedder

    return recorded_embedder(str(INDEX))
