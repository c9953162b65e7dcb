"""Other ways to run: event by event, awaited, and many questions at once."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from retrievers.errors import RetrieverError
from rlm_search.cancelling import Cancellation
from rlm_search.errors import RlmError
from rlm_search.trace.events import AnyEvent
from rlm_search.trace.trace import Listener
from rlm_search.types import Answer

Start = Callable[[Listener, Cancellation], Answer]
"""Carries a run out, telling the listener of its events."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one question of many: an answer, or the error that ended its run."""

    question: str
    answer: Answer | None = None
    error: RlmError | RetrieverError | None = None


def stream(start: Start) -> Generator[AnyEvent, None, Answer]:
    """The events of a run as they happen; the value of the generator is the answer. Closing it ends the run."""
    events: queue.SimpleQueue[AnyEvent | None] = queue.SimpleQueue()
    cancellation = Cancellation()
    result: Future[Answer] = Future()

    def work() -> None:
        try:
            result.set_result(start(events.put, cancellation))
        except BaseException as error:  # noqa: BLE001 - raised again where the events are read
            result.set_exception(error)
        finally:
            events.put(None)

    thread = threading.Thread(target=work, name="rlm-run", daemon=True)
    thread.start()
    try:
        while (event := events.get()) is not None:
            yield event
    finally:
        cancellation.cancel()
        thread.join()
    return result.result()


async def awaited(start: Start) -> Answer:
    """The answer of a run on a thread of its own. A cancelled task has ended its run when it ends."""
    import asyncio  # whoever awaits has it loaded; to others it is 20 ms for nothing

    cancellation = Cancellation()
    threads = ThreadPoolExecutor(1, thread_name_prefix="rlm-run")
    future = threads.submit(start, _nobody, cancellation)
    threads.shutdown(wait=False)
    try:
        return await asyncio.shield(asyncio.wrap_future(future))
    except asyncio.CancelledError:
        cancellation.cancel()
        with contextlib.suppress(BaseException):  # the run ends as it ends; the task was cancelled
            await asyncio.wrap_future(future)
        raise


def many(
    questions: Iterable[str], start: Callable[[str, Cancellation], Answer], *, workers: int
) -> Generator[Outcome, None, None]:
    """The outcome of each question, in their order, `workers` of them under way at once.

    Closing the iterator ends the runs that are under way and begins no others.
    """
    cancellation = Cancellation()

    def one(question: str) -> Outcome:
        try:
            cancellation.check()
            return Outcome(question=question, answer=start(question, cancellation))
        except (RlmError, RetrieverError) as error:
            return Outcome(question=question, error=error)

    threads = ThreadPoolExecutor(max(1, workers), thread_name_prefix="rlm-run")
    try:
        yield from threads.map(one, questions)
    finally:
        cancellation.cancel()
        threads.shutdown(wait=True, cancel_futures=True)


def _nobody(_: AnyEvent) -> None:
    """Listens to nothing."""
