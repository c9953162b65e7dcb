"""kill -9 at any moment, then the same command again: nothing lost, nothing double, no process left."""

from __future__ import annotations

import itertools
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from retrievers.embedded import EmbeddedRetriever
from retrievers.types import Matrix
from tests.integration.ingest.corpus import (
    command,
    content,
    environment,
    ingest,
    make_archive,
    make_mixed_archive,
)

pytestmark = pytest.mark.integration

KILLS = int(os.environ.get("RLM_SEARCH_TEST_KILLS", "6"))
"""Moments of the kill test: `make integration-all` takes fifty."""
FEW_AT_A_TIME = {"RLM_SEARCH_INGEST__FLUSH_DOCUMENTS": "4", "RLM_SEARCH_INGEST__FLUSH_SECONDS": "0.05"}
"""Many flushes, so that kills fall between and into them."""


def children_of(pid: int) -> list[int]:
    """All processes below this one."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            status = (entry / "stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        if int(status.rpartition(")")[2].split()[1]) == pid:
            found += [int(entry.name), *children_of(int(entry.name))]
    return found


def is_alive(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] not in "ZX"


def start(home: Path, archive: Path, index: Path, embedder: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command(archive, "--index", index, "--embedder", embedder, "--quiet"),
        env=environment(home, **FEW_AT_A_TIME),
        cwd=home,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def kill_after(seconds: float, home: Path, archive: Path, index: Path, embedder: str) -> bool:
    """Start the command, kill it with all its threads at the given moment; False if it ended before."""
    process = start(home, archive, index, embedder)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        workers = children_of(process.pid)
        process.kill()
        process.wait()
        deadline = time.monotonic() + 30.0  # a busy machine is slow to end what is still starting
        while any(is_alive(worker) for worker in workers):
            assert time.monotonic() < deadline, "a worker outlived its parent"
            time.sleep(0.01)
        return True
    return False


def kill_workers(seconds: float, moments: random.Random, home: Path, archive: Path, index: Path, embedder: str) -> int:
    """Kill a process of a run that goes on, again and again until it ends; how many were killed."""
    process = start(home, archive, index, embedder)
    killed: list[int] = []
    nurseries: set[int] = set()  # the process that the others are forked from: without it a run may have to end
    while True:
        try:
            process.wait(seconds * moments.uniform(0.1, 0.4))
        except subprocess.TimeoutExpired:
            below = children_of(process.pid)
            if below:
                nurseries.add(below[0])
                killed.append(moments.choice(below))
                with suppress(ProcessLookupError):
                    os.kill(killed[-1], signal.SIGKILL)
        else:
            assert process.returncode == 4 or nurseries & {*killed}, "a run outlives its workers"
            return len(killed)


def killed_indexes(
    folder: Path, archive: Path, *, embedder: str, kills: int
) -> Iterator[tuple[Path, subprocess.CompletedProcess[str]]]:
    """First an index that was left in peace, then others that were not, each with the last run on it."""

    def run(home: Path, index: Path) -> subprocess.CompletedProcess[str]:
        home.mkdir(exist_ok=True)
        words = ("--index", index, "--embedder", embedder, "--quiet")
        return ingest(home, archive, *words, code=4, more=FEW_AT_A_TIME, timeout=600)

    started = time.monotonic()
    yield folder / "whole", run(folder / "home", folder / "whole")
    seconds = time.monotonic() - started
    moments = random.Random(20)
    killed = 0
    for number in itertools.count():
        index, home = folder / f"killed{number}", folder / f"home{number}"  # with vectors of its own: no cache
        home.mkdir()
        # a few kills while the index grows and when it is almost done; a run that ends first was done with it
        while kill_after(moments.uniform(0.3, 0.9) * seconds, home, archive, index, embedder):
            killed += 1
            if killed % 3 == 0:
                break
        else:
            seconds *= 0.9  # the machine was busier when it was measured
        killed += kill_workers(seconds, moments, home, archive, index, embedder)
        yield index, run(home, index)
        if killed >= kills:
            return


def test_kills_at_random_moments_change_nothing(tmp_path: Path) -> None:
    archive = make_mixed_archive(tmp_path / "archive")
    runs = killed_indexes(tmp_path, archive, embedder="hashing", kills=KILLS)
    whole, first = next(runs)
    expected = content(whole)
    for index, done in runs:
        assert content(index) == expected
        assert last_line(done, index) == last_line(first, whole)


@pytest.mark.skipif(KILLS < 50, reason="the model that ships is slow: make integration-all")
def test_kills_leave_the_vectors_of_the_default_embedder_as_they_would_have_been(tmp_path: Path) -> None:
    archive = make_mixed_archive(tmp_path / "archive")
    runs = killed_indexes(tmp_path, archive, embedder="minilm", kills=max(KILLS // 3, 2))
    whole, _ = next(runs)
    expected = vectors_of(whole)
    for index, _ in runs:
        found = vectors_of(index)
        assert found.keys() == expected.keys()
        cosines = [np.sum(found[id_] * expected[id_], axis=1).min(initial=1.0) for id_ in expected]
        print("least cosine to the undisturbed run", min(cosines))
        assert min(cosines) >= 0.98


def vectors_of(index: Path) -> dict[str, Matrix]:
    items = EmbeddedRetriever(index).export()
    vectors = {item.document.id: item.vectors for item in items if item.chunks}
    assert all(each is not None for each in vectors.values())
    return {
        id_: each / np.linalg.norm(each, axis=1, keepdims=True) for id_, each in vectors.items() if each is not None
    }


def last_line(done: subprocess.CompletedProcess[str], index: Path) -> str:
    """What the index holds, without its name."""
    return done.stdout.splitlines()[-1].replace(str(index), "")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_a_run_with_one_line_and_the_next_goes_on(tmp_path: Path, number: int, code: int) -> None:
    archive = make_archive(tmp_path / "archive", files=60)
    index = tmp_path / "index"
    process = subprocess.Popen(
        command(archive, "--index", index, "--embedder", "hashing", "--quiet", "--workers", "1"),
        env=environment(tmp_path, **FEW_AT_A_TIME),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while not (index / "journal.db").exists():
        time.sleep(0.01)
    workers = children_of(process.pid)
    os.killpg(process.pid, number)  # as a terminal does: the workers hear it, too
    out, err = process.communicate(timeout=30)

    assert err == "stopped; run the same command again to go on\n"
    assert (process.returncode, out) == (code, "")
    assert not any(is_alive(worker) for worker in workers)
    ingest(tmp_path, archive, "--index", index, "--embedder", "hashing", "--quiet", code=4)
    assert content(index)["missing"] == []


def test_a_second_signal_ends_at_once_and_safely(tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "archive", files=60)
    index = tmp_path / "index"
    process = subprocess.Popen(
        command(archive, "--index", index, "--embedder", "hashing", "--quiet"),
        env=environment(tmp_path, **FEW_AT_A_TIME),
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not (index / "journal.db").exists():
        time.sleep(0.01)
    time.sleep(0.1)
    for _ in range(3):
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)

    assert process.returncode == 130
    assert set(err.splitlines()) == {"stopped; run the same command again to go on"}
    ingest(tmp_path, archive, "--index", index, "--embedder", "hashing", "--quiet", code=4)
    ingest(tmp_path, archive, "--index", tmp_path / "whole", "--embedder", "hashing", "--quiet", code=4)
    assert content(index) == content(tmp_path / "whole")
