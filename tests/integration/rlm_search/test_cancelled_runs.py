"""A run that is ended from outside leaves no process behind, whatever it was doing."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from rlm_search import RLM, Limits, ScriptedModel
from rlm_search.cancelling import Cancellation
from rlm_search.errors import RunCancelled
from rlm_search.testing import MemoryRetriever
from rlm_search.trace.events import AnyEvent, CellStarted, Searched
from rlm_search.types import Message

pytestmark = pytest.mark.integration
ENDLESS = Limits(steps=None, searches=None, root_tokens=None, subcalls=None, sub_tokens=None)


def children() -> set[str]:
    """The processes that this one has started and that still run."""
    return {pid for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()}


def cell(messages: Sequence[Message]) -> str:
    return f"```python\nes_search('wind {len(messages)}')\nimport time\ntime.sleep(0.3)\nllm_batch(['a', 'b'])\n```"


@pytest.mark.parametrize("moment", [0.0, 0.05, 0.2, 0.5, 0.9, 1.4])
def test_no_process_is_left_whenever_a_run_is_cancelled(moment: float) -> None:
    before = children()
    cancellation = Cancellation()
    rlm = RLM(
        model=ScriptedModel(cell), sub_model=ScriptedModel(lambda _: "yes"), limits=ENDLESS,
        retriever=MemoryRetriever({"a": "The wind."}),
    )  # fmt: skip
    threading.Timer(moment, cancellation.cancel).start()
    started = time.monotonic()
    with pytest.raises(RunCancelled):
        rlm.run("Is there wind?", cancellation=cancellation)

    assert time.monotonic() - started < moment + 20
    assert len(children() - before) <= 1  # the one that new sessions are forked from, kept for the next run


@pytest.mark.parametrize("kind", [CellStarted, Searched])
def test_no_process_is_left_when_a_stream_is_closed(kind: type[AnyEvent]) -> None:
    before = children()
    rlm = RLM(model=ScriptedModel(cell), limits=ENDLESS, retriever=MemoryRetriever({"a": "The wind."}))
    stream = rlm.stream("Is there wind?")
    next(event for event in stream if isinstance(event, kind))
    stream.close()

    assert len(children() - before) <= 1
