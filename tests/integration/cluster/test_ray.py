"""`ingest --executor ray` on a Ray cluster of two nodes, into a real server: as good as a run on one machine."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from retrievers.protocols import Exports
from retrievers.registry import open_retriever
from retrievers.types import IndexedDocument
from tests.servers.ray_cluster import EMBEDDER, NOTES, actors, two_nodes
from tests.servers.search_nodes import fresh_index

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="the extra `ray` is not installed"),
]

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("notes")


@pytest.fixture(scope="module")
def address(notes: Path) -> Iterator[str]:
    with two_nodes(notes) as address:
        yield address


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive")
    (folder / "copies").mkdir()
    for number in range(400):
        text = f"Report {number} on the budget of the year {1300 + number}. " + f"Line {number} of it.\n" * (number % 9)
        (folder / f"report-{number}.txt").write_text(text)
        if number % 40 == 0:
            (folder / "copies" / f"copy-{number}.txt").write_text(text)
    lines = [json.dumps({"_id": f"r{n}", "text": f"Record {n} about rivers."}) for n in range(300)]
    (folder / "records.jsonl").write_text("\n".join(lines))
    (folder / "broken.pdf").write_bytes(b"%PDF-1.4 no more than this")
    return folder


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path, address: str) -> Start:
    def start(
        *arguments: str, executor: str = "ray", home: str = "home", address: str = address
    ) -> subprocess.Popen[str]:
        environment = {
            **{name: value for name, value in os.environ.items() if name != NOTES},
            "RLM_SEARCH_HOME": str(tmp_path / home),
            "RAY_ADDRESS": address,
            "PYTHONPATH": str(ROOT),
        }
        return subprocess.Popen(
            [sys.executable, "-m", "ingest", *arguments, "--executor", executor, "--embedder", EMBEDDER, "--json"],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


def test_a_run_that_is_stopped_and_loses_processes_ends_like_an_undisturbed_one_on_one_machine(
    start: Start, archive: Path, notes: Path
) -> None:
    with fresh_index("opensearch") as here, fresh_index("opensearch") as there:
        local = start(str(archive), "--index", here, executor="local", home="local")
        expected = finished(local)
        assert local.returncode == 4, "there is a broken file"

        stopped = start(str(archive), "--index", there)
        when(lambda: (notes / "embedded").exists(), stopped)
        stopped.send_signal(signal.SIGINT)
        out, err = stopped.communicate(timeout=60)
        assert stopped.returncode == 130, err
        assert err.splitlines()[-1] == "stopped; run the same command again to go on"
        assert "Traceback" not in out + err

        (notes / "embedded").unlink()
        goes_on = start(str(archive), "--index", there)
        when(lambda: (notes / "embedded").exists(), goes_on)
        for stage in ("Reading", "Embedding"):
            os.kill(actors(notes, stage)[0], signal.SIGKILL)
        report = finished(goes_on)
        assert goes_on.returncode == 4
        assert len({line.split()[0] for line in noted(notes)}) > 1, "another process went on with embedding"
        assert {line.split()[1] for line in noted(notes)} == {"0"}, "each had a GPU to itself"

        assert report["holds"] == expected["holds"]
        assert [(group["kind"], group["count"]) for group in report["failures"]] == [("broken", 1)]
        assert content(there) == content(here)

        again = finished(start(str(archive), "--index", there))
        assert (again["files"]["read"], again["documents"]) == (0, 0)
        assert again["holds"] == expected["holds"]


@pytest.mark.parametrize(
    ("named", "code", "sentence"),
    [
        ("127.0.0.1:1", 6, "error: no Ray cluster answers at 127.0.0.1:1"),
        ("ray://head:10001", 5, "error: RAY_ADDRESS=ray://head:10001 is no address of a cluster"),
    ],
)
def test_a_cluster_that_is_not_there_is_told_in_one_sentence(
    start: Start, archive: Path, named: str, code: int, sentence: str
) -> None:
    with fresh_index("opensearch") as url:
        run = start(str(archive), "--index", url, "--quiet", address=named)
        _, err = run.communicate(timeout=120)

    assert run.returncode == code
    assert err.startswith(sentence)
    assert len(err.splitlines()) == 2


def finished(run: subprocess.Popen[str]) -> dict[str, Any]:
    out, err = run.communicate(timeout=240)
    assert "Traceback" not in out + err, err
    assert out.startswith("{"), out + err
    report: dict[str, Any] = json.loads(out)
    return report


def when(is_so: Callable[[], bool], run: subprocess.Popen[str]) -> None:
    """Wait for it; the run must not end before."""
    deadline = time.monotonic() + 300
    while not is_so():
        assert run.poll() is None, run.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)


def noted(notes: Path) -> list[str]:
    return (notes / "embedded").read_text().splitlines()


def content(url: str) -> dict[str, tuple[object, ...]]:
    """All documents with their sources, chunks and vectors."""
    reader = open_retriever(url, embedder="none")
    assert isinstance(reader, Exports)
    return {item.document.id: (item.document, list(item.chunks), vectors_of(item)) for item in reader.export()}


def vectors_of(item: IndexedDocument) -> object:
    return None if item.vectors is None else item.vectors.tolist()
