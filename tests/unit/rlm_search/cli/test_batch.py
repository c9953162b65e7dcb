"""`rlm-search ask --questions`: many questions, answers as JSON lines, gone on with where it was stopped."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from rlm_search.errors import ContextTooLong
from rlm_search.models.scripted import ScriptedModel
from rlm_search.types import Message
from tests.unit.rlm_search.cli.conftest import Command, Ended, InProcess

FOUND = """```python
hits = es_search("capital expenditure turbines")
marker = cite(hits["items"][0], "came to 35 million")
FINAL(f"35 million {marker}")
```"""
QUESTIONS = '{"id": "a", "question": "What was spent?"}\n{"id": "b", "question": "Any penguins?"}\n'


class Playing(ScriptedModel):
    """A model whose reply hangs on the question alone; named by its class, as on the command line."""

    asked_for: list[str]
    replies: Mapping[str, str | Exception] = {}

    def __init__(self) -> None:
        super().__init__(self._reply, name="playing")

    def _reply(self, messages: Sequence[Message]) -> str | Exception:
        question = next(message.content for message in messages if message.role == "user")
        self.asked_for.append(question)
        if question in self.replies:
            return self.replies[question]
        return FOUND if "spent" in question else "```python\nes_search('penguins')\nFINAL('none', found=False)\n```"


@pytest.fixture(autouse=True)
def without_a_process(world: None, tmp_path: Path) -> None:
    (tmp_path / "rlm-search.toml").write_text(
        f'[sandbox]\nspec = "{InProcess.__module__}:InProcess"\n[model]\nspec = "{__name__}:Playing"\n',
        encoding="utf-8",
    )
    (tmp_path / "q.jsonl").write_text(QUESTIONS, encoding="utf-8")
    Playing.asked_for, Playing.replies = [], {}


@pytest.fixture
def ask(command: Command) -> Callable[..., Ended]:
    return lambda *words: command("ask", "--questions", "q.jsonl", *words)


def rows(text: str) -> dict[str, Any]:
    return {row["id"]: row for row in map(json.loads, text.splitlines())}


def test_each_question_is_a_line_on_stdout(ask: Callable[..., Ended]) -> None:
    ended = ask()
    found = rows(ended.out)

    assert ended.code == 0
    assert (found["a"]["question"], found["a"]["text"]) == ("What was spent?", "35 million [1]")
    assert found["a"]["citations"][0]["quote"] == "came to 35 million"
    assert found["b"]["status"] == "not_found"
    assert Path(found["a"]["trace"]).read_bytes().count(b"What was spent?") >= 1
    assert "2 questions of 2 answered" in ended.err


def test_what_has_an_answer_is_not_asked_again(ask: Callable[..., Ended], tmp_path: Path) -> None:
    first = ask("--output", "a.jsonl", "--workers", 1)
    lines = (tmp_path / "a.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "a.jsonl").write_bytes(lines[0] + lines[1][:30])
    Playing.asked_for.clear()
    second = ask("--output", "a.jsonl")

    assert (first.code, first.out, second.code, second.out) == (0, "", 0, "")
    assert Playing.asked_for == ["Any penguins?"]
    assert set(rows((tmp_path / "a.jsonl").read_text())) == {"a", "b"}
    assert "1 of 2 are answered in a.jsonl" in second.err


def test_nothing_is_asked_where_all_is_answered(ask: Callable[..., Ended]) -> None:
    ask("--output", "a.jsonl")
    Playing.asked_for.clear()

    assert ask("--output", "a.jsonl", "--quiet").code == 0
    assert Playing.asked_for == []


def test_a_question_whose_run_breaks_costs_itself_and_is_asked_again(ask: Callable[..., Ended], tmp_path: Path) -> None:
    Playing.replies = {"What was spent?": ContextTooLong("too long", hint="ask less")}
    ended = ask("--output", "a.jsonl")

    assert ended.code == 1
    assert "not answered: What was spent?: too long (ask less)" in ended.err
    assert set(rows((tmp_path / "a.jsonl").read_text())) == {"b"}
    Playing.replies = {}
    assert ask("--output", "a.jsonl").code == 0
    assert set(rows((tmp_path / "a.jsonl").read_text())) == {"a", "b"}


def test_errors_in_a_row_stop_the_rest(ask: Callable[..., Ended], tmp_path: Path) -> None:
    asked = [f"question {n}" for n in range(40)]
    (tmp_path / "q.jsonl").write_text("".join(json.dumps({"question": q}) + "\n" for q in asked), encoding="utf-8")
    Playing.replies = {q: ContextTooLong("no") for q in asked}
    ended = ask("--output", "a.jsonl", "--workers", 1)

    assert ended.code == 1
    assert "stopped here" in ended.err
    assert len(set(Playing.asked_for)) < 40


def test_the_worst_answer_is_the_exit_code(ask: Callable[..., Ended]) -> None:
    Playing.replies = {"Any penguins?": "I do not know."}

    assert ask("--output", "a.jsonl").code == 1
    assert ask("--output", "a.jsonl").code == 1  # of what stands in the file, too


def test_verbose_says_whose_step_a_line_is(ask: Callable[..., Ended]) -> None:
    err = ask("-v", "--output", "a.jsonl").err

    assert any(line.startswith("[1] ") and "finished: answered" in line for line in err.splitlines())
    assert any(line.startswith("[2] ") and "finished: not found" in line for line in err.splitlines())


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["ask"], "there is no question"),
        (["ask", "x", "--questions", "q.jsonl"], "not both"),
        (["ask", "x", "--context-glob", "*.log"], "give --context-dir, too"),
        (["ask", "x", "--output", "a.jsonl"], "--output is for"),
        (["ask", "--questions", "q.jsonl", "--trace", "t.jsonl"], "--trace records one run"),
        (["ask", "--questions", "none.jsonl"], "does not exist"),
        (["ask", "--questions", "q.jsonl", "--format", "html"], "are JSON lines"),
    ],
)
def test_flags_that_do_not_go_together_are_a_mistake_of_usage(command: Command, words: list[str], told: str) -> None:
    ended = command(*words)

    assert ended.code == 2
    assert told in ended.err
