"""`rlm-search index` on the real servers: copied, verified, rebuilt beside the old version, swapped and deleted."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import pytest

from ingest.cli import main as ingest
from retrievers.registry import open_retriever
from rlm_search.cli.commands import main as rlm_search
from tests.servers.search_nodes import ENGINES, fresh_index

Run: TypeAlias = Callable[..., "Done"]

pytestmark = pytest.mark.integration


@pytest.fixture(params=ENGINES)
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    with fresh_index(str(request.param)) as url:
        yield url


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RLM_SEARCH_HOME", str(tmp_path / "home"))
    folder = tmp_path / "archive"
    folder.mkdir()
    (folder / "harbour.md").write_text("# Harbour\n\nThe keys hang behind the door of the harbour office.\n")
    (folder / "ferry.txt").write_text("The ferry sails at seven in the morning.\n")
    (folder / "rows.jsonl").write_text(
        "".join(
            json.dumps({"_id": f"r{n}", "text": f"row {n} of the tide", "year": n}) + "\n" for n in range(1990, 2005)
        )
    )
    return folder


@dataclass(frozen=True)
class Done:
    exit_code: int
    stdout: str


def call(words: list[str]) -> None:
    if words[0] == "ingest":
        ingest(words[1:])
    else:
        rlm_search.main(words)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Run a command in this process."""

    def run_it(*words: str) -> Done:
        with pytest.raises(SystemExit) as ended:
            call(list(words))
        return Done(int(ended.value.code or 0), capsys.readouterr().out)

    return run_it


def test_a_copy_is_the_same_and_comes_back_the_same(run: Run, archive: Path, tmp_path: Path, url: str) -> None:
    here, back = str(tmp_path / "here"), str(tmp_path / "back")
    assert run("ingest", str(archive), "--index", here, "--embedder", "hashing").exit_code == 0

    assert run("index", "copy", here, url).exit_code == 0
    assert run("index", "verify", here, url).exit_code == 0
    assert run("index", "verify", url).exit_code == 0
    assert run("index", "copy", url, back).exit_code == 0
    assert run("index", "verify", here, back).exit_code == 0
    for place in (url, back):
        retriever = open_retriever(place)
        assert retriever.vector_search("row 1999 of the tide", top_k=1, filters={"year": 1999})[0].doc_id == "r1999"


def test_a_copy_that_differs_is_told(run: Run, archive: Path, tmp_path: Path, url: str) -> None:
    here = str(tmp_path / "here")
    run("ingest", str(archive), "--index", here, "--embedder", "none")
    run("index", "copy", here, url)
    (archive / "ferry.txt").write_text("The ferry sails at nine.\n")
    (archive / "new.txt").write_text("A new one.\n")
    run("ingest", str(archive), "--index", here)

    found = run("index", "verify", here, url, "--json")

    assert found.exit_code == 4
    told = json.loads(found.stdout)
    assert (told["documents"], told["missing"], told["surplus"]) == (16, 2, 1)


def test_a_rebuild_is_not_seen_before_it_is_whole(
    run: Run, archive: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("ingest", str(archive), "--index", url, "--embedder", "hashing").exit_code == 0
    reader = open_retriever(url)
    (archive / "ferry.txt").write_text("The boat sails at nine.\n")
    seen: list[str] = []

    from retrievers.servers.writer import ServerWriter

    publish = ServerWriter.publish

    def look_first(writer: ServerWriter) -> None:
        writer.flush()
        seen.extend(hit.preview for hit in reader.search("sails"))
        publish(writer)

    monkeypatch.setattr(ServerWriter, "publish", look_first)
    assert run("ingest", str(archive), "--index", url, "--rebuild").exit_code == 0

    assert seen == ["The ferry sails at seven in the morning."]
    assert [hit.preview for hit in reader.search("sails")] == ["The boat sails at nine."]
    assert json.loads(run("index", "versions", url, "--json").stdout)["versions"] == [f"{_name(url)}-000002"]


def test_versions_are_swapped_and_deleted(run: Run, archive: Path, url: str) -> None:
    run("ingest", str(archive), "--index", url, "--embedder", "none")
    assert run("index", "swap", url, f"{_name(url)}-000009").exit_code == 5
    assert run("index", "delete", url, "--version", f"{_name(url)}-000001", "--yes").exit_code == 5
    assert run("index", "delete", url, "--yes").exit_code == 0
    assert run("search", "ferry", "--index", url).exit_code == 5


def test_what_stands_on_a_server_is_counted(run: Run, archive: Path, url: str) -> None:
    run("ingest", str(archive), "--index", url, "--embedder", "hashing")

    told = json.loads(run("index", "stats", url, "--json").stdout)

    assert (told["documents"], told["vectors"]) == (17, told["chunks"])
    year = next(field for field in told["fields"] if field["name"] == "year")
    assert (year["type"], year["documents"], year["lowest"], year["highest"]) == ("number", 15, 1990, 2004)


def _name(url: str) -> str:
    return url.rpartition("/")[2]
