"""Worker parts run inside the test process: what they change in it is put back."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator

import pytest

from rlm_search.sandbox.cells import Cells, Clock, Output
from rlm_search.sandbox.guest import Failed
from rlm_search.sandbox.namespace import Namespace, facades


@pytest.fixture
def _as_worker(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process, as a worker finds itself, for one test."""
    handler = signal.getsignal(signal.SIGALRM)
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, getattr(sys, name))
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, handler)


@pytest.fixture
def output() -> Output:
    return Output(10_000)


@pytest.fixture
def clock(_as_worker: None) -> Clock:
    clock = Clock()
    clock.install()
    return clock


@pytest.fixture
def names(_as_worker: None) -> Namespace:
    return Namespace(facades(), {"Failed": Failed})


@pytest.fixture
def cells(names: Namespace, output: Output, clock: Clock) -> Cells:
    return Cells(names.names, output, clock, names.rebind)
