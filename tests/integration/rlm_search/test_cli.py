"""`rlm-search` as a process: from a folder of files to an answer, and every way in which it can be stopped."""

from __future__ import annotations

import json
import os
import pty
import resource
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.integration.rlm_search.conftest import BIN, FILES, KEY, QUESTION, Place, server_at
from tests.servers.openai_server import OpenAIServer, Raw, Say, too_many_requests

pytestmark = pytest.mark.integration

FOUND = """I look it up.

```python
hits = es_hybrid_search("budget for 2019 approved")
print(hits)
best = [hit for hit in hits if "2019" in hit["preview"]][0]
marker = cite(best, "approved by Maria Holm")
FINAL(f"Maria Holm {marker}")
```"""


# --- the whole way ----------------------------------------------------------------------------------------------------


def test_without_a_model_the_best_passages_are_quoted_and_it_is_said_so(place: Place) -> None:
    ended = place.run("ask", QUESTION)

    assert ended.returncode == 0, ended.stderr
    assert "approved by Maria Holm on 3 March" in ended.stdout
    assert "[1] " in ended.stdout
    assert "minutes-2019.md" in ended.stdout
    assert "No language model was used" in ended.stdout


def test_programs_are_told_too_that_no_language_model_was_used(place: Place) -> None:
    answer = json.loads(place.run("ask", QUESTION, "--json", "--quiet").stdout)

    assert answer["model"] == "extractive"
    assert "No language model was used" in answer["note"]
    assert answer["status"] == "answered"


def test_what_the_archive_does_not_hold_is_not_found(place: Place) -> None:
    ended = place.run("ask", "How tall is the lighthouse of Alexandria?")

    assert ended.returncode == 3
    assert "not found" in ended.stderr


def test_a_model_at_a_server_answers_with_citations_that_hold(place: Place) -> None:
    with OpenAIServer([Say(text=FOUND)], key=KEY) as server:
        ended = place.run("ask", QUESTION, "--model", "openai:m", "--json", **server_at(server))

    answer = json.loads(ended.stdout)
    [citation] = answer["citations"]
    assert answer["text"] == "Maria Holm [1]"
    assert (citation["source"], citation["quote"]) == ("minutes-2019.md", "approved by Maria Holm")
    assert KEY not in ended.stdout + ended.stderr
    assert KEY not in Path(answer["trace"]).read_text(encoding="utf-8")
    document = json.loads(place.run("show", citation["doc_id"], "--json").stdout)
    assert document["content"][citation["start"] : citation["end"]] == citation["quote"]


def test_a_model_that_calls_a_tool_instead_of_writing_a_block_is_understood(place: Place) -> None:
    code = FOUND.partition("```python\n")[2].removesuffix("```")
    with OpenAIServer([Say(tool_call={"name": "python", "arguments": json.dumps({"code": code})})]) as server:
        ended = place.run("ask", QUESTION, "--model", "openai:m", **server_at(server))

    assert ended.stdout.startswith("Maria Holm [1]"), ended.stderr


def test_a_busy_server_is_waited_for(place: Place) -> None:
    with OpenAIServer([too_many_requests("0.1"), Say(text=FOUND)]) as server:
        ended = place.run("ask", QUESTION, "--model", "openai:m", **server_at(server))

    assert (ended.returncode, len(server.completions)) == (0, 2)


def test_a_question_ends_in_its_time_though_the_model_hangs(place: Place) -> None:
    with OpenAIServer([Raw(pause=60)]) as server:
        started = time.monotonic()
        ended = place.run("ask", QUESTION, "--model", "openai:m", "--max-seconds", "1", **server_at(server))

    assert ended.returncode == 7
    assert "`seconds`" in ended.stderr
    assert time.monotonic() - started < 10


def test_sub_questions_go_to_the_sub_model(place: Place) -> None:
    delegating = '```python\nFINAL(llm_query("Say yes.") + " " + es_search("budget")[0]["doc_id"])\n```'
    with OpenAIServer(lambda body: Say(text=delegating if body["model"] == "root" else "yes")) as server:
        ended = place.run("ask", QUESTION, "--model", "openai:root", "--sub-model", "openai:sub", **server_at(server))

    assert ended.stdout.startswith("yes minutes-20"), ended.stderr
    assert [body["model"] for body in server.completions] == ["root", "sub"]


def test_a_recorded_run_is_told_again_without_model_and_index(place: Place, tmp_path: Path) -> None:
    trace = tmp_path / "run.jsonl"
    asked = place.run("ask", QUESTION, "--trace", str(trace))
    told = subprocess.run(
        [str(BIN / "rlm-search"), "replay", str(trace)], capture_output=True, text=True, check=True, cwd=tmp_path
    )

    assert "es_hybrid_search" in told.stdout
    assert asked.stdout.partition("\n")[0] in told.stdout


def test_search_and_show_lead_to_the_text(place: Place) -> None:
    [hit, *_] = json.loads(place.run("search", "failed thruster", "--json").stdout)["hits"]
    shown = place.run("show", hit["doc_id"])

    assert hit["source"] == "linkspan.txt"
    assert shown.stdout == FILES["linkspan.txt"]


# --- output -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [["search", "budget"], ["search", "budget", "--json"], ["ask", QUESTION, "-q"]])
def test_a_reader_that_leaves_is_no_error(place: Place, words: Sequence[str]) -> None:
    process = place.start(*words)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    err = process.stderr.read()
    process.wait(20)
    process.stderr.close()

    assert (process.returncode, err) == (141, "")


@pytest.mark.parametrize(
    ("redirection", "code", "told"),
    [(">&-", 1, "standard output is closed"), (">/dev/full", 5, "no space is left")],
)
def test_output_that_cannot_be_written_is_told(place: Place, redirection: str, code: int, told: str) -> None:
    ended = subprocess.run(
        ["bash", "-c", f'"$@" {redirection}', "bash", *place.command("search", "budget")],
        capture_output=True, text=True, check=False, env=dict(place.environment),
    )  # fmt: skip

    assert ended.returncode == code
    assert told in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_terminal_that_knows_only_ascii_gets_ascii(place: Place) -> None:
    ended = place.run("search", "budget", PYTHONIOENCODING="ascii", PYTHONUTF8="0")

    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.isascii()


def test_no_colour_and_no_cursor_leave_a_pipe(place: Place) -> None:
    ended = place.run("ask", QUESTION)

    assert "\x1b" not in ended.stdout + ended.stderr


def on_a_terminal(place: Place, *words: str, **changed: str) -> tuple[str, str]:
    """What a command writes to stdout, a pipe, and to stderr, a terminal."""
    leader, terminal = pty.openpty()
    process = subprocess.Popen(
        place.command(*words), stdout=subprocess.PIPE, stderr=terminal, text=True,
        env={**place.environment, "TERM": "xterm", **changed},
    )  # fmt: skip
    os.close(terminal)
    shown = b""
    while True:
        try:
            piece = os.read(leader, 65536)
        except OSError:  # the other end is closed
            break
        shown += piece
    out, _ = process.communicate(timeout=20)
    os.close(leader)
    return out, shown.decode()


def test_a_terminal_sees_the_steps_live_and_stdout_stays_clean(place: Place) -> None:
    out, shown = on_a_terminal(place, "ask", QUESTION)

    assert "\x1b" not in out
    assert "run with extractive: Who approved" in shown
    assert "\x1b[?25l" in shown  # the cursor is hidden meanwhile,
    assert "\x1b[?25h" in shown  # and comes back


@pytest.mark.parametrize(("words", "changed"), [(("-q",), {}), ((), {"TERM": "dumb"})])
def test_no_live_view_where_it_is_not_wanted(place: Place, words: tuple[str, ...], changed: dict[str, str]) -> None:
    _, shown = on_a_terminal(place, "ask", QUESTION, *words, **changed)

    assert "\x1b" not in shown


# --- speed ------------------------------------------------------------------------------------------------------------


def cpu_seconds(command: list[str], environment: Mapping[str, str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True, env=dict(environment))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_a_cold_search_takes_less_than_a_second_of_cpu(place: Place) -> None:
    command = place.command("search", "who approved the budget")

    assert min(cpu_seconds(command, place.environment) for _ in range(3)) < 1.0


def test_help_is_there_at_once(place: Place) -> None:
    command = [str(BIN / "rlm-search"), "--help"]

    assert min(cpu_seconds(command, place.environment) for _ in range(3)) < 0.15


@pytest.mark.parametrize(
    ("words", "absent"),
    [
        (["--help"], ["httpx", "rich", "numpy", "onnxruntime", "tantivy", "msgspec"]),
        (["search", "budget"], ["httpx", "rich", "rlm_search.rlm"]),
        (["search", "budget", "--mode", "lexical"], ["httpx", "rich", "onnxruntime", "tokenizers"]),
    ],
)
def test_a_command_imports_only_what_it_needs(place: Place, words: list[str], absent: list[str]) -> None:
    arguments = words if words[0].startswith("-") else place.command(*words)[1:]
    code = (
        "import sys\nfrom rlm_search.cli import main\n"
        f"try:\n    main({arguments!r})\nexcept SystemExit:\n    pass\n"
        f"print([name for name in {absent!r} if name in sys.modules])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(place.environment)
    )

    assert ended.stdout.splitlines()[-1] == "[]"
