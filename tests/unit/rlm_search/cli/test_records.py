"""What `rlm-search ask` recorded, played again and walked through; models for the further roles."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.unit.rlm_search.cli.conftest import Command, InProcess
from tests.unit.rlm_search.cli.test_ask import FOUND, QUESTION, Scripted, run_file, scripted

__all__ = ["run_file", "scripted"]


@pytest.fixture(autouse=True)
def without_a_process(world: None, tmp_path: Path) -> None:
    (tmp_path / "rlm-search.toml").write_text(
        f'[sandbox]\nspec = "{InProcess.__module__}:InProcess"\n', encoding="utf-8"
    )


def test_a_recorded_run_can_be_the_model(scripted: Scripted, command: Command, run_file: Path) -> None:
    scripted("--trace", run_file, replies=[FOUND])
    again = command("ask", QUESTION, "--model", f"cassette:{run_file}")
    other = command("ask", "Another question?", "--model", f"cassette:{run_file}")

    assert (again.code, again.out.splitlines()[0]) == (0, "35 million [1]")
    assert other.code == 1
    assert "a root call departs from the recorded run (step 1)" in other.err
    assert command("ask", QUESTION, "--model", "cassette").code == 5


def test_walking_through_a_run_needs_a_terminal(scripted: Scripted, command: Command, run_file: Path) -> None:
    scripted("--trace", run_file, replies=[FOUND])
    ended = command("trace", run_file, index=None)

    assert ended.code == 5
    assert f"rlm-search replay {run_file}" in ended.err
    assert command("trace", run_file.with_name("none.jsonl"), index=None).code == 5


def test_the_extra_that_is_missing_is_named(
    scripted: Scripted, command: Command, run_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted("--trace", run_file, replies=[FOUND])
    monkeypatch.setitem(sys.modules, "textual", None)

    assert "pip install 'rlm-search[tui]'" in command("trace", run_file, index=None).err


def test_another_model_can_be_the_verifier_and_the_engineer(
    scripted: Scripted, command: Command, tmp_path: Path
) -> None:
    (tmp_path / "judge.json").write_text('["UNSUPPORTED: it says 35"]', encoding="utf-8")
    (tmp_path / "brief.json").write_text('["A short text."]', encoding="utf-8")
    (tmp_path / "a.txt").write_text("The cost was 35 million.", encoding="utf-8")
    ended = scripted(
        "--verify", "--set", f"ask.verifier=scripted:{tmp_path / 'judge.json'}", "--context-engineer", "pre_loop",
        "--set", f"context_engineer.spec=scripted:{tmp_path / 'brief.json'}", "--context-file", tmp_path / "a.txt",
        "--json", replies=["```python\nFINAL('It was 36 million.')\n```"], index=None,
    )  # fmt: skip

    answer = json.loads(ended.out)
    assert [(doubt["kind"], doubt["reason"]) for doubt in answer["doubts"]] == [("unsupported", "it says 35")]
    assert answer["usage"]["sub"]["calls"] == 2


def test_short_text_goes_straight_to_the_model_and_long_text_is_gone_about_as_one_says(
    scripted: Scripted, tmp_path: Path, run_file: Path
) -> None:
    (tmp_path / "a.txt").write_text("The cost was 35 million.", encoding="utf-8")
    given = ("--context-file", tmp_path / "a.txt", "--trace", run_file)
    direct = scripted("--direct-below", 100, *given, replies=["35 million"], index=None)
    kinds = [json.loads(line)["type"] for line in run_file.read_text().splitlines()]
    by_run = scripted("--direct-below", 10, *given, replies=["```python\nFINAL('35')\n```"], index=None)

    assert (direct.code, direct.out) == (0, "35 million\n")
    assert kinds == ["run_started", "model_called", "run_finished"]
    assert by_run.out == "35\n"
    assert "cell_started" in run_file.read_text()


def test_the_answer_of_a_recorded_run_is_printed_in_each_format(
    scripted: Scripted, command: Command, run_file: Path
) -> None:
    text = scripted("--trace", run_file, replies=[FOUND]).out

    def told(form: str) -> str:
        return command("replay", run_file, "--format", form, index=None).out

    assert told("text").endswith(text)
    assert json.loads(told("json"))["citations"][0]["quote"] == "came to 35 million"
    assert "[^1]: " in told("markdown")
    assert told("html").startswith("<!doctype html>")
    assert command("replay", run_file, "--json", "--format", "html", index=None).code == 2


def test_a_run_that_was_cut_off_has_no_answer_to_print(scripted: Scripted, command: Command, run_file: Path) -> None:
    scripted("--trace", run_file, replies=[FOUND])
    run_file.write_bytes(b"".join(run_file.read_bytes().splitlines(keepends=True)[:-1]))

    ended = command("replay", run_file, "--format", "html", index=None)
    assert (ended.code, ended.out) == (5, "")
    assert "cut off" in ended.err
