"""A cluster of one's own on this machine, whose nodes tests may kill and start again.

`OPENSEARCH_CLUSTER_URL` and `ELASTICSEARCH_CLUSTER_URL` name its nodes, separated by commas. How a node was started is
read from the process that runs it, so that nothing has to be known of who started it.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest


@dataclass(frozen=True)
class Started:
    """How a process was started."""

    command: list[str]
    environment: dict[str, str]
    folder: str
    user: int
    group: int

    @classmethod
    def of(cls, pid: int) -> Started:
        """Of a process, or of the launcher that started it."""
        parent = _status(pid, "PPid")
        if parent > 1 and "java" in Path(f"/proc/{parent}/comm").read_text():
            return cls.of(parent)
        environment = [line.partition("=") for line in _strings(pid, "environ")]
        return cls(
            command=_strings(pid, "cmdline"),
            environment={name: value for name, _, value in environment},
            folder=str(Path(f"/proc/{pid}/cwd").readlink()),
            user=_status(pid, "Uid"),
            group=_status(pid, "Gid"),
        )

    def again(self) -> None:
        """Start it as it was started before."""
        for flag, value in zip(self.command, self.command[1:], strict=False):
            if flag == "-p":
                Path(value).unlink(missing_ok=True)  # of the process that was killed
        as_somebody: dict[str, Any] = {"user": self.user, "group": self.group, "extra_groups": []}
        process = subprocess.Popen(
            self.command,
            env=self.environment,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            **(as_somebody if os.geteuid() == 0 else {}),
        )
        process.returncode = 0  # it outlives the tests, and nobody waits for it


class Node:
    """One node of a cluster."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._started: Started | None = None

    @property
    def host(self) -> str:
        """Host and port."""
        return self.url.partition("://")[2].rstrip("/")

    def kill(self) -> None:
        """As a power cut does."""
        (told,) = self._ask("/_nodes/_local/process")["nodes"].values()
        pid = told["process"]["id"]
        self._started = Started.of(pid)
        os.kill(pid, signal.SIGKILL)

    def start(self, *, seconds: float = 180) -> None:
        """Start it again where it was killed, and wait until it answers."""
        if self._started is not None:
            self._started.again()
            self._started = None
        self.wait_for("yellow", seconds=seconds)

    def wait_for(self, status: str, *, seconds: float = 180) -> None:
        """Until the cluster is as well as that."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, urllib.error.HTTPError):
                health = self._ask(f"/_cluster/health?wait_for_status={status}&timeout=5s")
                if not health["timed_out"]:
                    return
            time.sleep(0.5)
        pytest.fail(f"{self.url} is not {status} after {seconds} seconds")

    def _ask(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self.url}{path}", timeout=20) as answer:
            return json.load(answer)


@contextlib.contextmanager
def cluster(engine: str) -> Iterator[list[Node]]:
    """Its nodes, all of them up before and after; the test is skipped where there is none."""
    variable = f"{engine.upper()}_CLUSTER_URL"
    urls = [url.rstrip("/") for url in os.environ.get(variable, "").split(",") if url]
    if not urls:
        pytest.skip(f"{variable} names no cluster whose nodes may be killed")
    nodes = [Node(url) for url in urls]
    nodes[0].wait_for("green")
    try:
        yield nodes
    finally:
        for node in nodes:
            node.start()
        nodes[0].wait_for("green")


def _strings(pid: int, name: str) -> list[str]:
    return [part.decode() for part in Path(f"/proc/{pid}/{name}").read_bytes().split(b"\0")[:-1]]


def _status(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise LookupError(name)
