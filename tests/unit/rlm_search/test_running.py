"""Other ways to run: event by event, awaited, many at once, and ended from outside."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from rlm_search import RLM, Limits, ScriptedModel
from rlm_search.cancelling import Cancellation
from rlm_search.errors import ModelRejected, RunCancelled
from rlm_search.gates import Gates
from rlm_search.testing import InProcessSandbox, MemoryRetriever
from rlm_search.trace.events import AnyEvent, RunFinished, RunStarted, Searched
from rlm_search.types import CallOptions, Completion, Message
from tests.servers.openai_server import OpenAIServer, Say
from tests.unit.rlm_search.conftest import ARCHIVE, python
from tests.unit.rlm_search.models.test_chat import model_of


@pytest.fixture
def sandboxes() -> Iterator[list[InProcessSandbox]]:
    """Those of the test, all of which have to be closed at its end."""
    made: list[InProcessSandbox] = []
    yield made
    assert all(sandbox.closed for sandbox in made)


def rlm(model: Any, sandboxes: list[InProcessSandbox], **options: Any) -> RLM:
    def sandbox() -> InProcessSandbox:
        sandboxes.append(InProcessSandbox())
        return sandboxes[-1]

    return RLM(model=model, sandbox=sandbox, **options)


def echo(messages: Sequence[Message]) -> str:
    """Two steps: look for the question's own word, then answer with what the session holds of it."""
    question = messages[1].content
    if len(messages) == 2:
        return python(f"word = {question!r}\nhits = es_search(word)")
    return python("FINAL(word)")


def searching(messages: Sequence[Message]) -> str:
    """A step that is never the same as the one before."""
    return python(f"es_search('wind {len(messages)}')")


def collected(stream: Any, events: list[AnyEvent]) -> Any:
    """Put the events into a list; the value is the answer."""
    try:
        while True:
            events.append(next(stream))
    except StopIteration as ended:
        return ended.value


class Endless:
    """A model that never finishes."""

    name = "endless"

    def __init__(self) -> None:
        self.asked = threading.Event()

    def complete(self, messages: Sequence[Message], options: CallOptions) -> Completion:
        self.asked.set()
        return Completion(text=searching(messages))


UNSEARCHED = Gates(require_search_before_final=False)
ENDLESS = Limits(steps=None, searches=None, root_tokens=None)


def test_a_stream_gives_each_event_as_it_happens_and_the_answer_at_its_end(sandboxes: list[InProcessSandbox]) -> None:
    stream = rlm(ScriptedModel(echo), sandboxes, retriever=MemoryRetriever(ARCHIVE)).stream("wind")
    events: list[AnyEvent] = []
    answer = collected(stream, events)

    assert isinstance(events[0], RunStarted)
    assert isinstance(events[-1], RunFinished)
    assert any(isinstance(event, Searched) for event in events)
    assert answer.text == "wind"


def test_closing_a_stream_ends_its_run(sandboxes: list[InProcessSandbox]) -> None:
    stream = rlm(Endless(), sandboxes, retriever=MemoryRetriever(ARCHIVE), limits=ENDLESS).stream("wind")
    for event in stream:
        if isinstance(event, Searched):
            break
    stream.close()

    assert not [thread for thread in threading.enumerate() if thread.name == "rlm-run"]


def test_what_ends_a_streamed_run_is_raised_where_it_is_read(sandboxes: list[InProcessSandbox]) -> None:
    stream = rlm(ScriptedModel([ModelRejected("no")]), sandboxes).stream("?")

    with pytest.raises(ModelRejected):
        list(stream)


def test_runs_are_awaited_side_by_side(sandboxes: list[InProcessSandbox]) -> None:
    together = threading.Barrier(5, timeout=10)

    def reply(messages: Sequence[Message]) -> str:
        together.wait()
        return python(f"FINAL({messages[1].content!r})")

    asker = rlm(ScriptedModel(reply), sandboxes)

    async def ask() -> list[str]:
        found = await asyncio.gather(*(asker.arun(f"question {n}") for n in range(5)))
        return [answer.text for answer in found]

    assert asyncio.run(ask()) == [f"question {n}" for n in range(5)]


def test_a_cancelled_task_has_ended_its_run_when_it_ends(sandboxes: list[InProcessSandbox]) -> None:
    model = Endless()
    events: list[AnyEvent] = []
    asker = rlm(model, sandboxes, retriever=MemoryRetriever(ARCHIVE), limits=ENDLESS, listeners=[events.append])

    async def cancel() -> None:
        task = asyncio.create_task(asker.arun("wind"))
        await asyncio.to_thread(model.asked.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    assert isinstance(events[-1], RunFinished)
    assert events[-1].answer["reason"] == "the run was cancelled"


def test_a_reply_that_streams_in_ends_with_its_run(sandboxes: list[InProcessSandbox]) -> None:
    cancellation = Cancellation()
    with OpenAIServer([Say(pieces=["thinking "] * 200, pause=0.05)]) as server:
        asker = rlm(model_of(server), sandboxes)
        threading.Timer(0.3, cancellation.cancel).start()
        started = time.monotonic()
        with pytest.raises(RunCancelled):
            asker.run("?", cancellation=cancellation)

    assert time.monotonic() - started < 5


def test_many_questions_come_back_in_order_and_one_that_fails_costs_itself(sandboxes: list[InProcessSandbox]) -> None:
    def reply(messages: Sequence[Message]) -> str | Exception:
        question = messages[1].content
        time.sleep(0.02 if question == "0" else 0)
        return ModelRejected("not this one") if question == "3" else python(f"FINAL({question!r})")

    outcomes = list(rlm(ScriptedModel(reply), sandboxes).run_many([str(n) for n in range(6)], workers=3))

    assert [outcome.question for outcome in outcomes] == [str(n) for n in range(6)]
    assert [outcome.answer.text if outcome.answer else str(outcome.error) for outcome in outcomes] == [
        "0", "1", "2", "not this one", "4", "5",
    ]  # fmt: skip


def test_leaving_many_questions_ends_those_under_way(sandboxes: list[InProcessSandbox]) -> None:
    def reply(messages: Sequence[Message]) -> str:
        return python("FINAL('done')") if messages[1].content == "first" else searching(messages)

    asker = rlm(ScriptedModel(reply), sandboxes, retriever=MemoryRetriever(ARCHIVE), limits=ENDLESS, gates=UNSEARCHED)
    outcomes = asker.run_many(["first", "endless", "endless", "endless"], workers=2)
    first = next(outcomes)
    outcomes.close()

    assert first.answer is not None
    assert first.answer.text == "done"
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("rlm-run")]


def test_fifty_runs_at_once_do_not_mix(sandboxes: list[InProcessSandbox]) -> None:
    events: list[AnyEvent] = []
    archive = {f"doc{n}": f"The word is marker{n}." for n in range(50)}
    asker = rlm(
        ScriptedModel(echo), sandboxes, retriever=MemoryRetriever(archive), listeners=[events.append],
    )  # fmt: skip
    outcomes = list(asker.run_many([f"marker{n}" for n in range(50)], workers=50))

    assert [outcome.answer.text if outcome.answer else outcome.error for outcome in outcomes] == [
        f"marker{n}" for n in range(50)
    ]
    by_run: dict[str, list[AnyEvent]] = {}
    for event in events:
        by_run.setdefault(event.run_id, []).append(event)
    assert len(by_run) == 50
    for of_run in by_run.values():
        assert [event.seq for event in of_run] == list(range(1, len(of_run) + 1))
        started = of_run[0]
        assert isinstance(started, RunStarted)
        assert {event.query for event in of_run if isinstance(event, Searched)} == {started.question}
