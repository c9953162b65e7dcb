"""What is put around a model: retrying, a cap on calls at once, a cache, a budget, a trace."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from rlm_search.budget import Budget
from rlm_search.errors import BudgetExceeded, ModelRejected, ModelUnavailable
from rlm_search.models.cached import CachedModel
from rlm_search.models.limited import LimitedModel, Quota
from rlm_search.models.metered import MeteredModel
from rlm_search.models.retrying import RetryingModel
from rlm_search.models.scripted import Reply, ScriptedModel
from rlm_search.models.tokens import estimate_tokens
from rlm_search.models.traced import TracedModel
from rlm_search.trace.events import AnyEvent, ModelCalled
from rlm_search.trace.trace import Trace
from rlm_search.types import CallOptions, Completion, Limits, Message, Model, Usage

ASKED = [Message("system", "Be brief."), Message("user", "What time is it?")]
BUSY = ModelUnavailable("busy")
AWAY = ModelUnavailable("nobody there", doubtful=True)


def say(model: Model, options: CallOptions | None = None) -> Completion:
    return model.complete(ASKED, options or CallOptions())


@dataclass
class Clock:
    """Time that passes only while somebody sleeps."""

    now: float = 0.0
    naps: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.now += seconds


def retrying(replies: Sequence[Reply], clock: Clock, *, seconds: float = 60.0, chance: float = 0.0) -> RetryingModel:
    return RetryingModel(ScriptedModel(replies), seconds, clock=clock, sleep=clock.sleep, chance=lambda: chance)


# --- retrying ---------------------------------------------------------------------------------------------------------


def test_a_busy_model_is_asked_again_after_waits_that_double() -> None:
    clock = Clock()

    assert say(retrying([BUSY, BUSY, BUSY, "done"], clock)).text == "done"
    assert clock.naps == [0.5, 1.0, 2.0]


def test_waits_are_shortened_by_chance_so_that_parallel_calls_part() -> None:
    clock = Clock()
    say(retrying([BUSY, "done"], clock, chance=1.0))

    assert clock.naps == [0.25]


def test_waits_do_not_grow_without_end() -> None:
    clock = Clock()
    say(retrying([BUSY] * 8 + ["done"], clock, seconds=1000))

    assert max(clock.naps) == 20.0


def test_the_wait_that_the_server_asks_for_is_kept() -> None:
    clock = Clock()
    say(retrying([ModelUnavailable("wait", retry_after_seconds=7.0), "done"], clock))

    assert clock.naps == [7.0]


def test_a_wait_that_would_end_too_late_is_not_begun() -> None:
    clock = Clock()

    with pytest.raises(ModelUnavailable, match="wait"):
        say(retrying([ModelUnavailable("wait", retry_after_seconds=61.0)], clock))
    assert clock.naps == []


def test_when_time_is_up_the_last_failure_is_told() -> None:
    clock = Clock()

    with pytest.raises(ModelUnavailable, match="busy"):
        say(retrying([BUSY] * 50, clock, seconds=10))
    assert clock.now <= 10


def test_the_deadline_of_the_run_ends_retrying() -> None:
    clock = Clock()

    with pytest.raises(ModelUnavailable):
        say(retrying([BUSY] * 50, clock), CallOptions(deadline=2.0))
    assert clock.now <= 2.0


def test_a_refusal_is_not_tried_again() -> None:
    clock = Clock()

    with pytest.raises(ModelRejected):
        say(retrying([ModelRejected("no"), "never"], clock))
    assert clock.naps == []


def test_an_address_that_never_answered_is_given_up_soon() -> None:
    clock = Clock()

    with pytest.raises(ModelUnavailable):
        say(retrying([AWAY] * 50, clock))
    assert clock.now <= 3.0


def test_a_model_that_answered_before_is_waited_for() -> None:
    clock = Clock()
    model = retrying(["hello", *[AWAY] * 6, "back"], clock)
    say(model)

    assert say(model).text == "back"
    assert clock.now > 3.0


# --- a cap on calls at once -------------------------------------------------------------------------------------------


def test_no_more_calls_than_allowed_are_under_way_at_once() -> None:
    lock, most, now = threading.Lock(), [0], [0]

    def reply(_: Sequence[Message]) -> str:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.01)
        with lock:
            now[0] -= 1
        return "x"

    model = LimitedModel(ScriptedModel(reply), Quota(concurrency=2))
    threads = [threading.Thread(target=say, args=(model,)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert most == [2]


def test_a_call_does_not_wait_for_a_place_beyond_the_deadline() -> None:
    inside, leave = threading.Event(), threading.Event()

    def reply(_: Sequence[Message]) -> str:
        inside.set()
        leave.wait(5)
        return "x"

    model = LimitedModel(ScriptedModel(reply), Quota(concurrency=1))
    other = threading.Thread(target=say, args=(model,))
    other.start()
    inside.wait(5)
    with pytest.raises(ModelUnavailable, match="no time was left"):
        say(model, CallOptions(deadline=time.monotonic() + 0.01))
    leave.set()
    other.join()


def test_a_call_that_fails_gives_its_place_back() -> None:
    model = LimitedModel(ScriptedModel([BUSY, "x"]), Quota(concurrency=1))
    with pytest.raises(ModelUnavailable):
        say(model)

    assert say(model).text == "x"


# --- quotas -----------------------------------------------------------------------------------------------------------


def test_requests_beyond_those_of_a_minute_wait_for_the_next() -> None:
    clock = Clock()
    quota = Quota(concurrency=8, requests_per_minute=2, clock=clock)
    for _ in range(2):
        call = quota.enter(1, None)
        assert call is not None
        quota.leave(call, 1)

    assert quota.enter(1, deadline=59.0) is None
    clock.now = 60.0
    assert quota.enter(1, deadline=60.5) is not None


def test_tokens_of_a_minute_are_counted_as_they_were_used() -> None:
    clock = Clock()
    quota = Quota(concurrency=8, tokens_per_minute=100, clock=clock)
    first = quota.enter(90, None)
    assert first is not None
    assert quota.enter(20, deadline=1.0) is None
    quota.leave(first, 30)
    clock.now = 10.0
    assert quota.enter(60, deadline=11.0) is not None
    assert quota.enter(20, deadline=12.0) is None
    clock.now = 60.0
    assert quota.enter(20, deadline=61.0) is not None


def test_a_call_larger_than_all_of_a_minute_goes_alone() -> None:
    clock = Clock()
    quota = Quota(tokens_per_minute=100, clock=clock)
    assert quota.enter(500, deadline=0.0) is not None
    assert quota.enter(1, deadline=1.0) is None
    clock.now = 60.0
    assert quota.enter(1, deadline=61.0) is not None


def test_a_place_goes_to_whoever_came_first() -> None:
    quota = Quota(concurrency=1)
    holder = quota.enter(1, None)
    assert holder is not None
    order: list[int] = []

    def wait(number: int) -> None:
        call = quota.enter(1, None)
        assert call is not None
        order.append(number)
        quota.leave(call, 1)

    threads = [threading.Thread(target=wait, args=(number,)) for number in range(5)]
    for number, thread in enumerate(threads):
        thread.start()
        while quota.waiting < number + 1:
            time.sleep(0.001)
    quota.leave(holder, 1)
    for thread in threads:
        thread.join(5)

    assert order == [0, 1, 2, 3, 4]


# --- the cache --------------------------------------------------------------------------------------------------------


def test_the_same_question_is_answered_from_the_folder_without_usage(tmp_path: Path) -> None:
    first = say(CachedModel(ScriptedModel(["noon"]), tmp_path))
    again = say(CachedModel(ScriptedModel([]), tmp_path))

    assert (again.text, again.model) == (first.text, first.model)
    assert again.usage == Usage()


def test_a_kept_answer_is_passed_on_like_a_new_one(tmp_path: Path) -> None:
    say(CachedModel(ScriptedModel(["noon"]), tmp_path))
    heard: list[str] = []
    say(CachedModel(ScriptedModel([]), tmp_path), CallOptions(on_text=heard.append))

    assert heard == ["noon"]


@pytest.mark.parametrize(
    ("changed", "messages"),
    [
        (CallOptions(temperature=1.0), ASKED),
        (CallOptions(max_tokens=5), ASKED),
        (CallOptions(stop=("x",)), ASKED),
        (CallOptions(), ASKED[1:]),
        (CallOptions(), [Message("user", "Be brief."), ASKED[1]]),
    ],
    ids=["temperature", "max_tokens", "stop", "system prompt", "role"],
)
def test_whatever_shapes_an_answer_makes_it_another_question(
    tmp_path: Path, changed: CallOptions, messages: list[Message]
) -> None:
    model = CachedModel(ScriptedModel(["first", "second"]), tmp_path)
    say(model)

    assert model.complete(messages, changed).text == "second"


def test_another_model_or_server_does_not_share_answers(tmp_path: Path) -> None:
    say(CachedModel(ScriptedModel(["first"], name="a"), tmp_path, server="here"))

    assert say(CachedModel(ScriptedModel(["other"], name="b"), tmp_path, server="here")).text == "other"
    assert say(CachedModel(ScriptedModel(["there"], name="a"), tmp_path, server="there")).text == "there"


def test_a_broken_file_counts_as_none(tmp_path: Path) -> None:
    say(CachedModel(ScriptedModel(["first"]), tmp_path))
    [file] = tmp_path.rglob("*.json")
    file.write_bytes(b'{"text": ')

    assert say(CachedModel(ScriptedModel(["second"]), tmp_path)).text == "second"


def test_a_folder_that_cannot_be_written_costs_only_the_cache(tmp_path: Path) -> None:
    occupied = tmp_path / "a file"
    occupied.write_text("x")

    assert say(CachedModel(ScriptedModel(["noon"]), occupied)).text == "noon"


def test_a_failed_or_empty_answer_is_not_kept(tmp_path: Path) -> None:
    model = CachedModel(ScriptedModel([BUSY, "", "noon"]), tmp_path)
    with pytest.raises(ModelUnavailable):
        say(model)

    assert [say(model).text, say(model).text] == ["", "noon"]


def test_a_folder_is_kept_within_its_size_and_what_was_used_longest_ago_goes(tmp_path: Path) -> None:
    model = CachedModel(ScriptedModel(lambda messages: messages[-1].content * 300), tmp_path, megabytes=0.02)

    def ask(word: str) -> Usage:
        return model.complete([Message("user", word)], CallOptions()).usage

    for number in range(10):
        ask(f"word {number:02}")
    for file, age in zip(
        sorted(tmp_path.glob("??/*.json"), key=lambda f: f.stat().st_mtime_ns), range(10), strict=False
    ):
        os.utime(file, (age, age))
    held = ask("word 09")
    for number in range(10, 16):
        ask(f"word {number:02}")

    assert sum(file.stat().st_size for file in tmp_path.rglob("*.json")) <= 20_000
    assert held == Usage()
    assert ask("word 09") == Usage()
    assert ask("word 03") != Usage()


def test_sampling_and_tools_are_part_of_what_is_asked(tmp_path: Path) -> None:
    def ask(sampling: str, options: CallOptions) -> Usage:
        return say(CachedModel(ScriptedModel(["noon"] * 9), tmp_path, sampling=sampling), options).usage

    assert ask("0.0", CallOptions()) != Usage()
    assert ask("0.0", CallOptions()) == Usage()
    assert ask("1.0", CallOptions()) != Usage()
    assert ask("0.0", CallOptions(may_run_code=True)) != Usage()


# --- the budget -------------------------------------------------------------------------------------------------------


def test_what_a_call_used_is_charged_to_its_tier() -> None:
    budget = Budget(Limits())
    said = say(MeteredModel(ScriptedModel(["noon"]), budget, "sub"))

    assert budget.usage()["sub"] == said.usage
    assert budget.usage()["root"] == Usage()


def test_a_call_that_does_not_fit_is_not_made() -> None:
    model = ScriptedModel(["noon"])

    with pytest.raises(BudgetExceeded):
        MeteredModel(model, Budget(Limits(root_tokens=50)), "root").complete(
            [Message("user", "x" * 400)], CallOptions()
        )
    assert model.asked == []


def test_an_answer_is_limited_to_what_is_left() -> None:
    model = ScriptedModel(["noon"])
    say(MeteredModel(model, Budget(Limits(root_tokens=100)), "root"))

    limit = model.asked[0].options.max_tokens
    assert limit is not None
    assert 0 < limit < 100


def test_a_failed_call_gives_back_what_was_reserved() -> None:
    budget = Budget(Limits(root_tokens=100))
    model = MeteredModel(ScriptedModel([BUSY, "noon"]), budget, "root")
    with pytest.raises(ModelUnavailable):
        say(model)

    assert say(model).text == "noon"


def test_a_call_that_the_end_of_the_run_cut_short_is_out_of_budget() -> None:
    clock = Clock()

    def reply(_: Sequence[Message]) -> Reply:
        clock.now = 61.0
        return ModelUnavailable("did not answer in time")

    with pytest.raises(BudgetExceeded) as caught:
        say(MeteredModel(ScriptedModel(reply), Budget(Limits(seconds=60), clock=clock), "root"))
    assert caught.value.kind == "time"


def test_a_call_ends_with_the_time_of_the_run() -> None:
    model = ScriptedModel(["a", "b", "c"])
    say(MeteredModel(model, Budget(Limits(seconds=50)), "root"))
    say(MeteredModel(model, Budget(Limits(seconds=50)), "root"), CallOptions(deadline=1.0))
    say(MeteredModel(model, Budget(Limits(seconds=None)), "root"))

    first, second, third = (asked.options.deadline for asked in model.asked)
    assert first is not None
    assert 40 < first - time.monotonic() <= 50
    assert (second, third) == (1.0, None)


# --- the trace --------------------------------------------------------------------------------------------------------


def called(trace: Trace) -> ModelCalled:
    [event] = trace.events
    assert isinstance(event, ModelCalled)
    return event


def test_a_call_is_an_event_with_prompt_text_and_usage() -> None:
    trace, clock = Trace(), iter([1.0, 3.5])
    say(TracedModel(ScriptedModel(["noon"]), trace, "root", clock=lambda: next(clock)))

    event = called(trace)
    assert (event.tier, event.model, event.text, event.seconds) == ("root", "scripted", "noon", 2.5)
    assert event.prompt == "What time is it?"
    assert event.output_tokens == 1
    assert not event.cached


def test_an_answer_from_the_cache_is_marked(tmp_path: Path) -> None:
    say(CachedModel(ScriptedModel(["noon"]), tmp_path))
    trace = Trace()
    say(TracedModel(CachedModel(ScriptedModel([]), tmp_path), trace, "sub"))

    assert called(trace).cached


def test_a_failed_call_is_an_event_too() -> None:
    trace = Trace()
    with pytest.raises(ModelUnavailable):
        say(TracedModel(ScriptedModel([BUSY]), trace, "root"))

    assert called(trace).error == "busy"


def test_of_a_long_prompt_an_event_keeps_the_end() -> None:
    trace: list[AnyEvent] = []
    model = TracedModel(ScriptedModel(["x"]), Trace(listeners=[trace.append]), "root")
    model.complete([Message("user", "a" * 10_000 + "the end")], CallOptions())

    [event] = trace
    assert isinstance(event, ModelCalled)
    assert event.prompt.endswith("the end")
    assert len(event.prompt) == 4_000


@pytest.mark.parametrize(("text", "tokens"), [("", 0), ("a", 1), ("twelve chars", 3), ("你好", 2), ("\ud800", 1)])
def test_tokens_are_reckoned_from_the_length(text: str, tokens: int) -> None:
    assert estimate_tokens(text) == tokens
