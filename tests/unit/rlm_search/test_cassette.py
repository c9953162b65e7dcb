"""A recorded run plays the part of its models: `cassette.jsonl` beside this file, and runs recorded here.

`python -m tests.unit.rlm_search.test_cassette` records the file again, where what models are shown has changed.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rlm_search import RLM, Answer, ConfigError, ContextTooLong, Limits, Model, ScriptedModel
from rlm_search.testing import Cassette, Departure, InProcessSandbox, MemoryRetriever
from rlm_search.trace.events import ModelCalled, RunStarted
from rlm_search.trace.jsonl import JsonlWriter
from tests.unit.rlm_search.conftest import ARCHIVE, METADATA, python

FILE = Path(__file__).with_name("cassette.jsonl")
QUESTION = "What is the wind limit, and who pays for delays?"
REPLIES = [
    python("hits = es_search('wind limit berthing')\nprint(hits)"),
    python("who = rlm_query('Who paid for the delay of Kittiwake?')\nsays = llm_batch(['knots?', 'days?', 'knots?'])"),
    python("hit = es_search('yard paid')[0]\nFINAL(f\"The yard {cite(hit, 'The yard paid 378,000')}\")"),
    python("m = cite(hits[0], 'above 32 knots of wind')\nFINAL(f'{says[0]} knots {m}; {who}; {says[1]} days late')"),
]


def asked(model: Model, sub_model: Model, *listeners: Any, **options: Any) -> Answer:
    archive = MemoryRetriever(ARCHIVE, METADATA)
    rlm = RLM(model=model, sub_model=sub_model, retriever=archive, sandbox=InProcessSandbox, **options)
    return rlm.run(QUESTION, listeners=listeners)


def recorded(path: Path, replies: list[Any] = REPLIES, sub: Callable[..., Any] | None = None) -> Answer:
    writer = JsonlWriter(path)
    sub_model = ScriptedModel(sub or (lambda messages: "32" if "knots" in messages[-1].content else "77"), name="sub")
    try:
        return asked(ScriptedModel(replies, name="root"), sub_model, writer)
    finally:
        writer.close()


def played(cassette: Cassette, **options: Any) -> Answer:
    return asked(cassette.model, cassette.sub_model, **options)


def test_the_recorded_run_comes_to_the_same_answer_without_its_models() -> None:
    cassette = Cassette(FILE)
    answer = played(cassette)

    assert cassette.question == QUESTION
    assert answer.text == cassette.answer["text"] == "32 knots [2]; The yard [1]; 77 days late"
    assert {citation.doc_id for citation in answer.citations} == {"rules", "log"}
    assert cassette.unplayed == []


def test_usage_is_that_of_the_recorded_run(tmp_path: Path) -> None:
    before = recorded(tmp_path / "run.jsonl")
    after = played(Cassette(tmp_path / "run.jsonl"))

    assert {tier: usage.total_tokens for tier, usage in after.usage.items()} == {
        tier: usage.total_tokens for tier, usage in before.usage.items()
    }


def test_what_the_recorded_run_did_not_ask_is_told_with_the_place_where_it_differs(tmp_path: Path) -> None:
    cassette = Cassette(FILE)
    archive = MemoryRetriever({**ARCHIVE, "rules": ARCHIVE["rules"].replace("32 knots", "35 knots")}, METADATA)
    rlm = RLM(model=cassette.model, sub_model=cassette.sub_model, retriever=archive, sandbox=InProcessSandbox)

    with pytest.raises(Departure) as raised:
        rlm.run(QUESTION)
    assert "a root call departs from the recorded run (step 2)" in raised.value.message
    assert "32 knots" in raised.value.message
    assert "35 knots" in raised.value.message


def test_another_question_departs_at_once() -> None:
    cassette = Cassette(FILE)
    rlm = RLM(model=cassette.model, sub_model=cassette.sub_model, sandbox=InProcessSandbox)

    with pytest.raises(Departure, match="step 1"):
        rlm.run("Another question?")
    assert len(cassette.unplayed) > 3


def test_a_call_is_not_played_twice(tmp_path: Path) -> None:
    cassette = Cassette(FILE)
    played(cassette)

    with pytest.raises(Departure, match="no more root call"):
        played(cassette)


def test_a_departure_within_a_batch_ends_the_run(tmp_path: Path) -> None:
    recorded(tmp_path / "run.jsonl")
    lines = [
        line
        for line in (tmp_path / "run.jsonl").read_bytes().splitlines(keepends=True)
        if b'"prompt":"days?"' not in line
    ]
    (tmp_path / "run.jsonl").write_bytes(b"".join(lines))

    with pytest.raises(Departure, match="days"):
        played(Cassette(tmp_path / "run.jsonl"))


def test_errors_are_raised_again_as_what_they_were(tmp_path: Path) -> None:
    def sub(messages: Any) -> Any:
        return ContextTooLong("too much for it") if "knots" in messages[-1].content else "77"

    code = python("says = llm_batch(['knots?', 'days?'])\nes_search('x')\nFINAL(f'{says[0].reason}; {says[1]}')")
    before = recorded(tmp_path / "run.jsonl", [code], sub)

    assert (
        played(Cassette(tmp_path / "run.jsonl")).text
        == before.text
        == "the prompt is longer than the model reads; split it; 77"
    )


def test_what_changes_from_run_to_run_can_be_taken_out(tmp_path: Path) -> None:
    numbers = itertools.count(1000)

    def stamp() -> str:
        """A number that is never the same."""
        return f"at {next(numbers)}"

    replies = [python("print(stamp())"), python("es_search('x')\nFINAL('done')")]
    writer = JsonlWriter(tmp_path / "run.jsonl")
    asked(ScriptedModel(replies), ScriptedModel([]), writer, tools=[stamp])
    writer.close()

    with pytest.raises(Departure):
        played(Cassette(tmp_path / "run.jsonl"), tools=[stamp])
    cassette = Cassette(tmp_path / "run.jsonl", normalised=lambda prompt: re.sub(r"at \d+", "at N", prompt))
    assert played(cassette, tools=[stamp]).text == "done"


def test_what_changes_may_lie_where_a_long_prompt_was_cut(tmp_path: Path) -> None:
    prompt = f"at 1234 {'x' * 3996}"
    writer = JsonlWriter(tmp_path / "run.jsonl")
    writer(RunStarted(question="?", model="m"))
    writer(ModelCalled(tier="root", model="m", prompt=prompt[-4000:], text="yes", prompt_characters=len(prompt)))
    writer.close()
    cassette = Cassette(tmp_path / "run.jsonl", normalised=lambda text: re.sub(r"at \d+", "at N", text))

    assert cassette.take(prompt.replace("1234", "5678"), "root").text == "yes"


def test_a_run_within_other_limits_plays_as_far_as_it_goes() -> None:
    assert played(Cassette(FILE), limits=Limits(steps=1)).status == "out_of_budget"


def test_a_file_without_calls_is_told(tmp_path: Path) -> None:
    (tmp_path / "run.jsonl").write_text('{"type":"run_started","question":"?","model":"m"}\n')
    with pytest.raises(ConfigError, match="no call of a model is recorded"):
        Cassette(tmp_path / "run.jsonl")


if __name__ == "__main__":
    recorded(FILE)
