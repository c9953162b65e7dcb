"""Events are stamped, ordered and passed on."""

from __future__ import annotations

import threading

from rlm_search.trace.events import AnyEvent, CellStarted, LimitWarned, Searched
from rlm_search.trace.trace import Trace, new_run_id


def test_an_event_is_stamped_with_run_step_order_and_time() -> None:
    trace = Trace("run-1", clock=lambda: 99.0)
    trace.step = 3
    trace.emit(CellStarted(code="x"))
    event = trace.emit(CellStarted(code="y"))

    assert (event.run_id, event.parent, event.depth, event.step, event.seq, event.at) == ("run-1", "", 0, 3, 2, 99.0)


def test_an_event_that_names_its_step_keeps_it() -> None:
    trace = Trace()
    trace.step = 3

    assert trace.emit(CellStarted(code="x", step=2)).step == 2


def test_a_sub_run_writes_to_the_same_record_one_deeper() -> None:
    trace = Trace("parent")
    child = trace.child("child")
    trace.emit(CellStarted(code="x"))
    event = child.emit(CellStarted(code="y"))

    assert (event.run_id, event.parent, event.depth, event.seq) == ("child", "parent", 1, 2)
    assert trace.events == child.events
    assert child.child().depth == 2


def test_listeners_are_given_every_event_stamped_and_in_order() -> None:
    heard: list[AnyEvent] = []
    trace = Trace(listeners=[heard.append])
    trace.emit(CellStarted(code="x"))
    trace.child().emit(LimitWarned(kind="steps", used=9, limit=10))

    assert heard == list(trace.events)
    assert [event.seq for event in heard] == [1, 2]


def test_events_of_several_threads_are_counted_without_gaps() -> None:
    trace = Trace()

    def search() -> None:
        for _ in range(100):
            trace.emit(Searched(function="es_search"))

    threads = [threading.Thread(target=search) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [event.seq for event in trace.events] == list(range(1, 401))


def test_ids_of_runs_differ_and_sort_by_time() -> None:
    earlier, later = new_run_id(lambda: 1e9), new_run_id(lambda: 2e9)

    assert earlier.startswith("20010909-014640-")
    assert earlier < later
    assert new_run_id() != new_run_id()
