"""A Ray cluster of two nodes on this machine, in processes of its own; the second node declares a GPU.

`python -m tests.servers.ray_cluster` starts it, prints its address, and ends it when its stdin is closed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from retrievers.embedders.hashing import HashingEmbedder
from retrievers.types import Matrix

NOTES = "RLM_SEARCH_TEST_NOTES"
"""Names the folder that processes of the cluster note things in, and so tells them from others."""

EMBEDDER = "tests.servers.ray_cluster:NotingEmbedder"
_ROOT = Path(__file__).parents[2]


class NotingEmbedder(HashingEmbedder):
    """Takes its time, and notes each call: the process, and the GPUs that Ray has given it."""

    def embed_documents(self, texts: Sequence[str]) -> Matrix:
        import ray

        if ray.is_initialized() and os.environ.get(NOTES):
            note = f"{os.getpid()} {','.join(map(str, ray.get_gpu_ids()))}\n"
            with (Path(os.environ[NOTES]) / "embedded").open("a") as file:
                file.write(note)
            time.sleep(0.2)
        return super().embed_documents(texts)


@contextmanager
def two_nodes(notes: Path) -> Iterator[str]:
    """The address of a cluster that runs meanwhile."""
    log = notes / "cluster.log"
    with log.open("w") as stderr, _started(notes, stderr) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        try:
            assert address, log.read_text()
            yield address
        finally:
            process.stdin.close()
            process.wait(60)


def _started(notes: Path, stderr: IO[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", __name__],
        cwd=_ROOT,
        env={**os.environ, NOTES: str(notes), "PYTHONPATH": str(_ROOT), "RAY_USAGE_STATS_ENABLED": "0"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        start_new_session=True,
    )


def actors(notes: Path, stage: str) -> list[int]:
    """Processes of the cluster that are kept for a stage of the pipeline."""
    return [pid for pid, name in _processes(notes) if name.startswith(f"ray::MapWorker(MapBatches({stage})")]


def _processes(notes: Path) -> Iterator[tuple[int, str]]:
    mark = f"{NOTES}={notes}".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                yield int(folder.name), (folder / "cmdline").read_bytes().decode(errors="replace")
        except OSError:  # it has ended
            continue


def main() -> None:
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 2, "object_store_memory": 128 << 20, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=node)
    cluster.add_node(num_cpus=2, num_gpus=1, object_store_memory=128 << 20)
    print(cluster.address, flush=True)
    sys.stdin.read()
    cluster.shutdown()


if __name__ == "__main__":
    main()
