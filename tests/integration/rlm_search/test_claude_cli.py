"""The `claude` command as a model: a program in its place that takes what it takes and answers as it does."""

from __future__ import annotations

import json
import os
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rlm_search.errors import ConfigError, ContextTooLong, ModelError, ModelRejected, ModelUnavailable
from rlm_search.models.claude_cli import ClaudeCli
from rlm_search.models.opening import open_model
from rlm_search.models.settings import ModelSettings
from rlm_search.types import CallOptions, Message

pytestmark = pytest.mark.integration
TURNS = [
    Message("system", "Be brief."),
    Message("user", "Hello?"),
    Message("assistant", "Yes?"),
    Message("user", "Time?"),
]
ANSWER = {
    "type": "result", "subtype": "success", "is_error": False, "result": "Noon. END of it", "stop_reason": "end_turn",
    "total_cost_usd": 0.0079, "usage": {"input_tokens": 3, "cache_read_input_tokens": 90, "output_tokens": 6},
}  # fmt: skip
Put = Callable[..., Path]


@pytest.fixture
def put(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Put:
    """Put a program called `claude` on the path; it records how it was called."""

    def write(answer: Any = ANSWER, *, first: str = "", code: int = 0) -> Path:
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        program = folder / "claude"
        text = answer if isinstance(answer, str) else json.dumps(answer)
        lines = [
            f"#!{sys.executable}",
            "import json, os, subprocess, sys, time",
            "asked = {'arguments': sys.argv[1:], 'prompt': sys.stdin.read(), 'files': os.listdir('.')}",
            f"json.dump({{**asked, 'pid': os.getpid()}}, open({str(tmp_path / 'asked.json')!r}, 'w'))",
            first,
            f"print({text!r})",
            f"sys.exit({code})",
        ]
        program.write_text("\n".join(lines))
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
        return tmp_path / "asked.json"

    return write


def test_it_is_asked_for_one_answer_without_tools_in_an_empty_folder(put: Put) -> None:
    asked = put()
    opened = open_model(ModelSettings(spec="claude:haiku"))
    said = opened.model.complete(TURNS, CallOptions(stop=("END",)))

    assert (said.text, said.model, said.finish_reason) == ("Noon. ", "claude:haiku", "stop")
    assert (said.usage.input_tokens, said.usage.cached_tokens, said.usage.output_tokens) == (93, 90, 6)
    assert said.usage.cost_usd == 0.0079
    assert opened.is_remote
    told = json.loads(asked.read_text())
    arguments = told["arguments"]
    assert arguments[arguments.index("--model") + 1] == "haiku"
    assert arguments[arguments.index("--system-prompt") + 1] == "Be brief."
    assert arguments[arguments.index("--tools") + 1] == ""
    assert told["files"] == []
    assert told["prompt"].index("Hello?") < told["prompt"].index("Yes?") < told["prompt"].index("Time?")


def test_a_single_question_is_sent_as_it_is(put: Put) -> None:
    asked = put()
    ClaudeCli().complete([Message("user", "Hello?")], CallOptions())

    assert json.loads(asked.read_text())["prompt"] == "Hello?"


@pytest.mark.parametrize(
    ("result", "kind"),
    [
        ("Invalid API key · Please run /login", ModelRejected),
        ("Prompt is too long", ContextTooLong),
        ("API Error: Overloaded", ModelUnavailable),
    ],
)
def test_what_it_refuses_is_told_as_what_it_is(put: Put, result: str, kind: type[ModelError]) -> None:
    put({**ANSWER, "is_error": True, "result": result}, code=1)
    with pytest.raises(kind):
        ClaudeCli().complete(TURNS, CallOptions())


@pytest.mark.parametrize("answer", ["", "no JSON", "[]", '{"type": "system"}'])
def test_an_answer_that_is_none_is_told(put: Put, answer: str) -> None:
    put(answer, code=3)
    with pytest.raises(ModelUnavailable):
        ClaudeCli().complete(TURNS, CallOptions())


def test_a_list_of_events_ends_with_the_answer(put: Put) -> None:
    put([{"type": "system"}, ANSWER])

    assert ClaudeCli().complete(TURNS, CallOptions()).text.startswith("Noon.")


def test_nothing_of_it_is_left_when_its_time_is_up(put: Put, tmp_path: Path) -> None:
    child = tmp_path / "child"
    put(first=f"p = subprocess.Popen(['sleep', '60']); open({str(child)!r}, 'w').write(str(p.pid)); time.sleep(60)")
    started = time.monotonic()
    with pytest.raises(ModelUnavailable, match="in time"):
        ClaudeCli().complete(TURNS, CallOptions(deadline=time.monotonic() + 1.5))

    assert time.monotonic() - started < 5
    for pid in (int(child.read_text()), json.loads((tmp_path / "asked.json").read_text())["pid"]):
        assert not _runs(pid)


def test_a_command_that_is_not_there_is_said_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ConfigError, match="not installed"):
        ClaudeCli().complete(TURNS, CallOptions())


def _runs(pid: int) -> bool:
    for _ in range(50):
        try:
            if "State:\tZ" in Path(f"/proc/{pid}/status").read_text():
                return False
        except OSError:
            return False
        time.sleep(0.02)
    return True
