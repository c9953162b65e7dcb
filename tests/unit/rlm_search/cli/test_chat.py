"""`rlm-search chat`: questions that build on one another."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.rlm_search.cli.conftest import Command, Ended, InProcess

FIRST = """```python
hits = es_search("capital expenditure turbines")
mark = cite(hits["items"][0], "came to 35 million")
FINAL(f"35 million {mark}")
```"""
SECOND = """```python
FINAL(f"as I said, 35 {mark}")
```"""
NOTHING = """```python
es_search("penguins")
FINAL("None.", found=False)
```"""


@pytest.fixture
def chat(command: Command, world: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ended]:
    (tmp_path / "rlm-search.toml").write_text(f'[sandbox]\nspec = "{InProcess.__module__}:InProcess"\n')

    def call(*words: object, asked: str, replies: list[str]) -> Ended:
        (tmp_path / "script.json").write_text(json.dumps(replies), encoding="utf-8")
        monkeypatch.setattr("sys.stdin", io.StringIO(asked))
        return command("chat", "--model", f"scripted:{tmp_path / 'script.json'}", *words)

    return call


def test_variables_and_citations_last_from_question_to_question(chat: Callable[..., Ended], tmp_path: Path) -> None:
    ended = chat("-q", asked="How much?\n\nReally?\n", replies=[FIRST, SECOND])

    assert ended.code == 0
    assert ended.out.startswith("35 million [1]\n")
    assert "as I said, 35 [1]\n" in ended.out
    assert ended.out.count("“came to 35 million”") == 2
    assert ended.err == ""


def test_programs_get_a_line_an_answer_and_each_run_is_recorded(chat: Callable[..., Ended]) -> None:
    ended = chat("--json", asked="How much?\nPenguins?\n", replies=[FIRST, NOTHING])
    answers = [json.loads(line) for line in ended.out.splitlines()]

    assert ended.code == 3
    assert [(answer["question"], answer["status"]) for answer in answers] == [
        ("How much?", "answered"), ("Penguins?", "not_found"),
    ]  # fmt: skip
    assert len({answer["trace"] for answer in answers}) == 2


def test_a_model_that_breaks_ends_a_pipe_with_its_error(chat: Callable[..., Ended]) -> None:
    ended = chat(asked="How much?\nAnd now?\nAnd then?\n", replies=[FIRST])

    assert ended.code == 5
    assert ended.out.startswith("35 million [1]\n")
    assert "has no reply to call 2" in ended.err


def test_nothing_asked_is_nothing_answered(chat: Callable[..., Ended]) -> None:
    ended = chat(asked="\n \n", replies=[])

    assert (ended.code, ended.out) == (0, "")
