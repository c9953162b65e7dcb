"""Follow-up questions: what stays, and what is new."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from rlm_search import RLM, Answer, Gates, Limits, ScriptedModel
from rlm_search.testing import InProcessSandbox, MemoryRetriever
from rlm_search.trace.events import AnyEvent
from tests.unit.rlm_search.conftest import python

SEARCH = python(
    'hits = es_search("wind limit")\nmark = cite(hits[0], "No berthing is allowed above 32 knots of wind.")'
)


def asked(retriever: MemoryRetriever | None, *replies: str, **options: Any) -> tuple[RLM, ScriptedModel]:
    model = ScriptedModel(list(replies))
    return RLM(model=model, retriever=retriever, sandbox=InProcessSandbox, **options), model


def test_variables_and_citations_of_the_first_question_hold_in_the_second(retriever: MemoryRetriever) -> None:
    rlm, _ = asked(
        retriever,
        SEARCH,
        python('FINAL(f"32 knots {mark}")'),
        python('FINAL(f"Above {len(hits) and 32} knots none may berth {mark}")'),
    )

    with rlm.session() as session:
        first, second = session.run("What is the limit?"), session.run("So who may berth?")

    assert (first.text, second.text) == ("32 knots [1]", "Above 32 knots none may berth [1]")
    assert second.citations == first.citations


def test_the_model_is_told_what_was_asked_and_answered_before(retriever: MemoryRetriever) -> None:
    rlm, model = asked(retriever, SEARCH, "FINAL: 32 knots", SEARCH, "FINAL: nobody")

    with rlm.session() as session:
        session.run("What is the limit?")
        session.run("So who may berth?")

    assert "What is the limit?" not in model.asked[0].system
    assert "Question: What is the limit?\nAnswer: 32 knots" in model.asked[-1].system


def test_functions_belong_to_the_question_that_is_asked(retriever: MemoryRetriever) -> None:
    events: list[AnyEvent] = []
    rlm, _ = asked(retriever, SEARCH, "FINAL: a", SEARCH, "FINAL: b", listeners=[events.append])

    with rlm.session() as session:
        answers = [session.run("One?"), session.run("Two?")]

    assert [len(answer.searches) for answer in answers] == [1, 1]
    searched = [event.run_id for event in events if event.__class__.__name__ == "Searched"]
    assert searched == [answer.run_id for answer in answers]


def test_limits_hold_for_each_question_anew() -> None:
    rlm, _ = asked(None, *[python("x = 1"), "FINAL: done."] * 3, limits=Limits(steps=2))

    with rlm.session() as session:
        assert [session.run("?").status for _ in range(3)] == ["answered"] * 3


def test_an_answer_that_was_set_before_does_not_finish_the_next_question() -> None:
    rlm, model = asked(
        None,
        python('answer["content"] = "first"\nanswer["ready"] = True'),
        python('print(answer["ready"])'),
        "FINAL: second.",
    )

    with rlm.session() as session:
        assert [session.run("?").text for _ in range(2)] == ["first", "second."]
    assert "False" in model.asked[-1].prompt


@pytest.mark.parametrize("name", ["result", "answer"])
def test_a_variable_that_finished_one_question_does_not_finish_the_next(name: str) -> None:
    rlm, _ = asked(
        None, python(f"{name} = 'one'"), python("x = 1"), python(f"{name} = 'two'"), gates=Gates(auto_finalize_var=name)
    )

    with rlm.session() as session:
        assert [session.run("?").text for _ in range(2)] == ["one", "two"]


def test_a_context_is_there_for_all_questions() -> None:
    rlm, _ = asked(None, python("n = lenP()\nFINAL(n)"), python("FINAL(P[:n] + str(ctx.num_documents()))"))

    with rlm.session(context="text") as session:
        assert [session.run("?").text for _ in range(2)] == ["4", "text1"]


def test_a_question_that_failed_leaves_the_session() -> None:
    rlm, _ = asked(None, python("kept = 7"), python("pass"), python("FINAL(kept)"), limits=Limits(steps=2))

    with rlm.session() as session:
        statuses = [session.run("?").status, session.run("?").text]

    assert statuses == ["out_of_budget", "7"]


def test_a_question_can_be_awaited() -> None:
    rlm, _ = asked(None, python("x = 1"), "FINAL: one.")

    async def ask() -> Answer:
        with rlm.session() as session:
            return await session.arun("?")

    assert asyncio.run(ask()).text == "one."


def test_the_sandbox_lives_as_long_as_the_session() -> None:
    made: list[InProcessSandbox] = []

    def sandbox() -> InProcessSandbox:
        made.append(InProcessSandbox())
        return made[-1]

    rlm = RLM(model=ScriptedModel([python("FINAL(1)")] * 2), sandbox=sandbox)
    with rlm.session() as session:
        session.run("?")
        session.run("?")
        assert [s.closed for s in made] == [False]
    assert [s.closed for s in made] == [True]
