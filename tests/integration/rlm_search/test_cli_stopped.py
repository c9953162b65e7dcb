"""`rlm-search` is stopped: by Ctrl-C, by a signal, by a kill, in the middle of everything."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.integration.rlm_search.conftest import BIN, QUESTION, Place, server_at
from tests.servers.openai_server import OpenAIServer, Raw, Say

pytestmark = pytest.mark.integration


def processes_of(group: int) -> list[str]:
    """Command lines of the processes of a session; those that have ended do not count."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                state = (folder / "stat").read_text().rpartition(")")[2].split()
                if int(state[3]) == group and state[0] != "Z":
                    found.append((folder / "cmdline").read_text().replace("\0", " "))
            except (OSError, IndexError):
                continue
    return found


def wait_until_none_is_left(group: int, seconds: float = 5) -> list[str]:
    until = time.monotonic() + seconds
    while (left := processes_of(group)) and time.monotonic() < until:
        time.sleep(0.02)
    return left


ENDLESS = "```python\nwhile True:\n    pass\n```"


@pytest.mark.parametrize(
    ("number", "code", "told"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_a_question_is_stopped_while_its_code_runs(place: Place, number: int, code: int, told: str) -> None:
    with OpenAIServer([Say(text=ENDLESS)]) as server:
        process = place.start("ask", QUESTION, "--model", "openai:m", "-v", **server_at(server))
        assert process.stderr is not None
        while "code: while True" not in process.stderr.readline():
            pass
        os.kill(process.pid, number)
        out, err = process.communicate(timeout=10)

    assert (process.returncode, out) == (code, "")
    assert err.splitlines()[-1] == told
    assert "Traceback" not in err
    assert wait_until_none_is_left(process.pid) == []


def test_a_question_is_stopped_while_the_model_thinks(place: Place, tmp_path: Path) -> None:
    trace = tmp_path / "run.jsonl"
    with OpenAIServer([Raw(pause=60)]) as server:
        process = place.start("ask", QUESTION, "--model", "openai:m", "--trace", str(trace), **server_at(server))
        assert server.asked.wait(20)
        os.kill(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=10)

    assert (process.returncode, out) == (130, "")
    assert err.splitlines()[-1] == "interrupted"
    assert wait_until_none_is_left(process.pid) == []
    assert json.loads(trace.read_text(encoding="utf-8").splitlines()[-1])["status"] == "failed"


def test_a_question_is_stopped_while_many_sub_questions_wait(place: Place) -> None:
    batch = '```python\nprint(llm_batch(["a", "b", "c", "d"]))\n```'
    models = ("--model", "openai:root", "--sub-model", "openai:sub")
    with OpenAIServer(lambda body: Say(text=batch) if body["model"] == "root" else Raw(pause=60)) as server:
        process = place.start("ask", QUESTION, *models, **server_at(server))
        until = time.monotonic() + 20
        while len(server.completions) < 3 and time.monotonic() < until:
            time.sleep(0.02)
        assert len(server.completions) >= 3
        os.kill(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=10)

    assert process.returncode == 130
    assert err.splitlines()[-1] == "interrupted"
    assert wait_until_none_is_left(process.pid) == []


def test_what_was_recorded_before_a_kill_ends_with_a_whole_line(place: Place, tmp_path: Path) -> None:
    trace = tmp_path / "run.jsonl"
    with OpenAIServer([Say(text=ENDLESS)]) as server:
        process = place.start("ask", QUESTION, "--model", "openai:m", "--trace", str(trace), **server_at(server))
        until = time.monotonic() + 20
        while time.monotonic() < until and (not trace.exists() or b"cell_started" not in trace.read_bytes()):
            time.sleep(0.02)
        process.kill()
        process.communicate()

    told = subprocess.run([str(BIN / "rlm-search"), "replay", str(trace)], capture_output=True, text=True, check=True)
    assert "while True" in told.stdout
    assert "cut off" in told.stderr
    assert wait_until_none_is_left(process.pid) == []


def interrupted(process: subprocess.Popen[str]) -> str:
    """Press Ctrl-C, again where it was lost (a shell may have it ignored); what the process says on stderr."""
    for _ in range(5):
        os.kill(process.pid, signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            return process.communicate(timeout=10)[1]
    raise AssertionError("Ctrl-C does not end it")


@pytest.mark.parametrize("words", [["search", "budget"], ["show", "x"], ["replay", "PIPE"], ["ask", QUESTION]])
def test_ctrl_c_at_any_moment_leaves_no_traceback(place: Place, words: list[str], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "run.jsonl")
    words = [str(tmp_path / "run.jsonl") if word == "PIPE" else word for word in words]
    for moment in (0.05, 0.1, 0.2, 0.3):
        if words[0] == "replay":
            process = subprocess.Popen(
                [str(BIN / "rlm-search"), *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                start_new_session=True,
            )  # fmt: skip
        else:
            process = place.start(*words)
        time.sleep(moment)
        err = interrupted(process)

        assert wait_until_none_is_left(process.pid) == []
        if process.returncode == -signal.SIGINT or err.startswith("Fatal Python error: init_import_site"):
            assert "in main" not in err  # it is Python itself that was still starting
            continue
        assert process.returncode in (130, 0, 3)
        if process.returncode == 130:
            assert "interrupted" in err
        assert "Traceback" not in err
