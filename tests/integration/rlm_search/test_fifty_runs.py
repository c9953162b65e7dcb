"""Fifty runs at once in the threads of one process, each in a confined sandbox of its own: nothing gets mixed up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import pytest

from rlm_search import RLM, ScriptedModel
from rlm_search.testing import MemoryRetriever
from rlm_search.trace.events import AnyEvent, CellFinished, RunStarted, Searched
from rlm_search.types import Message
from tests.integration.rlm_search.test_cancelled_runs import children

pytestmark = pytest.mark.integration

NUMBER = 50
CELLS = (
    "import os\nmine = {question!r}\nfor n in range(200):\n    print(mine, n)\nos.environ['MINE'] = mine",
    "assert os.environ['MINE'] == mine == {question!r}\nhits = es_search(mine)\n"
    "print(hits[0].preview, llm_batch([mine + ' a', mine + ' b']))",
    "FINAL(f'{{mine}} {{hits[0].doc_id}} {{llm_query(mine)}}')",
)


def reply(messages: Sequence[Message]) -> str:
    cell = CELLS[sum(message.role == "assistant" for message in messages)]
    return f"```python\n{cell.format(question=messages[1].content)}\n```"


def test_fifty_confined_runs_at_once_do_not_mix(tmp_path: Path) -> None:
    before = children()
    questions = [f"marker{n:02}" for n in range(NUMBER)]
    events: list[AnyEvent] = []
    rlm = RLM(
        model=ScriptedModel(reply, name="root"),
        sub_model=ScriptedModel(lambda messages: messages[-1].content.upper(), name="sub"),
        retriever=MemoryRetriever({f"doc-{question}": f"The word is {question}." for question in questions}),
        listeners=[events.append],
    )
    outcomes = list(rlm.run_many(questions, workers=NUMBER))

    assert [outcome.answer.text if outcome.answer else outcome.error for outcome in outcomes] == [
        f"{question} doc-{question} {question.upper()}" for question in questions
    ]
    of_run = defaultdict(list)
    for event in events:
        of_run[event.run_id].append(event)
    assert len(of_run) == NUMBER
    for run in of_run.values():
        [question] = [event.question for event in run if isinstance(event, RunStarted)]
        outputs = [event.stdout for event in run if isinstance(event, CellFinished)]
        assert outputs[0] == "".join(f"{question} {n}\n" for n in range(200))
        assert outputs[1] == f"The word is {question}. ['{question.upper()} A', '{question.upper()} B']\n"
        assert [event.query for event in run if isinstance(event, Searched)] == [question]
    assert len(children() - before) <= 1  # the one that new sessions are forked from
