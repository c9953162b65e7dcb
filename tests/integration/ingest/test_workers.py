"""A file can do anything to its worker, and costs nothing but itself; no worker outlives its pool."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from ingest.errors import IngestError
from ingest.nursery import Plan, send_plan
from ingest.sources import find
from ingest.types import Confinement, Failure, Limits, ParsedFile, SourceFile
from ingest.workers import Outcome, WorkerPool

pytestmark = pytest.mark.integration

TASK = "tests.integration.ingest.hostile:task"
SLOW_TASK = "tests.integration.ingest.hostile:slow_task"
LIMITS = Limits(cpu_seconds=1.0, wall_factor=2.0, memory_bytes=256 << 20)


def a_file(name: str, size: int = 0) -> SourceFile:
    return SourceFile(path=Path("/") / name, source=name, size=size, mtime_ns=0, fingerprint="")


def outcomes(names: Iterable[str], *, workers: int = 2, limits: Limits = LIMITS) -> list[Outcome]:
    with WorkerPool(workers, task=TASK, limits=limits) as pool:
        return list(pool.run(a_file(name) for name in names))


def source_of(outcome: Outcome) -> str:
    return outcome.source if isinstance(outcome, Failure) else outcome.file.source


@pytest.mark.parametrize(
    ("deed", "kind"),
    [
        ("spin", "timeout"),
        ("native", "timeout"),
        ("sleep", "timeout"),
        ("eat", "memory"),
        ("hide", "memory"),
        ("jump", "crashed"),
        ("abort", "crashed"),
        ("leave", "crashed"),
        ("exit", "crashed"),
        ("nonsense", "crashed"),
        ("recurse", "broken"),
        ("complain", "broken"),
        ("refuse", "encrypted"),
        ("gone", "vanished"),
    ],
)
def test_a_bad_file_fails_with_its_kind_and_the_good_ones_are_read(deed: str, kind: str) -> None:
    found = outcomes(["good 1", "good 2", deed, "good 3", "good 4", "good 5"])
    failures = [outcome for outcome in found if isinstance(outcome, Failure)]
    assert [(failure.source, failure.kind, failure.stage) for failure in failures] == [(deed, kind, "parse")]
    assert failures[0].message
    assert failures[0].file is not None
    assert sorted(map(source_of, found)) == sorted(["good 1", "good 2", deed, "good 3", "good 4", "good 5"])


def test_many_bad_files_in_a_row_cost_only_themselves() -> None:
    names = [f"{deed} {number}" for number in range(12) for deed in ("jump", "leave", "good", "complain")]
    found = outcomes(names)
    assert sorted(map(source_of, found)) == sorted(names)
    assert {source_of(outcome).split()[0] for outcome in found if isinstance(outcome, ParsedFile)} == {"good"}


def test_what_a_parser_prints_disturbs_nobody(capfd: pytest.CaptureFixture[str]) -> None:
    assert all(isinstance(outcome, ParsedFile) for outcome in outcomes(["chatter 1", "good", "chatter 2"]))
    assert capfd.readouterr() == ("", "")


def test_a_reason_and_its_hint_come_through() -> None:
    (failure,) = outcomes(["refuse"])
    assert isinstance(failure, Failure)
    assert (failure.message, failure.hint) == ("a password is needed", "remove it")


def test_a_worker_is_replaced_after_its_share_of_files() -> None:
    found = outcomes([f"good {number}" for number in range(12)], workers=1, limits=Limits(files_per_worker=5))
    readers = {item.document.text for outcome in found if isinstance(outcome, ParsedFile) for item in outcome.documents}
    assert len(readers) == 3


def test_a_file_that_is_too_large_is_not_opened() -> None:
    with WorkerPool(1, task=TASK, limits=Limits(file_bytes=10)) as pool:
        (failure,) = pool.run([a_file("leave", size=11)])
    assert isinstance(failure, Failure)
    assert failure.kind == "too-large"


def test_a_large_document_comes_whole() -> None:
    large, end = outcomes(["large"])
    assert isinstance(large, ParsedFile)
    assert isinstance(end, ParsedFile)
    assert large.documents[0].document.text == "x" * 5_000_000
    assert (large.last, end.last, len(end.documents)) == (False, True, 0)
    assert [warned.kind for warned in large.warnings] == ["read"]


def test_a_file_of_many_records_comes_in_pieces() -> None:
    pieces = [outcome for outcome in outcomes(["records"]) if isinstance(outcome, ParsedFile)]
    assert [piece.last for piece in pieces] == [False] * (len(pieces) - 1) + [True]
    assert max(len(piece.documents) for piece in pieces) <= 256
    assert sum(len(piece.documents) for piece in pieces) == 5_001


def test_records_that_keep_coming_may_take_longer_than_a_file() -> None:
    found = outcomes(["steady"], limits=Limits(cpu_seconds=1.0, wall_factor=30.0))
    assert not [outcome for outcome in found if isinstance(outcome, Failure)]


def test_what_was_read_before_a_crash_is_kept() -> None:
    *pieces, failure = outcomes(["halfway"])
    assert sum(len(piece.documents) for piece in pieces if isinstance(piece, ParsedFile)) == 256
    assert isinstance(failure, Failure)
    assert failure.kind == "crashed"


def test_files_are_taken_only_as_workers_become_free() -> None:
    taken: list[str] = []

    def files() -> Iterator[SourceFile]:
        for number in range(1_000):
            taken.append(f"records {number}")
            yield a_file(taken[-1])

    with WorkerPool(2, task=TASK, limits=LIMITS) as pool:
        run = pool.run(files())
        next(run)
        time.sleep(0.5)
        assert len(taken) <= 6


def test_a_slow_caller_runs_nobody_out_of_time() -> None:
    limits = Limits(cpu_seconds=0.5, wall_factor=1.0)
    with WorkerPool(1, task=TASK, limits=limits) as pool:
        run = pool.run([a_file("records"), a_file("good")])
        next(run)
        time.sleep(1.0)  # the worker waits for its pieces to be taken, which is not its fault
        assert not [outcome for outcome in run if isinstance(outcome, Failure)]


def test_a_pool_runs_more_than_once_and_after_a_run_that_was_stopped() -> None:
    with WorkerPool(2, task=TASK, limits=LIMITS) as pool:
        first = pool.run(a_file(f"slow {number}") for number in range(10))
        next(first)
        first.close()  # type: ignore[attr-defined]  # it is a generator
        assert sorted(map(source_of, pool.run([a_file("good 1"), a_file("good 2")]))) == ["good 1", "good 2"]


def test_no_process_is_started_for_no_files() -> None:
    before = children_of(os.getpid())
    with WorkerPool(2, task=TASK) as pool:
        assert not list(pool.run([]))
        assert children_of(os.getpid()) == before


def test_a_task_that_cannot_be_loaded_is_an_error_with_its_cause() -> None:
    with (
        WorkerPool(1, task="nowhere.to:be_found") as pool,
        pytest.raises(IngestError, match="No module named 'nowhere'"),
    ):
        list(pool.run([a_file("good")]))


def test_a_nursery_that_is_killed_costs_the_files_in_hand() -> None:
    with WorkerPool(1, task=TASK, limits=LIMITS) as pool:
        run = pool.run(a_file(name) for name in ["good 1", "slow", "good 2", "good 3"])
        found = [next(run)]
        (nursery,) = children_of(os.getpid())
        os.kill(nursery, signal.SIGKILL)
        found += run
    assert sorted(map(source_of, found)) == ["good 1", "good 2", "good 3", "slow"]
    assert [source_of(outcome) for outcome in found if isinstance(outcome, Failure)] in (["slow"], [])


def test_a_worker_that_is_killed_by_others_costs_nothing() -> None:
    with WorkerPool(1, task=TASK, limits=LIMITS) as pool:
        run = pool.run(a_file(name) for name in ["good 1", "slow", "good 2"])
        found = [next(run)]
        (nursery,) = children_of(os.getpid())
        (worker,) = children_of(nursery)
        os.kill(worker, signal.SIGKILL)
        found += run
    assert sorted(map(source_of, found)) == ["good 1", "good 2", "slow"]
    assert not [outcome for outcome in found if isinstance(outcome, Failure)]


def test_a_file_whose_every_reader_is_killed_fails_and_is_tried_again_by_the_next_run() -> None:
    found = outcomes(["good 1", "killed", "good 2"])
    (failure,) = [outcome for outcome in found if isinstance(outcome, Failure)]
    assert (failure.source, failure.kind, failure.transient) == ("killed", "memory", True)


def test_the_process_that_forks_has_one_thread(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("The ferry left the harbour at seven in the morning.")
    (file,) = find([tmp_path])
    assert isinstance(file, SourceFile)
    with WorkerPool(1) as pool:
        run = pool.run([file, file, file])
        next(run)
        (nursery,) = children_of(os.getpid())
        assert len(list(Path(f"/proc/{nursery}/task").iterdir())) == 1
        assert all(isinstance(outcome, ParsedFile) for outcome in run)


def test_limits_that_are_lower_already_stay() -> None:
    script = (
        "import resource\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))\n"
        "from tests.integration.ingest.test_workers import *\n"
        "print(*map(source_of, outcomes(['good 1', 'good 2'])))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert sorted(done.stdout.split()) == ["1", "2", "good", "good"]


# Nobody is left behind


def children_of(pid: int) -> list[int]:
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [child for child in map(int, listed.stdout.split()) if is_alive(child) and "ps" not in command_of(child)]


def command_of(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/comm").read_text().split()
    except OSError:
        return ["ps"]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def family_of(pid: int) -> list[int]:
    return [member for child in children_of(pid) for member in (child, *family_of(child))]


def wait_until_gone(pids: list[int]) -> bool:
    give_up = time.monotonic() + 5
    while any(map(is_alive, pids)) and time.monotonic() < give_up:
        time.sleep(0.02)
    return not any(map(is_alive, pids))


def test_closing_leaves_no_worker_even_where_they_hang() -> None:
    with WorkerPool(2, task=TASK) as pool:
        run = pool.run(a_file(name) for name in ["good", "sleep 1", "sleep 2", "sleep 3"])
        next(run)
        family = family_of(os.getpid())
        assert len(family) == 3
    assert not [member for member in family if is_alive(member)]


@pytest.mark.parametrize("deed", ["sleep", "spin", "hide"])
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_workers_die_with_the_process_that_started_them(deed: str, how: signal.Signals) -> None:
    script = (
        "from tests.integration.ingest.test_workers import *\n"
        f"with WorkerPool(2, task=TASK) as pool:\n"
        f"    for outcome in pool.run(a_file(name) for name in ['good', '{deed} 1', '{deed} 2']):\n"
        "        print(family_of(os.getpid()), flush=True)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as parent:
        assert parent.stdout is not None
        family = [int(pid) for pid in parent.stdout.readline().strip("[]\n").split(",")]
        assert len(family) == 3
        parent.send_signal(how)
        parent.wait(timeout=10)
    assert wait_until_gone(family)


def test_what_still_loads_dies_with_the_process_that_started_it(tmp_path: Path) -> None:
    marker = tmp_path / "loading"
    script = (
        "from tests.integration.ingest.test_workers import *\n"
        f"with WorkerPool(1, task=SLOW_TASK, options={{'marker': {str(marker)!r}}}) as pool:\n"
        "    list(pool.run([a_file('good')]))\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL) as parent:
        give_up = time.monotonic() + 30
        while not (marker.exists() and marker.read_text()):
            assert time.monotonic() < give_up, "it does not load"
            time.sleep(0.02)
        nursery = int(marker.read_text())
        assert is_alive(nursery)
        parent.kill()
        parent.wait(timeout=10)
    assert wait_until_gone([nursery])


def test_what_is_started_for_a_parent_that_is_gone_loads_nothing(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        confinement, options = Confinement(), {"marker": str(tmp_path / "loading")}
        send_plan(ours, Plan(task=SLOW_TASK, options=options, limits=LIMITS, confinement=confinement))
        ours.close()
        script = f"from ingest.nursery import main; main({theirs.fileno()})"
        subprocess.run([sys.executable, "-c", script], pass_fds=[theirs.fileno()], timeout=30, check=True)
    assert not (tmp_path / "loading").exists()


def test_workers_outlive_the_thread_that_started_them() -> None:
    with WorkerPool(1, task=TASK) as pool:
        started = threading.Thread(target=lambda: list(pool.run([a_file("good 1")])))
        started.start()
        started.join()
        (nursery,) = children_of(os.getpid())
        assert [source_of(outcome) for outcome in pool.run([a_file("good 2")])] == ["good 2"]
        assert children_of(os.getpid()) == [nursery]
