"""What the bench of the loop measures, on a runtime that costs nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bench import loop_measures
from bench.loop_measures import Runtime, Turn


def run(turn: Turn, context: str) -> str:
    """Cells in this process, up to one that leaves `answer`."""
    names: dict[str, Any] = {}
    step = 0
    while "answer" not in names:
        exec(turn(step), names)
        step += 1
    return str(names["answer"])


NOTHING = Runtime(
    name="nothing",
    imports="pass",
    cell=lambda code: code,
    finish=lambda code, expression: f"{code}\nanswer = {expression}",
    run=run,
    batch="['fine' for _ in prompts]",
    with_sub_model=lambda turn, context, url: run(turn, context),
)


def test_fifty_runs_are_in_flight_at_once_and_each_has_its_own_answer() -> None:
    added, seconds = loop_measures.at_once(NOTHING)
    assert added < 50
    assert seconds < 60


def test_runs_with_the_answers_of_others_are_told() -> None:
    def mixed(turn: Turn, context: str) -> str:
        answer = run(turn, context)
        return answer if answer == "done" else "4-0"

    with pytest.raises(RuntimeError, match="49 of 50 runs have a wrong answer, such as '4-0'"):
        loop_measures.at_once(replace(NOTHING, run=mixed))


def test_figures_become_a_table_beside_one_another() -> None:
    shown = loop_measures.table({"one": {"a": 1.234, "b": (12.34, 123.4)}, "other": {"a": "RuntimeError: no"}})
    assert shown.splitlines() == [
        "|  | one | other |",
        "| --- | --- | --- |",
        "| a | 1.23 | RuntimeError: no |",
        "| b | 12.3, 123 |  |",
    ]
