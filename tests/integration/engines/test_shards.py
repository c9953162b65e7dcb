"""`--shard K/N` into real servers: parts that are read one after the other or at once are as good as one run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.sharding import Shard
from retrievers.protocols import Exports
from retrievers.registry import open_retriever
from tests.servers.search_nodes import ENGINES, fresh_index

pytestmark = pytest.mark.integration

PARTS = ("1/2", "2/2")


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def url(engine: str) -> Iterator[str]:
    with fresh_index(engine) as url:
        yield url


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Texts, copies of them under other names, records that claim the same ids, and a broken file."""
    folder = tmp_path / "archive"
    (folder / "copies").mkdir(parents=True)
    for number in range(20):
        text = f"Report {number} on the budget of {1900 + number}. " + f"Line {number}.\n" * (number % 7)
        (folder / f"report-{number}.txt").write_text(text)
        (folder / "copies" / f"report-{number}.txt").write_text(text)
        (folder / "copies" / f"a-{number}.txt").write_text(text)
    for number in range(4):
        records = [{"_id": f"r{n}", "text": f"Record {n} of {number if n < 3 else 'all'}."} for n in range(6)]
        (folder / f"{number}.jsonl").write_text("\n".join(map(json.dumps, records)))
    (folder / "broken.pdf").write_bytes(b"%PDF-1.4 no more than this")
    return folder


def started(archive: Path, url: str, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "ingest", str(archive), "--index", url, "--embedder", "hashing", "--json"]
    environment = {**os.environ, "RLM_SEARCH_HOME": str(archive.parent / "home"), "RLM_SEARCH_INGEST__WORKERS": "1"}
    return subprocess.Popen(
        [*command, *arguments], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def ended(run: subprocess.Popen[str]) -> int:
    out, err = run.communicate(timeout=240)
    assert out.startswith("{"), out + err
    assert run.returncode in (0, 4), err
    return run.returncode


def content(url: str) -> dict[str, tuple[object, ...]]:
    reader = open_retriever(url, embedder="none")
    assert isinstance(reader, Exports)
    return {
        item.document.id: (item.document, list(item.chunks), None if item.vectors is None else item.vectors.tolist())
        for item in reader.export()
    }


def test_two_parts_one_after_the_other_give_what_one_run_gives(engine: str, url: str, archive: Path) -> None:
    with fresh_index(engine) as whole:
        assert ended(started(archive, whole)) == 4
        expected = content(whole)

    codes = [ended(started(archive, url, "--shard", part)) for part in PARTS]

    assert sorted(codes) == [0, 4], "the broken file is a failure of the part that it is in"
    assert content(url) == expected
    for number in (3, 4):
        (archive / f"report-{number}.txt").unlink()
        (archive / "copies" / f"a-{number}.txt").unlink()
    (archive / "copies" / "report-4.txt").unlink()
    for part in PARTS:
        ended(started(archive, url, "--shard", part, "--sync"))
        ended(started(archive, url, "--shard", part, "--sync"))
    found = {document.source: document.sources for document, *_ in content(url).values()}  # type: ignore[attr-defined]
    assert len(found) == len(expected) - 1
    assert found["copies/report-3.txt"] == ("copies/report-3.txt",)
    assert not any("-4.txt" in source for source in found)


@pytest.mark.parametrize("engine", ["opensearch"], indirect=True)
def test_sync_of_a_part_that_lost_its_journal_removes_nothing_of_another(url: str, archive: Path) -> None:
    for part in PARTS:
        ended(started(archive, url, "--shard", part))
    before = content(url)
    theirs = [path for path in archive.glob("*.txt") if Shard(2, 2).owns(path.name)]
    for path in theirs:
        path.unlink()
    for path in (archive.parent / "home" / "state" / "journals").glob("*-1-of-2*"):
        path.unlink()

    ended(started(archive, url, "--shard", "1/2", "--sync"))

    assert content(url) == before
