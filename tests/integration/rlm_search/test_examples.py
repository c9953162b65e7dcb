"""The programs of `examples/`, run as a user runs them: no key, no network, one process each."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "examples"


def run(name: str, *arguments: str) -> str:
    environment = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "PYTHONPATH": str(ROOT), "COLUMNS": "100"}
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    assert not done.stderr
    return done.stdout


def test_minimal_answers_from_a_text_that_is_not_shown() -> None:
    assert "2024-03-03: 38 knots; 2024-03-13: 39 knots; 2024-03-26: 38 knots" in run("minimal.py")


def test_an_index_is_asked_and_quoted(tmp_path: Path) -> None:
    index = str(tmp_path / "index")
    command = [sys.executable, "-c", "from ingest.cli import main; main()", str(EXAMPLES / "archive")]
    subprocess.run([*command, "--index", index, "--embedder", "none"], check=True, capture_output=True)
    shown = run("ask_index.py", "extractive", index)
    assert shown.startswith("answered")
    assert re.search(r"^\[1\] .+: “.+”$", shown, re.MULTILINE)


def test_an_index_that_is_not_there_is_one_line_that_says_how_to_make_it(tmp_path: Path) -> None:
    command = [sys.executable, str(EXAMPLES / "ask_index.py"), "extractive", str(tmp_path / "none")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"there is no index {tmp_path / 'none'}: ingest examples/archive")


def test_the_retriever_of_four_methods_finds_its_note() -> None:
    assert "harbour: The harbour of Port Ellis is run by Mara Quist" in run("custom_retriever.py")


def test_the_model_of_ones_own_reads_for_the_sub_calls() -> None:
    shown = run("custom_model.py")
    assert "Letter 2: Dear Ole, the ferry now leaves the harbour at six." in shown
    assert re.search(r"tokens of the sub-model: [1-9]", shown)


def test_the_tool_of_ones_own_is_called_with_the_books_of_the_host() -> None:
    assert "Ida (50 crowns), Mara (48 crowns)" in run("custom_tool.py")


def test_the_needle_is_found_in_a_million_lines_for_a_few_tokens() -> None:
    shown = run("needle.py")
    hidden = re.search(r"hidden in 1,000,000 lines, \d\d million characters: (\d+)", shown)
    found = re.search(r"answered after [\d.]+ s, 2 steps: (\d+)", shown)
    tokens = re.search(r"read and wrote: ([\d,]+)", shown)
    assert hidden
    assert found
    assert tokens
    assert hidden[1] == found[1]
    assert int(tokens[1].replace(",", "")) < 3_000


def test_a_run_finds_the_key_term_where_the_bare_model_is_sent_too_much() -> None:
    rows = [line.split(maxsplit=4) for line in run("long_context.py").splitlines()[1:]]
    assert [(number, found) for number, _, found, _, _ in rows] == [(n, "oolong") for n in ("5", "20", "50", "120")]
    assert [bare.startswith("(ContextTooLong") for *_, bare in rows] == [False, False, True, True]


def test_the_router_sends_what_is_small_to_the_model_and_the_rest_through_a_run() -> None:
    small, large = run("router.py").splitlines()
    assert small.endswith("direct: Mara Quist.")
    assert large.endswith("run: Mara Quist")


def test_each_tier_is_asked_and_its_usage_told() -> None:
    shown = run("multi_tier.py")
    assert "january.txt, march.txt: 400,900 crowns together" in shown
    assert re.search(r"root +strong +1 calls", shown)
    assert re.search(r"sub +cheap +3 calls", shown)
    assert re.search(r"sub +middling +1 calls", shown)


def test_prompts_asked_at_once_take_the_time_of_a_few() -> None:
    shown = run("batch.py")
    times = re.search(r"one by one ([\d.]+) s, at once ([\d.]+) s", shown)
    assert times
    assert float(times[2]) < float(times[1]) / 2
    assert shown.count("8 of 12 are good") == 3


def test_the_panels_show_code_output_and_answer_and_the_file_can_be_replayed() -> None:
    shown = run("rich_trace.py")
    for part in ("step 1: code", "step 2: code", "39 launches", "sub-model", "Launch 23, with 59 million"):
        assert part in shown
    path = re.search(r"one a line: (\S+);", shown)
    assert path
    replay = [sys.executable, "-c", "from rlm_search.cli.start import main; main()", "replay", path[1]]
    replayed = subprocess.run(replay, capture_output=True, text=True, check=False)
    assert "Launch 23, with 59 million" in replayed.stdout


def test_every_example_stands_in_the_table_and_has_a_test() -> None:
    table = (EXAMPLES / "README.md").read_text("utf-8")
    here = Path(__file__).read_text("utf-8")
    for program in EXAMPLES.glob("*.py"):
        assert f"[{program.name}]({program.name})" in table
        assert f'run("{program.name}"' in here
